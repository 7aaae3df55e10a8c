"""Keeps an engine's board with the estate, and looks ahead when that is due. A task of whoever owns the engine.

All of it happens in a thread that nobody waits for at the end: what it learns is read off the estate, and can be again.
Where a look fails the masks go on deciding, and another is made later. What one process has seen all expect: it is
published first, and used once it comes back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from estate.errors import RetryLater
from estate.snapshots import Snapshot
from tools.placement.engine import MaskEngine
from tools.placement.online.outlooks import Outlook
from tools.placement.online.publishing import Foretold, Outlooks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often."""

    following: timedelta = timedelta(seconds=1)
    """The estate is followed: a board that is too far behind could not catch up."""
    first: timedelta = timedelta(seconds=30)
    """Before the first look: a process that begins has better things to do."""
    looking: timedelta = timedelta(minutes=5)
    """Between two looks at least."""


async def tend(
    engine: MaskEngine, newest: Callable[[], Snapshot], outlooks: Outlooks, pace: Pace | None = None
) -> None:
    """Until cancelled."""
    tended = _Tended(engine, newest, outlooks, pace or Pace())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tended.hear(), name="outlooks")
        tasks.create_task(tended.go_on(), name="board")


@dataclass(slots=True)
class _Tended:
    engine: MaskEngine
    newest: Callable[[], Snapshot]
    outlooks: Outlooks
    pace: Pace
    heard: list[Foretold] = field(default_factory=list)
    """The newest outlook, as long as it is not used yet."""
    revision: int = 0

    async def hear(self) -> None:
        """Remember what was published last."""
        async for foretold in self.outlooks.followed():
            self.heard[:], self.revision = [foretold], foretold.revision

    async def go_on(self) -> None:
        """Follow, use what was heard, and look ahead."""
        loop = asyncio.get_running_loop()
        next_look = loop.time() + self.pace.first.total_seconds()
        while True:
            snapshot, revision, may_look = self.newest(), self.revision, loop.time() >= next_look
            if may_look:
                next_look = loop.time() + self.pace.looking.total_seconds()
            seen = await _aside(lambda: self._attend(snapshot, may_look=may_look))  # noqa: B023 - awaited in its round
            if seen is not None:
                await self._tell(seen, snapshot, revision)
            await asyncio.sleep(self.pace.following.total_seconds())

    def _attend(self, snapshot: Snapshot, *, may_look: bool) -> Outlook | None:
        """What was seen ahead, if it was time for a look."""
        try:
            self.engine.follow(snapshot)
            while self.heard:
                foretold = self.heard.pop()
                self.engine.adopt(snapshot, foretold.outlook, foretold.seen)
            return self.engine.foresee(snapshot) if may_look and self.engine.due(snapshot) else None
        except Exception as error:
            log.warning("no look ahead: masks decide", error=repr(error))
            return None

    async def _tell(self, seen: Outlook, snapshot: Snapshot, over: int) -> None:
        try:
            if not await self.outlooks.publish(seen, snapshot.version, over):
                log.info("somebody else looked ahead first")
        except RetryLater as error:
            log.warning("outlook not published", reason=str(error))


async def _aside[T](work: Callable[[], T]) -> T:
    """In a thread that the interpreter does not wait for: a compilation may take a minute."""
    loop, done, found = asyncio.get_running_loop(), asyncio.Event(), list[T]()

    def run() -> None:
        found.append(work())
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="placement", daemon=True).start()
    await done.wait()
    return found[0]
