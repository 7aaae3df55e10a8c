"""A decision of the law with context and second opinion, by kind of change and beside the size of the estate.

Beside each, in the same rounds, what no decision over the same requests can undercut: their JSON, and Cedar's answers
to them once they are JSON. An entity is a node, an accelerator or a workload. By processor time: nothing here waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median

import cedarpy
import orjson

from agents import roster
from benchmarks.figures import Figure, figure, main, percentile
from benchmarks.fleets import fleet
from console.interpreting import tuned
from console.registering import register
from estate.changes import ApplyManifest, Change, CordonNode, DrainNode, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.identities import Subject, SubjectKind
from estate.ids import ClusterId, IncidentId, InstallationId, NodeId, SiteId, WorkloadId
from estate.modes import Mode
from estate.proposals import Lane, Proposal
from estate.results import Ok
from estate.snapshots import SnapshotVersion
from estate.verdicts import Decision
from estate.workloads import Binding
from policies.bundle import Bundle
from policies.deciding import decide
from policies.questions import Matter, Question, Standing

ENTITIES_BY_RACKS = {13: 1_000, 1_316: 100_000}
"""Racks a site, and the entities that they come to."""
ROUNDS = 300
_BENCH = InstallationId("bench")
_FIRST, _THIRD = NodeId("eu-de-r001-n01"), NodeId("eu-de-r001-n03")
_WORK = WorkloadId("serve-eu-de-r001")
_MADE = (roster.WORKER.maker(), roster.CASE_GRAPH.maker(), roster.RUNBOOK.maker())
_HALF = (0, 1, 2, 3)
_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "tenant-a"},
    "data": {"log": "debug"},
}
CHANGES: Mapping[str, Change] = {
    "fence": CordonNode(node=_FIRST),
    "drain": DrainNode(node=_FIRST),
    "move": MoveWorkload(
        workload=_WORK, moves=(ReplicaMove(replica=0, source=_FIRST, target=_THIRD, accelerators=_HALF),)
    ),
    "scale": ScaleWorkload(workload=_WORK, replicas=3, bindings=(Binding(replica=2, node=_THIRD, accelerators=_HALF),)),
    "apply": ApplyManifest(cluster=ClusterId("eu-1"), manifest=_SETTINGS),
}


@dataclass(frozen=True)
class Run:
    """One change on one estate, and the seconds that it took."""

    question: Question
    anew: list[float] = field(default_factory=list)
    """Nothing that Cedar is asked was asked of this bundle before."""
    again: list[float] = field(default_factory=list)
    """Everything was: a storm of alike failures, the next worker's look at the same."""
    written: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    def once(self) -> None:
        """One decision twice, and its floors."""
        first = replace(self.question, bundle=replace(self.question.bundle, _answers={}))
        _timed(self.anew, lambda: decide(first))
        ruling = _timed(self.again, lambda: decide(first))
        assert ruling.verdict.decision is Decision.PERMIT, ruling.verdict.failures
        asks, bundle = ruling.read.asks, self.question.bundle
        texts = _timed(self.written, lambda: [orjson.dumps(a.context) for a in asks])
        requests = [
            a.request(ruling.read.principal) | {"context": t.decode()} for a, t in zip(asks, texts, strict=True)
        ]
        sliced = [(bundle.slices[a.action], r) for a, r in zip(asks, requests, strict=True)]
        _timed(self.answered, lambda: [cedarpy.is_authorized(r, s.policies, s.actions) for s, r in sliced])


def measure() -> list[Figure]:
    """Each kind of decision on each size in turn, the largest size against the smallest, and the floors."""
    bundle = Bundle.load()
    estates = {entities: _estate(racks) for racks, entities in ENTITIES_BY_RACKS.items()}
    runs = {name: {n: Run(_question(c, e, bundle)) for n, e in estates.items()} for name, c in CHANGES.items()}
    with tuned():
        for _ in range(ROUNDS):
            for of_kind in runs.values():
                for run in of_kind.values():
                    run.once()
    return [f for name, of_kind in runs.items() for f in _figures(f"{name} of {len(bundle.rules)} policies", of_kind)]


def _figures(name: str, runs: Mapping[int, Run]) -> Sequence[Figure]:
    smallest, largest = min(runs), max(runs)
    ratio = median(runs[largest].anew) / median(runs[smallest].anew)
    floors = runs[largest]
    return [
        *(f for n, r in runs.items() for f in _seconds(f"{name}, {n} entities, asked anew", r.anew)),
        *(f for n, r in runs.items() for f in _seconds(f"{name}, {n} entities, asked again", r.again)),
        figure(f"{name}, {largest} entities, of {smallest}", ratio, "×", at_most=1.25),
        figure(f"{name}, floor: its contexts as JSON p50", median(floors.written) * 1e6, "µs"),
        figure(f"{name}, floor: Cedar's bare answers p50", median(floors.answered) * 1e6, "µs"),
    ]


def _seconds(name: str, taken: Sequence[float]) -> tuple[Figure, Figure]:
    middle = figure(f"{name}, p50", median(taken) * 1e6, "µs", at_most=150)
    return middle, figure(f"{name}, p99", percentile(taken, 99) * 1e6, "µs")


def _timed[T](taken: list[float], done: Callable[[], T]) -> T:
    started = time.process_time()
    found = done()
    taken.append(time.process_time() - started)
    return found


def _estate(racks: int) -> FrozenEstate:
    made = fleet(_NOW + timedelta(days=30), racks)
    version = SnapshotVersion(installation=_BENCH, epoch=1, sequence=1)
    return FrozenEstate.of(version, register(made.facts).facts, made.world.nodes, made.world.workloads)


def _question(change: Change, estate: FrozenEstate, bundle: Bundle) -> Question:
    laid = lay_out((change,), estate)
    assert isinstance(laid, Ok), laid
    proposal = Proposal(
        installation=_BENCH,
        incident=IncidentId("inc-benchmark"),
        attempt=1,
        lane=Lane.CASE,
        site=SiteId("eu-de"),
        snapshot=estate.version,
        created_at=_NOW,
        proposer=Subject(kind=SubjectKind.AGENT, issuer=_BENCH, name="agent"),
        summary="a benchmark",
        steps=laid.value.steps,
        made_by=_MADE,
    )
    return Question(Matter.of(proposal), estate, bundle, Standing(Mode.AUTOMATIC), _NOW)


if __name__ == "__main__":
    main("gate", measure)
