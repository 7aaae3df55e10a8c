"""`capacity.pressure`: a promised workload that would have no second home if one node or one rack were lost.

The losses are worked out by `tools.placement.assurance`, some of them in each look, so that a look costs the same
however large the estate is: what a change touched comes first, and a whole estate of a thousand nodes takes a minute.
A look runs in a thread beside the loop that senses; what it found is judged in the next step.
By default nodes and racks are lost; an estate that is meant to outlive a feed, a site or a provider names them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field, PrivateAttr

from estate.evidence import Quantity
from estate.ids import WorkloadId
from estate.observations import EventType, Severity
from estate.records import Model
from estate.references import read_ref
from estate.units import Seconds
from estate.workloads import Workload
from tools.placement.assurance import domains, reports
from tools.placement.assurance.looking import Breaches, Looking
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

_NAMED = 5
_PACE = timedelta(seconds=1)


class Nothing(Model):
    """What is known of losses is worked out anew after a restart."""


class Assurance(Sensor[Nothing]):
    """Against which losses, and how long a second home must be missing, and be there again."""

    tells: ClassVar[EventType] = EventType.CAPACITY_PRESSURE
    remembers: ClassVar[type[Model]] = Nothing

    losses: tuple[domains.Word, ...] = ("node", "rack")
    """Of what one is lost; empty: of nothing, and nothing is told."""
    raise_after_seconds: Seconds = Seconds(300)
    """Longer than a rollout, or work that is moved, leaves little room."""
    clear_after_seconds: Seconds = Seconds(300)
    at_once: int = Field(default=16, ge=1, le=10_000)
    """Workloads that look for a second home in one look, which is once a second at most."""

    _looking: Looking | None = PrivateAttr(default=None)
    _began_at: datetime | None = PrivateAttr(default=None)
    _breaches: dict[WorkloadId, Breaches] = PrivateAttr(default_factory=dict)
    """As the looks that have ended found them."""
    _promises: set[WorkloadId] = PrivateAttr(default_factory=set)
    """Whose promise itself has changed since the last look began."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        if not self.losses:
            return
        looking = self._of(seen)
        self._promises |= {w for ref in seen.change.items if ref.kind == "contract" for w in seen.promised_by(ref)}
        found = looking.collect()
        self._breaches |= found
        yield from ((f"workload/{name}", None) for name in sorted(found))
        if looking.busy or (self._began_at is not None and not seen.first and seen.now - self._began_at < _PACE):
            return  # what changed since is still known then: a snapshot tells what it differs in from any before it
        looking.begin(seen.after, seen.now, frozenset(self._promises), self.at_once)
        self._promises, self._began_at = set(), seen.now

    def judge(self, subject: str, memory: Nothing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Nothing]:
        name = WorkloadId(read_ref(subject).id)
        workload = seen.after.workload(name)
        if workload is None:
            self._breaches.pop(name, None)
            return Judged()
        return Judged(None, (self._condition(workload, self._breaches.get(name, {})),))

    def settle(self) -> None:
        if self._looking is not None:
            self._looking.settle()

    def stop(self) -> None:
        if self._looking is not None:
            self._looking.stop()
            self._looking = None

    def _of(self, seen: Seen) -> Looking:
        if self._looking is None or seen.first:
            self.stop()
            self._breaches.clear()
            self._looking = Looking({domains.sort_of(word) for word in self.losses})
        return self._looking

    def _condition(self, workload: Workload, breaches: Breaches) -> Condition:
        replicas = max((len(h.replicas) for h in breaches.values()), default=0)
        left = min((h.left for h in breaches.values()), default=len(workload.bindings))
        return Condition(
            name="second-home",
            level=wrong(bool(breaches)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=_told(workload, breaches),
            code="assurance-second-home",
            whereabouts=places.of_workload(workload),
            values=(
                Quantity(name="losses-without-second-home", value=len(breaches), unit="1"),
                Quantity(name="replicas-without-second-home", value=replicas, unit="1"),
                Quantity(name="left-running", value=left, unit="1"),
            ),
            thresholds=(Quantity(name="promised", value=workload.contract.min_available, unit="1"),),
            window_seconds=self.raise_after_seconds,
        )


def _told(workload: Workload, breaches: Breaches) -> str:
    if not breaches:
        return f"workload/{workload.id} has a second home after each single loss"
    names = [str(reports.written(ref)) for ref in sorted(breaches)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    lacks = ", ".join(sorted({h.lacks.value for h in breaches.values()}))
    return (
        f"workload/{workload.id} has no second home if one is lost of {', '.join(names[:_NAMED])}{more}: lacks {lacks}"
    )
