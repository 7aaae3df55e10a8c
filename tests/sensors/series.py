"""Plays a series of estates and readings to sensors with a clock of its own: what was told, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from estate.frozen import FrozenEstate
from estate.hands import Hand
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.references import Ref
from estate.workloads import Workload
from policies.watching import Watched
from tests import builders
from tools.inventory.disagreements import Disagreement
from tools.inventory.port import Heard
from tools.payloads.facts.metrics import Metric
from tools.sensors.port import Change, Measured, Seen
from tools.sensors.registry import Settings
from tools.sensors.sensing import Sensors, Signal, State, sense


def nothing() -> FrozenEstate:
    """What was there before the first estate."""
    return builders.estate(nodes=(), workloads=(), at=builders.version(0))


@dataclass
class Series:
    """One run. Every step of it goes through `sense` alone."""

    estate: FrozenEstate = field(default_factory=builders.estate)
    sensors: Sensors = field(default_factory=lambda: Settings().sensors())
    now: datetime = builders.START
    state: State = field(default_factory=State)
    told: list[Signal] = field(default_factory=list)
    looked: int = 0
    """How many subjects were judged in the last step."""
    law: Watched | None = None
    """What is asked of the law; without it only machines are watched."""
    asked: tuple[WorkloadId, ...] = ()
    """What it was asked of in the last step."""

    def begin(self) -> Series:
        """The first estate is there, or the same under other facts."""
        before = builders.estate(law_base=self.estate.facts, nodes=(), workloads=(), at=builders.version(0))
        change = Change(
            nodes=tuple(n.id for n in self.estate.nodes()),
            workloads=tuple(w.id for w in self.estate.workloads()),
            items=tuple(i.ref for i in self.estate.stock),
        )
        self.see(Seen(self.now, before, self.estate, change))
        return self

    def see(self, seen: Seen) -> None:
        """One look."""
        if self.law is not None:
            nodes, workloads = map(NodeId, seen.change.nodes), map(WorkloadId, seen.change.workloads)
            look = self.law.look(seen.before, seen.after, workloads, nodes, seen.now)
            seen, self.asked = replace(seen, law=look), look.touched
        sensed = sense(self.state, self.sensors, seen)
        for sensor in self.sensors.values():
            sensor.settle()
        assert not sensed.faults, sensed.faults
        self.state, self.looked = sensed.state, len(sensed.written)
        self.told += sensed.signals

    def wait(self, seconds: float, step: float = 1.0) -> None:
        """Nothing but time passes."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(self.now + timedelta(seconds=step), end)
            self.see(Seen(self.now, self.estate, self.estate))

    def read(self, metric: Metric, *values: tuple[Ref, float], at: datetime | None = None, part: str = "") -> None:
        """Readings come in."""
        readings = tuple(Measured(ref, metric, value, at or self.now, part) for ref, value in values)
        self.see(Seen(self.now, self.estate, self.estate, measured={metric: readings}))

    def put(self, *things: Item | Node | Workload) -> None:
        """Things change."""
        before = self.estate
        for thing in things:
            if isinstance(thing, Workload):
                self.estate = self.estate.with_workload(thing)
            elif isinstance(thing, Node):
                self.estate = self.estate.with_node(thing)
            else:
                self.estate = self.estate.with_stock(self.estate.stock.with_(thing))
        self.estate = self.estate.at(builders.version(before.version.sequence + 1))
        change = Change(
            nodes=tuple(t.id for t in things if isinstance(t, Node)),
            workloads=tuple(t.id for t in things if isinstance(t, Workload)),
            items=tuple(t.ref for t in things if not isinstance(t, Node | Workload)),
        )
        self.see(Seen(self.now, before, self.estate, change))

    def written(self, workload: Workload, by: str) -> None:
        """A workload changes by somebody's hand."""
        before, self.estate = self.estate, self.estate.with_workload(workload)
        change = Change(workloads=(workload.id,))
        self.see(Seen(self.now, before, self.estate, change, hands={workload.id: Hand(manager=by)}))

    def renew(self, facts: Facts) -> None:
        """Other facts are put in force."""
        self.estate = self.estate.with_facts(facts)
        self.begin()

    def hear(
        self,
        source: str,
        *heard: Heard,
        said: Iterable[Ref] = (),
        conflicts: Iterable[Disagreement] = (),
    ) -> None:
        """A source speaks, or fails to."""
        told = Seen(
            self.now, self.estate, self.estate, source=source, heard=heard, said=tuple(said), conflicts=tuple(conflicts)
        )
        self.see(told)

    def of(self, code: str) -> list[Signal]:
        """What was told with that code."""
        return [s for s in self.told if s.code == code]

    def raised(self, code: str) -> int:
        """How often that was raised."""
        return sum(1 for s in self.of(code) if not s.resolved)

    def cleared(self, code: str) -> int:
        """How often that was resolved."""
        return sum(1 for s in self.of(code) if s.resolved)
