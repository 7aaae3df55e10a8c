"""The book as a source of the inventory, by which every follower comes to know of a reservation, and of its end.

Adapter of `tools.inventory.port.Source`. It looks at an interval: what ends, ends by the clock and writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

import structlog

from estate.clocks import Clock
from estate.errors import PlacetError
from estate.ids import ReservationId
from estate.uses.reservations import Reservation
from tools.inventory.port import Observed
from tools.reservations.book import Book

log = structlog.get_logger(__name__)

NAME = "reservations"


class ReservationSource:
    """What is reserved, as long as it is."""

    def __init__(self, book: Book, clock: Clock, *, interval: timedelta = timedelta(milliseconds=500)) -> None:
        self._book, self._clock, self._interval = book, clock, interval

    @property
    def cluster(self) -> None:
        """Of all of them."""

    async def watch(self) -> AsyncIterator[Observed]:
        """All that stands, and then what came, changed or ended."""
        known: dict[ReservationId, Reservation] | None = None
        fault = ""
        while True:
            try:
                now = _by_id((await self._book.page()).standing(self._clock()))
            except PlacetError as error:
                if str(error) != fault:
                    log.error("reservations cannot be read", error=str(error))
                fault = str(error)
            else:
                fault = ""
                if (seen := _seen(known, now)) is not None:
                    yield seen
                known = now
            await asyncio.sleep(self._interval.total_seconds())


def _by_id(found: Iterable[Reservation]) -> dict[ReservationId, Reservation]:
    return {r.id: r for r in found}


def _seen(known: dict[ReservationId, Reservation] | None, now: dict[ReservationId, Reservation]) -> Observed | None:
    if known is None:
        return Observed(source=NAME, items=tuple(now.values()), whole=True)
    fresh = tuple(r for name, r in now.items() if known.get(name) != r)
    gone = tuple(r.ref for name, r in known.items() if name not in now)
    return Observed(source=NAME, items=fresh, removed_items=gone) if fresh or gone else None
