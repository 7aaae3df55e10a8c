"""The book on a bucket of the bus: read and replaced whole, by compare-and-swap. Only executors may write it.

`tools.execution.reserving` writes it with a warrant in hand, the inventory's source reads it. A bucket of any bus will
do: the adapters' own contract says what its compare-and-swap is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from estate.clocks import Clock
from estate.conditions import Condition
from estate.results import Refusal
from tools.bus.port import Bucket, Conflict
from tools.reservations.pages import Key, Page, Reserving, written

BUCKET = "reservations"
_PAGE = "all"
_TRIES = 32


class Book:
    """Every reservation of the installation."""

    def __init__(self, bucket: Bucket, clock: Clock) -> None:
        self._bucket, self._clock = bucket, clock

    def now(self) -> datetime:
        """The time by which entries are written."""
        return self._clock()

    async def page(self) -> Page:
        """As it stands now. Raises RetryLater."""
        return (await self._read())[0]

    async def write(self, key: Key, change: Reserving, conditions: Sequence[Condition]) -> Refusal | None:
        """Write one change, once for each key, while the conditions hold. None: it stands there.

        Raises:
            RetryLater: the bus is out of reach, or others write all the time; the same call is safe.
            TooLarge: the page is full.
        """
        for _ in range(_TRIES):
            page, revision = await self._read()
            result = written(page, key, change, conditions, self._clock())
            if not isinstance(result, Page):
                return result
            try:
                await self._put(result, revision)
            except Conflict:
                continue
            return None
        raise Conflict("the book of reservations is written by others all the time; try again")

    async def _put(self, page: Page, revision: int | None) -> None:
        if revision is None:
            await self._bucket.create(_PAGE, page.canonical())
        else:
            await self._bucket.update(_PAGE, page.canonical(), revision)

    async def _read(self) -> tuple[Page, int | None]:
        stored = await self._bucket.get(_PAGE)
        return (Page(), None) if stored is None else (Page.read(stored.value), stored.revision)
