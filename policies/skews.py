"""Clocks that are ahead of each other by more than is allowed: refused where they are met, written down, and told.

Gate and executor call `record` of what they refuse; the console's `Watch` tells of each once as it begins and once as
it ends, and `placet doctor` shows what the ledger has. One entry for each clock in each period: whoever sends a
thousand such proposals fills no ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from estate import canonical
from estate.canonical import Json
from estate.clocks import Clock
from estate.errors import Denied, RetryLater
from estate.identities import Subject
from policies.ledger.port import Draft, EntryKind, Ledger

MOST: Final = timedelta(seconds=30)
"""What a clock may be ahead of another."""
PERIOD: Final = timedelta(minutes=5)
BACK: Final = timedelta(days=1)
"""How far back the doctor looks."""

log = structlog.get_logger(__name__)


class Skewed(Denied):
    """Something is dated later than the clock of whoever reads it."""

    def __init__(self, message: str, whose: str, seconds: int) -> None:
        super().__init__(message)
        self.whose = whose
        """Whose clock, as far as that is known for certain."""
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Skew:
    """A clock that was ahead over a time."""

    whose: str
    seconds: int
    since: datetime
    until: datetime
    lasting: bool
    """Whether something of it was refused within the last two periods."""

    def __str__(self) -> str:
        return f"the clock of {self.whose} was {self.seconds} s ahead, last at {self.until:%Y-%m-%d %H:%M} UTC"


async def record(ledger: Ledger, found: Skewed, by: Subject, now: datetime) -> None:
    """Write down that something was refused for its time; again in the same period changes nothing.

    Raises:
        RetryLater: the ledger is out of reach. What was refused stays refused.
    """
    log.error("clock ahead", whose=found.whose, seconds=found.seconds)
    slot = int(now.timestamp() // PERIOD.total_seconds())
    key = f"clock-skewed:{canonical.digest(found.whose.encode()).removeprefix('sha256:')[:32]}:{slot}"
    body: dict[str, Json] = {"whose": found.whose, "seconds": found.seconds}
    await ledger.append(Draft(EntryKind.CLOCK_SKEWED, now, by, body, key))


async def skews(ledger: Ledger, now: datetime, back: timedelta = BACK) -> tuple[Skew, ...]:
    """Every clock that was ahead within that time; refusals at most two periods apart are of one skew."""
    found: dict[str, list[Skew]] = {}
    async for entry in ledger.entries(kind=EntryKind.CLOCK_SKEWED):
        if entry.at < now - back or not entry.salt:  # a body that was erased tells of nobody
            continue
        met = Skew(str(entry.body["whose"]), int(str(entry.body["seconds"])), entry.at, entry.at, lasting=False)
        runs = found.setdefault(met.whose, [])
        if runs and met.since - runs[-1].until <= PERIOD * 2:
            runs[-1] = replace(runs[-1], seconds=met.seconds, until=met.until)
        else:
            runs.append(met)
    every = (skew for runs in found.values() for skew in runs)
    return tuple(replace(s, lasting=now - s.until < PERIOD * 2) for s in every)


@dataclass(slots=True)
class Watch:
    """Tells of every skew once as it begins, and once as it ends."""

    ledger: Ledger
    clock: Clock
    told: Callable[[Skew], Awaitable[None]]
    every: timedelta = timedelta(seconds=15)
    _lasting: dict[tuple[str, datetime], Skew] = field(default_factory=dict)

    async def keep_looking(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except RetryLater as error:
                log.error("clock skew not told", reason=str(error))
            await asyncio.sleep(self.every.total_seconds())

    async def look(self) -> None:
        """Tell of what began or ended since the last look. Raises RetryLater: it was not told, and is the next time."""
        for skew in await skews(self.ledger, self.clock()):
            key = (skew.whose, skew.since)
            if skew.lasting and key not in self._lasting:
                await self.told(skew)
                self._lasting[key] = skew
            elif not skew.lasting and key in self._lasting:
                await self.told(skew)
                del self._lasting[key]
