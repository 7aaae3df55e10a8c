"""The gate's heartbeat in the ledger, and the silences that its absence shows.

A ledger in which nothing stands for an hour says either that nothing happened or that nothing was recorded. So the gate
that holds the lease writes an entry in every period; where one is missing, gate or ledger were down, and that is an
alarm (`placet doctor`, the console's log), never a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from estate.canonical import Json
from estate.clocks import Clock
from estate.errors import RetryLater
from estate.identities import Subject
from policies.ledger.port import Draft, EntryKind, Ledger

PERIOD = timedelta(minutes=5)
BACK = timedelta(days=1)
"""How far back silences are looked for."""

MOST_PERIODS = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which every heartbeat is missing."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M}–{self.until:%H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Pulse:
    """One ledger's heartbeat. `period` is part of each key, so that another one begins anew."""

    ledger: Ledger
    clock: Clock
    period: timedelta = PERIOD

    async def beat(self, by: Subject) -> None:
        """The entry of the period that is now; a second one changes nothing."""
        now = self.clock()
        body: dict[str, Json] = {"period_seconds": self._seconds}
        await self.ledger.append(Draft(EntryKind.HEARTBEAT, now, by, body, self._key(self._slot(now))))

    async def keep_beating(self, by: Subject) -> None:
        """Until cancelled; a ledger that is down is told of, and tried again in a second."""
        while True:
            try:
                await self.beat(by)
                await asyncio.sleep(self._seconds - self.clock().timestamp() % self._seconds)
            except RetryLater as error:
                log.error("heartbeat not written", reason=str(error))
                await asyncio.sleep(1)

    async def silences(self, back: timedelta = BACK) -> tuple[Silence, ...]:
        """Periods without a heartbeat, up to now, since the first one ever or for that long.

        The period that is now and the one before may still be on their way.
        """
        now = self.clock()
        newest = self._slot(now) - 2
        oldest = max(self._slot(now - back), newest - MOST_PERIODS, await self._first())
        missing = [s for s in range(oldest, newest + 1) if await self.ledger.find(self._key(s)) is None]
        return tuple(self._joined(missing))

    async def keep_watching(self, told: Callable[[Silence], Awaitable[None]]) -> None:
        """Tell of every silence once, until cancelled."""
        known: set[datetime] = set()
        while True:
            try:
                for silence in await self.silences(self.period * 4):
                    if silence.since not in known:
                        await told(silence)
                    known.add(silence.since)
            except RetryLater as error:
                log.error("ledger out of reach", reason=str(error))
            await asyncio.sleep(self._seconds)

    async def _first(self) -> int:
        """The slot of the first heartbeat; far ahead where there is none."""
        async for entry in self.ledger.entries(kind=EntryKind.HEARTBEAT):
            return self._slot(entry.at)
        return self._slot(self.clock()) + 1

    def _joined(self, missing: list[int]) -> list[Silence]:
        found: list[Silence] = []
        for slot in missing:
            since, until = self._time(slot), self._time(slot + 1)
            if found and found[-1].until == since:
                found[-1] = Silence(found[-1].since, until)
            else:
                found.append(Silence(since, until))
        return found

    @property
    def _seconds(self) -> int:
        return max(1, round(self.period.total_seconds()))

    def _slot(self, at: datetime) -> int:
        return int(at.timestamp()) // self._seconds

    def _time(self, slot: int) -> datetime:
        return datetime.fromtimestamp(slot * self._seconds, UTC)

    def _key(self, slot: int) -> str:
        return f"heartbeat:{self._seconds}:{slot}"


async def alarm(silence: Silence) -> None:
    """Tell of a silence where operators look."""
    log.error("ledger was silent", since=silence.since.isoformat(), until=silence.until.isoformat())
