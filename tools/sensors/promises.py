"""`contract.breached`: where a workload stands, something that it was promised is not kept any more, or not in time.

Its users are too far since a line is down, its storage is shared with too many, a feed has no batteries, a price went
up, its replicas stand too near each other, its deadline cannot be met. What is promised is read as placement reads it
(`tools.placement.breaches`). Looked at are those whose place or promise changed, and all with promises when lines,
storage, feeds, prices or facts change, some of them in each look: a look costs the same however large the estate is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import ClassVar, Final

from pydantic import Field, PrivateAttr

from estate import pledges
from estate.evidence import Quantity
from estate.fabrics.links import Link
from estate.ids import NodeId, WorkloadId
from estate.observations import PROMISE_BROKEN, EventType, Severity
from estate.records import Model
from estate.references import Ref, read_ref
from estate.units import Seconds
from estate.workloads import Workload
from tools.placement import breaches
from tools.placement.breaches import Breach, Late
from tools.placement.constraints.kinds import Constraint
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

_BEARING = frozenset({"link", "storage", "copy", "feed", "ups", "pdu", "rack", "price", "region", "site"})
"""The kinds of items that promises are kept by."""
_PACE = timedelta(seconds=1)
_NAMED = 5


class Nothing(Model):
    """A promise is judged by what the estate says now."""


class Promises(Sensor[Nothing]):
    """How long a promise must be broken, and be kept again; and how many workloads are looked at once a second."""

    tells: ClassVar[EventType] = EventType.CONTRACT_BREACHED
    remembers: ClassVar[type[Model]] = Nothing

    raise_after_seconds: Seconds = Seconds(120)
    """Longer than a line flaps, or a rollout takes."""
    clear_after_seconds: Seconds = Seconds(120)
    at_once: int = Field(default=16, ge=1, le=10_000)

    _holders: dict[WorkloadId, None] = PrivateAttr(default_factory=dict)
    """Whoever was promised something of its place, or by a time."""
    _waiting: dict[WorkloadId, None] = PrivateAttr(default_factory=dict)
    """Whom to look at, those who have waited longest first."""
    _looked_at: datetime | None = PrivateAttr(default=None)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        if seen.first:
            self._holders.clear()
            self._waiting.clear()
        for name in self._changed(seen):
            self._enlist(name, seen)
        if seen.before.facts is not seen.after.facts or any(_bears(ref, seen) for ref in seen.change.items):
            self._waiting |= self._holders
        if self._looked_at is not None and not seen.first and seen.now - self._looked_at < _PACE:
            return
        self._looked_at = seen.now
        for name in [*islice(self._waiting, self.at_once)]:
            del self._waiting[name]
            yield f"workload/{name}", None

    def judge(self, subject: str, memory: Nothing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Nothing]:
        workload = seen.after.workload(WorkloadId(read_ref(subject).id))
        if workload is None:
            return Judged()
        found = [self._place(workload, b) for b in breaches.standing(seen.after, workload, seen.now)]
        late = breaches.late(pledges.of(seen.after, workload, seen.now), workload)
        if late is None:
            return Judged(None, tuple(found))
        due = late.at if late.at > seen.now else None
        return Judged(None, (*found, self._time(workload, late, due=due is None)), due)

    def _enlist(self, name: WorkloadId, seen: Seen) -> None:
        """Whoever is gone, or is promised nothing any more, is looked at a last time."""
        workload = seen.after.workload(name)
        if workload is not None and breaches.watched(pledges.of(seen.after, workload, seen.now)):
            self._holders[name] = self._waiting[name] = None
        elif name in self._holders:
            del self._holders[name]
            self._waiting[name] = None

    def _changed(self, seen: Seen) -> Iterator[WorkloadId]:
        yield from map(WorkloadId, seen.change.workloads)
        for node in map(NodeId, seen.change.nodes):
            yield from (w.id for w in seen.after.workloads_on(node))
        for ref in seen.change.items:
            if ref.kind == "contract":
                yield from seen.promised_by(ref)

    def _place(self, workload: Workload, breach: Breach) -> Condition:
        where = ", ".join(breach.nodes[:_NAMED])
        kept = f"workload/{workload.id} has what it was promised: {breach.constraint.value}"
        told = f"workload/{workload.id} was promised {breach.needed}: {breach.found} ({where})"
        word = _WORDS[breach.constraint]
        return Condition(
            name=word,
            level=wrong(bool(breach.nodes)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=told if breach.nodes else kept,
            code=f"{PROMISE_BROKEN}-{word}",
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="nodes-amiss", value=len(breach.nodes), unit="1"),),
            thresholds=(Quantity(name="allowed", value=0, unit="1"),),
            window_seconds=self.raise_after_seconds,
        )

    def _time(self, workload: Workload, late: Late, *, due: bool) -> Condition:
        return Condition(
            name="deadline",
            level=wrong(due),
            hold=Hold.seconds(0, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"workload/{workload.id} cannot be done by its deadline: {late.why}",
            code=f"{PROMISE_BROKEN}-deadline",
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="running", value=len(workload.bindings), unit="1"),),
            thresholds=(Quantity(name="replicas", value=workload.replicas, unit="1"),),
        )


def _bears(ref: Ref, seen: Seen) -> bool:
    """Whether something that promises are kept by has changed. How much of a line is used changes all the time."""
    if ref.kind not in _BEARING:
        return False
    before, after = seen.before.stock.get(ref), seen.after.stock.get(ref)
    if isinstance(before, Link) and isinstance(after, Link):
        return (before.state, before.latency, before.capacity) != (after.state, after.latency, after.capacity)
    return True


_WORDS: Final = {
    Constraint.LATENCY: "latency",
    Constraint.STORAGE: "storage",
    Constraint.SUPPLY: "supply",
    Constraint.DATA: "data",
    Constraint.STAGES: "stages",
    Constraint.COST: "cost",
    Constraint.AVAILABILITY: "availability",
    Constraint.TOGETHER: "together",
    Constraint.SPREAD: "spread",
    Constraint.WRITTEN: "written",
}
