"""The law on a delta, beside the size of the estate: a change at a thousand nodes and at a hundred times as many.

Every change is a delta of its own: a replica that moves to another node, and one in fifty that somebody has use data
which no fact knows. Measured is what the inventory's watch does with it: find whom it touches, ask Cedar and the
kernel where no equal seat was asked of, step the alarms. Of new facts the first look, and how fast the rest goes.
A larger estate may cost what memory costs (deeper maps, colder caches), and no scan.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median

from benchmarks.estates import Estate
from benchmarks.figures import Figure, figure, main
from console.interpreting import tuned
from estate.frozen import FrozenEstate
from estate.ids import Country, DatasetId, InstallationId, NodeId, WorkloadId
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from estate.workloads import Workload
from policies.bundle import Bundle
from policies.watching import Watched
from tools.sensors.lawfulness import Lawfulness
from tools.sensors.port import Change, Seen
from tools.sensors.sensing import State, sense

SIZES = (1_000, 100_000)
ROUNDS, CHANGES = 8, 500
ONE_IN = 50
_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_UNKNOWN = (DatasetId("nobodys-records"),)


@dataclass
class Run:
    """One estate that is watched."""

    nodes: int
    bundle: Bundle
    random: Random = field(default_factory=lambda: Random(7))
    state: State = field(default_factory=State)
    told: int = 0

    def __post_init__(self) -> None:
        made = Estate(self.nodes, _NOW + timedelta(days=30))
        bare = (n.model_copy(update={"accelerators": ()}) for n in made.seen())
        self.names = [w.id for w in made.running()]
        self.estate = FrozenEstate.of(_version(1), made.facts, bare, made.running())
        self.places = [n.id for n in self.estate.nodes()]
        self.watched = Watched(self.bundle)
        self.see(FrozenEstate(_version(0), made.facts), Change(workloads=tuple(self.names)))
        while self.watched.look(self.estate, self.estate, (), (), _NOW).touched:
            pass

    def see(self, before: FrozenEstate, change: Change) -> int:
        """One look; of how many workloads it was asked."""
        workloads, nodes = map(WorkloadId, change.workloads), map(NodeId, change.nodes)
        law = self.watched.look(before, self.estate, workloads, nodes, _NOW)
        seen = Seen(_NOW, before, self.estate, change, law=law)
        sensed = sense(self.state, {"lawfulness": Lawfulness()}, seen)
        assert not sensed.faults, sensed.faults
        self.state, self.told = sensed.state, self.told + len(sensed.signals)
        return len(law.touched)

    def changes(self) -> float:
        """The seconds that so many changes take, without making them."""
        taken = 0.0
        for changed in self._changed():
            before, self.estate = self.estate, self.estate.with_workload(changed)
            started = time.process_time()
            self.see(before, Change(workloads=(changed.id,)))
            taken += time.process_time() - started
        return taken

    def renewed(self) -> tuple[float, float]:
        """The seconds of the first look under facts by which all that runs is unlawful, and of each workload then."""
        self.estate = self.estate.with_facts(_sold(self.estate.facts))
        everything = Change(workloads=tuple(self.names), nodes=tuple(self.places))
        started = time.process_time()
        self.see(FrozenEstate(_version(0), self.estate.facts), everything)
        first = time.process_time() - started
        started = time.process_time()
        asked = self.see(self.estate, Change())
        return first, (time.process_time() - started) / max(asked, 1)

    def _changed(self) -> Iterator[Workload]:
        for number in range(CHANGES):
            workload = self.estate.workload(self.random.choice(self.names))
            assert workload is not None
            first, *others = workload.bindings
            moved = first.model_copy(update={"node": self.random.choice(self.places)})
            data = _UNKNOWN if number % ONE_IN == 0 else ()
            yield workload.model_copy(update={"bindings": (moved, *others), "datasets": data})


def _version(sequence: int) -> SnapshotVersion:
    return SnapshotVersion(installation=InstallationId("bench"), epoch=1, sequence=sequence)


def _sold(facts: Facts) -> Facts:
    moved = (e.model_copy(update={"compelled_by": (Country("US"),)}) for e in facts.entities)
    said = {"version": 2, "entities": tuple(moved)}
    return Facts.model_validate({n: getattr(facts, n) for n in Facts.model_fields} | said)


def measure() -> Sequence[Figure]:
    """Each size in turn, so that whatever else the machine does meets both, and the largest against the smallest."""
    bundle = Bundle.load()
    runs = {nodes: Run(nodes, bundle) for nodes in SIZES}
    taken = {nodes: list[float]() for nodes in SIZES}
    with tuned():
        for _ in range(ROUNDS):
            for nodes, run in runs.items():
                taken[nodes].append(run.changes() / CHANGES)
        each = {nodes: median(rounds) for nodes, rounds in taken.items()}
        rates = [figure(f"changes at {n} nodes", 1 / seconds, "1/s", at_least=1000) for n, seconds in each.items()]
        renewed = [f for nodes, run in runs.items() for f in _renewed(nodes, run)]
    smallest, largest = SIZES
    ratio = figure(f"a change at {largest} nodes, of {smallest}", each[largest] / each[smallest], "×", at_most=2)
    assert not any(run.told for run in runs.values()), "nothing lasted long enough to be told"
    return [*rates, ratio, *renewed]


def _renewed(nodes: int, run: Run) -> tuple[Figure, Figure]:
    first, later = run.renewed()
    return (
        figure(f"new facts at {nodes} nodes, first look", first * 1e3, "ms"),
        figure(f"new facts at {nodes} nodes, each workload", later * 1e6, "µs"),
    )


if __name__ == "__main__":
    main("lawwatch", measure)
