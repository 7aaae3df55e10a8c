"""ReserveCapacity and ReleaseCapacity: devices that one tenant has from a time to a time. Nothing that runs is touched.

The executor keeps them in a book of Placet's own; the inventory tells everybody of them. See `docs/decisions/0048`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field as Range

from estate import reserving
from estate.changes.kinds import Footprint, NoInverse, unknown
from estate.conditions import Condition, Field, observed
from estate.hardware import Health
from estate.ids import NodeId, ReservationId, TenantId, WorkloadId
from estate.objects import ABSENT
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.uses.reservations import Reservation, Seat, Terms

if TYPE_CHECKING:
    from estate.changes import Change


def reservation_thing(name: ReservationId) -> Thing:
    """The reference to a reservation."""
    return Thing(kind=ThingKind.RESERVATION, id=name)


class _Reserving(Model):
    """What both have in common."""

    reservation: ReservationId

    def target(self) -> Thing:
        return reservation_thing(self.reservation)

    def seats(self, snapshot: Snapshot) -> tuple[Seat, ...]:
        """The devices that it is about."""
        raise NotImplementedError

    def holder(self) -> TenantId:
        """Whose reservation it is."""
        raise NotImplementedError

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return {}

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return Footprint(nodes=tuple(sorted(s.node for s in self.seats(snapshot))), tenants=(self.holder(),))

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        return {s.node: 0 for s in self.seats(snapshot)}

    def _absent(self) -> Condition:
        return Condition(about=self.target(), uid=ABSENT, field=Field.TERMS, equals=None)


class ReserveCapacity(_Reserving):
    """Keep these devices for a tenant from a time to a time."""

    kind: Literal["ReserveCapacity"] = "ReserveCapacity"
    terms: Terms

    def seats(self, snapshot: Snapshot) -> tuple[Seat, ...]:
        return self.terms.seats

    def holder(self) -> TenantId:
        return self.terms.tenant

    def describe(self) -> str:
        terms = self.terms
        what = f"{len(terms.devices)} accelerators on {len(terms.seats)} nodes for {terms.tenant}"
        return f"reserve {what} from {terms.start:%FT%TZ} to {terms.end:%FT%TZ} as {self.reservation}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        if reserving.found(snapshot, self.reservation) is not None:
            why = f"`{self.target()}` is there already; choose another name"
            return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(self.target()), message=why)
        if refusal := _unfit(snapshot, self.terms):
            return refusal
        made = Reservation.of(self.reservation, self.terms)
        return Ok(snapshot.with_stock(snapshot.stock.with_(made)))

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return (self._absent(),)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return observed(after, self.target(), Field.TERMS)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        return ReleaseCapacity(reservation=self.reservation, tenant=self.terms.tenant, reason="undo of a reservation")


class ReleaseCapacity(_Reserving):
    """Give reserved devices back before the end."""

    kind: Literal["ReleaseCapacity"] = "ReleaseCapacity"
    tenant: TenantId
    """Whose it is: what is not theirs is not released."""
    reason: str = Range(default="", max_length=500)

    def seats(self, snapshot: Snapshot) -> tuple[Seat, ...]:
        held = reserving.found(snapshot, self.reservation)
        return held.terms.seats if held is not None else ()

    def holder(self) -> TenantId:
        return self.tenant

    def describe(self) -> str:
        return f"release reservation {self.reservation} of {self.tenant}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        held = reserving.found(snapshot, self.reservation)
        if held is None or held.terms.tenant != self.tenant:
            return unknown(self.target())
        return Ok(snapshot.with_stock(snapshot.stock.without(held.ref)))

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.TERMS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return (self._absent(),)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        held = reserving.found(snapshot, self.reservation)
        if held is None:
            return NoInverse(reason="the reservation is unknown")
        return ReserveCapacity(reservation=self.reservation, terms=held.terms)


def _unfit(snapshot: Snapshot, terms: Terms) -> Refusal | None:
    """Why these devices cannot be kept, or None."""
    for seat in terms.seats:
        if refusal := _unfit_seat(snapshot, seat):
            return refusal
    clusters = sorted({n.cluster for s in terms.seats if (n := snapshot.node(s.node)) is not None})
    if len(clusters) > 1:
        return _no(terms.seats[0].node, f"is not in one cluster with the others ({', '.join(clusters)}); split it")
    for node, index, other in reserving.rivals(snapshot, terms):
        return _no(node, f"accelerator {index} is reserved from {other.terms.start:%FT%TZ} to {other.terms.end:%FT%TZ}")
    for node, index, _ in reserving.stays_past(snapshot, terms):
        return _no(node, f"accelerator {index} is held by work that does not say to be gone by {terms.start:%FT%TZ}")
    return None


def _unfit_seat(snapshot: Snapshot, seat: Seat) -> Refusal | None:
    node = snapshot.node(seat.node)
    if node is None:
        return _no(seat.node, "is not in the estate; see `placet get nodes`")
    devices = {a.index: a for a in node.accelerators}
    for index in seat.accelerators:
        if index not in devices:
            return _no(seat.node, f"has no accelerator {index}")
        if devices[index].health is not Health.HEALTHY:
            return _no(seat.node, f"accelerator {index} is {devices[index].health.value}")
    return None if node.health is Health.HEALTHY else _no(seat.node, f"is {node.health.value}")


def _no(node: NodeId, fault: str) -> Refusal:
    return Refusal(code=RefusalCode.NO_CAPACITY, about=f"node/{node}", message=f"`{node}` {fault}")
