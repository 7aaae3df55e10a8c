"""`contract.breached`: what is reserved could not be had: a node or a device is lost or shut, or others stay there.

Told as soon as a reserved node or device is out of service, however far ahead its time is, so that other devices can be
reserved; and before it starts by as long as it takes to clear it, where somebody else still runs there. Who says to be
gone by then is told of from the start on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from estate import reserving
from estate.evidence import Quantity
from estate.ids import NodeId, ReservationId, WorkloadId
from estate.observations import EventType, Severity
from estate.records import Model
from estate.references import Ref, read_ref
from estate.units import Seconds
from estate.uses.reservations import WORD, Reservation
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus


class Nothing(Model):
    """A reservation is judged by what the estate says now."""


class Reservations(Sensor[Nothing]):
    """How long something must be amiss, and be well again; and how long before the start others must be gone."""

    tells: ClassVar[EventType] = EventType.CONTRACT_BREACHED
    remembers: ClassVar[type[Model]] = Nothing

    raise_after_seconds: Seconds = Seconds(30)
    clear_after_seconds: Seconds = Seconds(60)
    gone_before_seconds: Seconds = Seconds(900)
    round_seconds: Seconds = Seconds(120)
    """That much longer for each round in which those who are still there must be moved."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        names = {ReservationId(ref.id) for ref in seen.change.items if ref.kind == WORD}
        nodes = set(map(NodeId, seen.change.nodes))
        if next(seen.after.stock.all(WORD), None) is not None:
            moved = (s.workload(WorkloadId(w)) for w in seen.change.workloads for s in (seen.before, seen.after))
            nodes |= {b.node for w in moved if w is not None for b in w.bindings}
            names |= {r.id for n in nodes for r in reserving.on(seen.after, n)}
        yield from ((f"{WORD}/{name}", None) for name in sorted(names))

    def judge(self, subject: str, memory: Nothing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Nothing]:
        held = reserving.found(seen.after, ReservationId(read_ref(subject).id))
        if held is None or held.end <= seen.now:
            return Judged()
        near = held.start - self._lead(held, seen)
        # The end too: whoever runs again after it learns of no change, and is to resolve what was told before.
        due = next(at for at in (near, held.start, held.end) if seen.now < at)
        return Judged(None, (self._condition(held, seen, stays=seen.now >= near),), due)

    def _lead(self, held: Reservation, seen: Seen) -> timedelta:
        rounds = reserving.rounds(seen.after, held.terms, seen.now)
        return timedelta(seconds=self.gone_before_seconds + rounds * self.round_seconds)

    def _condition(self, held: Reservation, seen: Seen, *, stays: bool) -> Condition:
        unsound = dict(reserving.unsound(seen.after, held.terms))
        others = [(n, w) for n, _, w in reserving.in_the_way(seen.after, held.terms, seen.now)] if stays else []
        told = [*unsound.values(), *sorted({f"`{w.id}` still runs on {n}" for n, w in others})]
        where = next(iter([*unsound, *(n for n, _ in others)]), held.seats[0].node)
        return Condition(
            name="kept",
            level=wrong(bool(told)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL if stays else Severity.WARNING,
            message=f"{WORD}/{held.id} of {held.tenant}: {'; '.join(told[:5]) or 'can be kept'}",
            code=reserving.UNKEPT,
            whereabouts=places.whereabouts(seen.after, Ref("node", where)),
            values=(Quantity(name="nodes-amiss", value=len({*unsound, *(n for n, _ in others)}), unit="1"),),
            thresholds=(Quantity(name="allowed", value=0, unit="1"),),
            window_seconds=self.raise_after_seconds,
        )
