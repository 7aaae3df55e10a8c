"""Reservations on the small estate of `tests.builders`: a test states only what counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from estate.changes import ReleaseCapacity, ReserveCapacity
from estate.frozen import FrozenEstate
from estate.ids import NodeId, ReservationId, TenantId
from estate.uses.reservations import Reservation, Seat, Terms
from tests import builders

TONIGHT = builders.START + timedelta(hours=10)
"""18:00, when they start unless told otherwise; they last four hours."""


def seat(node: str, *accelerators: int) -> Seat:
    """Devices of one node."""
    return Seat(node=NodeId(node), accelerators=accelerators)


def terms(tenant: str = "tenant-b", *seats: Seat, **over: Any) -> Terms:
    """Devices 0 to 3 of `eu-b2`, tonight."""
    fields: dict[str, Any] = {
        "tenant": TenantId(tenant),
        "seats": seats or (seat("eu-b2", 0, 1, 2, 3),),
        "watts_per_accelerator": builders.PER_ACCELERATOR,
        "start": TONIGHT,
        "end": TONIGHT + timedelta(hours=4),
    }
    return Terms(**(fields | over))


def reserve(name: str = "b-night", tenant: str = "tenant-b", *seats: Seat, **over: Any) -> ReserveCapacity:
    """A reservation to be made."""
    return ReserveCapacity(reservation=ReservationId(name), terms=terms(tenant, *seats, **over))


def release(name: str = "b-night", tenant: str = "tenant-b") -> ReleaseCapacity:
    """One to be given back."""
    return ReleaseCapacity(reservation=ReservationId(name), tenant=TenantId(tenant), reason="done early")


def holding(*made: ReserveCapacity, on: FrozenEstate | None = None) -> FrozenEstate:
    """The estate with these standing, however they came to."""
    held = on or builders.estate()
    for change in made:
        held = held.with_stock(held.stock.with_(Reservation.of(change.reservation, change.terms)))
    return held
