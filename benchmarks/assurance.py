"""What the assurance costs, and whether it is true: every domain of a generated estate is failed, and lived through.

    python -m benchmarks.assurance --racks 96 --gangs 400

The prediction is made on the columns of the whole estate. The twin plays each loss on estates of its own: the nodes
fail, what runs there stops, the predicted homes are taken one by one by the changes that a proposer would write, each
held against the kernel of the law and the racks' budgets, and whoever is predicted to have none is placed by an engine
that knows nothing of the prediction. The two must agree on who has a second home.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.figures import Figure, figure, main
from estate.changes import CopyWorkload, MoveWorkload, ReplicaMove
from estate.effects import effect
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import GangId, InstallationId, NodeId, WorkloadId
from estate.results import Refusal
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Binding, Gang, Workload
from policies import remedies
from tools.generation.estates import generate
from tools.generation.layouts import Odds
from tools.generation.sizes import Size
from tools.placement.assurance.domains import Sort, every
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.rehoming import Aftermath
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, Placement

SITES, TENANTS, BUSY = 4, 32, 750
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def estate(racks: int, gangs: int, seed: int = 7) -> FrozenEstate:
    """So many racks at four sites; so many workloads are gangs and promised, all others take their chance."""
    size = Size(SITES, -(-racks // SITES), seed, NOW + timedelta(days=365), tenants=TENANTS, odds=Odds(busy=BUSY))
    made = generate(size)
    work = list(_ganged(made.world.workloads, gangs))
    version = SnapshotVersion(installation=InstallationId("bench"), epoch=1, sequence=1)
    return FrozenEstate.of(version, made.facts, made.world.nodes, work, made.items)


def _ganged(workloads: Iterable[Workload], gangs: int) -> Iterator[Workload]:
    for number, workload in enumerate(sorted(workloads, key=lambda w: (-w.replicas, w.id))):
        promise = workload.contract.model_copy(update={"min_available": workload.replicas if number < gangs else 0})
        gang = (Gang(id=GangId(f"gang-{number}")),) if number < gangs else ()
        yield workload.model_copy(update={"gangs": gang, "contract": promise})


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one loss in the twin."""

    rehomed: frozenset[WorkloadId]
    homeless: frozenset[WorkloadId]


def play(snapshot: Snapshot, lost: tuple[NodeId, ...], predicted: Aftermath, now: datetime) -> Played:
    """Live through one loss, and give everybody the home that was predicted.

    Raises:
        AssertionError: a predicted home cannot be had, is unlawful or unpowered; or there is one where none was seen.
    """
    running = failed(snapshot, lost)
    for name, bindings in predicted.homes.items():
        running = _rehomed(running, name, bindings)
        (workload,) = (w for w in running.workloads_on(bindings[0].node) if set(bindings) <= set(w.bindings))
        assert not remedies.amiss(running, workload, now), (predicted.domain, name)
    for rack in {r for b in predicted.homes.values() for x in b if (r := running.rack_of(x.node)) is not None}:
        assert running.rack_watts(rack) <= running.facts.rack[rack].power_budget_watts, (predicted.domain, rack)
    engine = MaskEngine()
    for lost_home in predicted.homeless:
        found = engine.place(running, Ask(lost_home.workload.id, lost_home.replicas))
        assert not isinstance(found, Placement), (predicted.domain, lost_home.workload.id)
    return Played(frozenset(predicted.homes), frozenset(h.workload.id for h in predicted.homeless))


def failed(snapshot: Snapshot, lost: tuple[NodeId, ...]) -> Snapshot:
    """The estate once these nodes have failed and what ran there has stopped."""
    residents = {w.id for n in lost for w in snapshot.workloads_on(n)}
    for name in residents:
        workload = snapshot.workload(name)
        assert workload is not None
        snapshot = snapshot.with_workload(workload.without([b for b in workload.bindings if b.node in lost]))
    for node in lost:
        found = snapshot.node(node)
        if found is not None:
            snapshot = snapshot.with_node(found.model_copy(update={"health": Health.FAILED}))
    return snapshot


def _rehomed(running: Snapshot, name: WorkloadId, bindings: tuple[Binding, ...]) -> Snapshot:
    """The homes as a change that a proposer would make of them."""
    workload = running.workload(name)
    first = running.node(bindings[0].node)
    assert workload is not None
    assert first is not None
    moving = {b.replica for b in bindings}
    # The whole gang stops first, as the node's failure made it.
    stopped = workload.without([b for b in workload.bindings if b.replica in moving])
    running = running.with_workload(stopped)
    change: MoveWorkload | CopyWorkload
    if first.cluster != workload.cluster:
        change = CopyWorkload(workload=name, to_cluster=first.cluster, bindings=bindings)
        done = effect(change, running)
        assert not isinstance(done, Refusal), done
        return done.value.without_workload(name)
    change = MoveWorkload(
        workload=name,
        moves=tuple(
            ReplicaMove(replica=b.replica, source=None, target=b.node, accelerators=b.accelerators) for b in bindings
        ),
    )
    done = effect(change, running)
    assert not isinstance(done, Refusal), done
    return done.value


def measure(racks: int, gangs: int) -> list[Figure]:
    """Time of the whole assurance and of one change, and the comparison with the twin."""
    whole = estate(racks, gangs)
    started = time.process_time()
    keeper = Keeper()
    predicted = keeper.all(whole, NOW)
    first = time.process_time() - started
    count = Counter[str]()
    members = every(whole, Sort, [n.id for n in whole.nodes()])
    for aftermath in predicted:
        played = play(whole, members[aftermath.domain], aftermath, NOW)
        count["homes"] += len(played.rehomed)
        count["homeless"] += len(played.homeless)
    victim = next(w for w in whole.workloads() if w.bindings)
    started = time.process_time()
    keeper.follow(whole.with_workload(victim.without(victim.bindings[:1])), NOW)
    waited = keeper.waiting()
    keeper.work()
    change = time.process_time() - started
    return [
        figure("domains lost", len(predicted), "1"),
        figure("promised workloads", sum(1 for w in whole.workloads() if w.contract.min_available), "1"),
        figure("second homes, each taken in the twin", count["homes"], "1"),
        figure("without a second home, none in the twin either", count["homeless"], "1"),
        figure("whole assurance, processor time", first, "s"),
        figure("losses looked at again after one change", waited, "1"),
        figure("one change, processor time", change * 1e3, "ms"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--racks", type=int, default=96)
    parser.add_argument("--gangs", type=int, default=400)
    asked, sys.argv[1:] = parser.parse_known_args()
    main("assurance", lambda: measure(asked.racks, asked.gangs))
