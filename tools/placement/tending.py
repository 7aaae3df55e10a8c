"""Keeps an engine's board with the estate, and looks ahead when that is due. A task of whoever owns the engine.

All of it happens in a thread that nobody waits for at the end: what it learns is read off the estate, and can be again.
Where a look fails the masks go on deciding, and another is made later.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from estate.snapshots import Snapshot
from tools.placement.engine import MaskEngine

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


async def tend(engine: MaskEngine, newest: Callable[[], Snapshot], pace: Pace | None = None) -> None:
    """Until cancelled."""
    pace, loop = pace or Pace(), asyncio.get_running_loop()
    next_look = loop.time() + pace.first.total_seconds()
    while True:
        snapshot, may_look = newest(), loop.time() >= next_look
        if may_look:
            next_look = loop.time() + pace.looking.total_seconds()
        await _aside(partial(_attend, engine, snapshot, may_look=may_look))
        await asyncio.sleep(pace.following.total_seconds())


def _attend(engine: MaskEngine, snapshot: Snapshot, *, may_look: bool) -> None:
    try:
        engine.follow(snapshot)
        if may_look and engine.due(snapshot):
            engine.look(snapshot)
    except Exception as error:
        log.warning("no look ahead: masks decide", error=repr(error))


async def _aside(work: Callable[[], None]) -> None:
    """In a thread that the interpreter does not wait for: a compilation may take a minute."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="placement", daemon=True).start()
    await done.wait()
