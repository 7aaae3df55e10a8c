"""The gate's heartbeat in the ledger, and the silences that its absence shows.

A ledger in which nothing stands for an hour says either that nothing happened or that nothing was recorded. So the gate
that holds the lease writes an entry in every period; where one is missing, gate or ledger were down, and that is an
alarm (an event, the console's log, `placet doctor`), never a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

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
    """A time in which every heartbeat is missing, or in which nobody could look for one."""

    since: datetime
    until: datetime
    lasting: bool = False
    """Whether no heartbeat has come since."""
    why: str = "no heartbeat of the gate"

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M}–{self.until:%H:%M} UTC"


UNREACHED: Final = "no ledger within reach"


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
        missing = [s for s in range(oldest, newest + 1) if not await self._beat_in(s)]
        late = await self._beat_in(newest + 1) or await self._beat_in(newest + 2)
        end = self._time(newest + 1)
        return tuple(replace(s, lasting=s.until == end and not late) for s in self._joined(missing))

    async def _beat_in(self, slot: int) -> bool:
        return await self.ledger.find(self._key(slot)) is not None

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


@dataclass(slots=True)
class Watch:
    """Tells of every silence once as it is noticed, and once as it ends."""

    pulse: Pulse
    told: Callable[[Silence], Awaitable[None]]
    _lasting: Silence | None = None
    _told_until: datetime | None = None

    async def keep_looking(self) -> None:
        """Once in every period, until cancelled."""
        while True:
            try:
                await self.look()
            except RetryLater as error:
                log.error("silence not told", reason=str(error))
            await asyncio.sleep(self.pulse.period.total_seconds())

    async def look(self) -> None:
        """Tell of what began or ended since the last look. Raises RetryLater: it was not told, and is the next time."""
        seen = await self._seen()
        before, now = self._lasting, next((s for s in seen if s.lasting), None)
        if before is not None and (now is None or now.why != before.why):
            ended = replace(before, until=_end(before, seen), lasting=False)
            await self.told(ended)
            self._lasting, self._told_until, before = None, ended.until, None
        for silence in seen:
            if not silence.lasting and (self._told_until is None or silence.until > self._told_until):
                await self.told(replace(silence, lasting=True))
                await self.told(silence)
                self._told_until = silence.until
        if now is not None and before is None:
            await self.told(now)
        self._lasting = now if before is None or now is None else replace(before, until=now.until)

    async def _seen(self) -> tuple[Silence, ...]:
        """The silences of late, the whole of one that lasts, or that the ledger itself does not answer."""
        now, since = self.pulse.clock(), self._lasting.since if self._lasting is not None else None
        back = max(self.pulse.period * 4, now - since if since is not None else timedelta(0))
        try:
            return await self.pulse.silences(back)
        except RetryLater as error:
            log.error("ledger out of reach", reason=str(error))
            return (Silence(now, now, lasting=True, why=UNREACHED),)


def _end(before: Silence, seen: tuple[Silence, ...]) -> datetime:
    return next((s.until for s in seen if s.since == before.since), before.until)
