"""What is reserved, and whether its holders came: a line for each reservation of the fleet's report. Pure.

Called by `accounts`. Whoever does not come has their devices until the end; then they are anybody's again, by the
clock, and what was kept free for nothing stands in the hours of the report.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum

from estate import reserving
from estate.ids import NodeId, ReservationId, SiteId, TenantId
from estate.records import Model, Time
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation


class Coming(StrEnum):
    """How far a holder has come."""

    AHEAD = "ahead"
    """Its time has not come."""
    UNUSED = "unused"
    """It has, and nobody is there."""
    PARTLY = "partly used"
    USED = "used"


class Held(Model):
    """One reservation, and who is on its devices."""

    reservation: ReservationId
    tenant: TenantId
    accelerators: int
    used: int
    """By its holder."""
    by_others: int
    coming: Coming
    start: Time
    end: Time
    """Then what is left of it is given back."""


def every(snapshot: Snapshot, site: SiteId | None, at: datetime | None) -> tuple[Held, ...]:
    """Those that are not over, at that site or anywhere."""
    found = (r for r in reserving.every(snapshot) if at is None or at < r.terms.end)
    here = (_held(snapshot, r, at) for r in found if _stands(snapshot, r, site))
    return tuple(sorted(here, key=lambda held: (held.end, held.reservation)))


def idle(snapshot: Snapshot, site: SiteId | None, at: datetime) -> Counter[ReservationId]:
    """How many devices are kept free for each at that moment."""
    nodes = reserving.idle(snapshot, at).items()
    return Counter(r.id for node, kept in nodes for r in kept.values() if _at(snapshot, node, site))


def _stands(snapshot: Snapshot, reserved: Reservation, site: SiteId | None) -> bool:
    return any(_at(snapshot, seat.node, site) for seat in reserved.seats)


def _at(snapshot: Snapshot, node: NodeId, site: SiteId | None) -> bool:
    return site is None or snapshot.site_of(node) == site


def _held(snapshot: Snapshot, reserved: Reservation, at: datetime | None) -> Held:
    devices, others = reserved.terms.devices, {(n, i) for n, i, _ in reserving.others_on(snapshot, reserved.terms)}
    taken = {(s.node, i) for s in reserved.seats for i in snapshot.taken(s.node)} & devices
    used = len(taken - others)
    begun = reserving.in_force(reserved.terms, at)
    came = Coming.USED if used == len(devices) else Coming.PARTLY if used else Coming.UNUSED
    return Held(
        reservation=reserved.id,
        tenant=reserved.tenant,
        accelerators=len(devices),
        used=used,
        by_others=len(others),
        coming=came if begun else Coming.AHEAD,
        start=reserved.start,
        end=reserved.end,
    )
