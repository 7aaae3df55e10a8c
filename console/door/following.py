"""Follow a case until it ends or waits for people: signals for the story, the incident's record for the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from console.door.client import DoorClient
from console.door.commands import ExitCode, Get, Kind
from console.door.views import Row
from estate.errors import RetryLater
from estate.ids import IncidentId
from estate.incidents import CaseState
from estate.progress import Progress

_LOOK_EVERY = 0.5
_DECIDED_WITHIN = timedelta(seconds=15)

EXITS = {
    CaseState.VERIFIED: ExitCode.OK,
    CaseState.AWAITING_APPROVAL: ExitCode.APPROVAL_PENDING,
    CaseState.FORBIDDEN: ExitCode.FORBIDDEN,
    CaseState.DENIED: ExitCode.FORBIDDEN,
    CaseState.ROLLED_BACK: ExitCode.ROLLED_BACK,
    CaseState.FAILED: ExitCode.ERROR,
    CaseState.HANDED_OVER: ExitCode.ERROR,
}
"""What a program that followed a case exits with."""

type Heard = asyncio.Queue[Progress]


@asynccontextmanager
async def listening(client: DoorClient) -> AsyncIterator[Heard]:
    """Hear every case from now on: begin before a case is opened, so that its first words are heard too."""
    heard: Heard = asyncio.Queue()

    async def listen() -> None:
        async for progress in client.progress():
            heard.put_nowait(progress)

    task = asyncio.create_task(listen(), name="progress")
    await asyncio.sleep(0)
    try:
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, slots=True)
class Following:
    """One case, what is heard of it, and who is told."""

    client: DoorClient
    incident: IncidentId
    heard: Heard
    tell: Callable[[Progress], None]

    async def decided_again(self, since: str) -> None:
        """Until the gate has decided anew on a word that was given; `since` is when it had decided before.

        Without this, a case that still waits for the word just given looks like one that waits for another.

        Raises:
            RetryLater: no newer verdict came; the word may have been refused.
        """
        late = f"the gate gave no new verdict on `{self.incident}`; see `placet dlq list` for a word that was refused"
        await self._until(lambda row: row["decided"] != since, _DECIDED_WITHIN, late)

    async def settled(self, within: timedelta) -> Row:
        """The incident once it has ended or waits for an approval, telling its story on the way.

        Raises:
            RetryLater: neither happened in time; the cause is a TimeoutError.
        """
        late = (
            f"`{self.incident}` did not come to an end in {within.total_seconds():.0f} s; "
            f"it goes on, see `placet describe incident {self.incident}`"
        )
        row = await self._until(_rests, within, late)
        while await self._hear(0.05):
            continue
        return row

    async def _until(self, fits: Callable[[Row], bool], within: timedelta, late: str) -> Row:
        try:
            async with asyncio.timeout(within.total_seconds()):
                while (row := await self._look()) is None or not fits(row):
                    await self._hear(_LOOK_EVERY)
                return row
        except TimeoutError as error:
            raise RetryLater(late) from error

    async def _look(self) -> Row | None:
        reply = await self.client.call(Get(what=Kind.INCIDENT, name=self.incident))
        if not reply.ok or not isinstance(reply.result, list) or not reply.result:
            return None
        row = reply.result[0]
        assert isinstance(row, dict)
        return row

    async def _hear(self, seconds: float) -> bool:
        """Tell what is heard of this case until nothing was for that long; whether anything was heard."""
        try:
            async with asyncio.timeout(seconds):
                progress = await self.heard.get()
        except TimeoutError:
            return False
        if progress.incident == self.incident:
            self.tell(progress)
        return True


def _rests(row: Row) -> bool:
    """Whether the case goes no further by itself. A word that was just given may have ended its waiting already."""
    state = CaseState(str(row["state"]))
    return state in EXITS and (state is not CaseState.AWAITING_APPROVAL or bool(row["waiting_for"]))
