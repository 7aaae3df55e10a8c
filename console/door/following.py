"""Follow a case until it ends or waits for people: signals for the story, the incident's record for the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from console.door.client import DoorClient
from console.door.commands import ExitCode, Get, Kind
from console.door.views import Row
from estate.errors import RetryLater
from estate.ids import IncidentId
from estate.incidents import CaseState
from estate.progress import Progress

_LOOK_EVERY = 0.5

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


async def settled(
    client: DoorClient, incident: IncidentId, heard: Heard, tell: Callable[[Progress], None], within: timedelta
) -> Row:
    """The incident once it has ended or waits for an approval, telling its story on the way.

    Raises:
        RetryLater: neither happened in time; the cause is a TimeoutError.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            while (row := await _look(client, incident)) is None:
                await _hear(heard, incident, tell, _LOOK_EVERY)
            while await _hear(heard, incident, tell, 0.05):
                continue
            return row
    except TimeoutError as error:
        raise RetryLater(
            f"`{incident}` did not come to an end in {within.total_seconds():.0f} s; "
            f"it goes on, see `placet describe incident {incident}`"
        ) from error


async def _look(client: DoorClient, incident: IncidentId) -> Row | None:
    reply = await client.call(Get(what=Kind.INCIDENT, name=incident))
    if not reply.ok or not isinstance(reply.result, list) or not reply.result:
        return None
    row = reply.result[0]
    assert isinstance(row, dict)
    return row if CaseState(str(row["state"])) in EXITS else None


async def _hear(heard: Heard, incident: IncidentId, tell: Callable[[Progress], None], seconds: float) -> bool:
    """Tell what is heard of this case until nothing was for that long; whether anything was heard."""
    try:
        async with asyncio.timeout(seconds):
            progress = await heard.get()
    except TimeoutError:
        return False
    if progress.incident == incident:
        tell(progress)
    return True
