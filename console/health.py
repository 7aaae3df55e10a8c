"""Whether a process is well: it says so in its own state directory every few seconds, and `placet health` looks.

A supervisor asks (compose.yaml, a liveness probe). Well means: started, its event loop turns, its view of the estate is
not stale. A process that is not well says nothing.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from console.state import StateDirectory, write_private
from estate.errors import NeverRetry
from estate.records import Record, Time

if TYPE_CHECKING:
    from console.systems import System

EVERY = timedelta(seconds=3)
FRESH = timedelta(seconds=15)


class Beat(Record):
    """A process was well at that time."""

    kind: Literal["placet.beat"] = "placet.beat"
    v: Literal[1] = 1
    pid: int
    at: Time


async def beating(system: System, state: StateDirectory) -> None:
    """Say so until cancelled."""
    while True:
        if all(follower.stale is None for follower in system.inventories.values()):
            beat = Beat(pid=os.getpid(), at=datetime.now(UTC))
            await asyncio.to_thread(write_private, _path(state), beat.canonical())
        await asyncio.sleep(EVERY.total_seconds())


def check(state: StateDirectory, now: datetime) -> Beat:
    """The newest sign of life.

    Raises:
        NeverRetry: there is none, or it is old.
    """
    try:
        beat = Beat.read(_path(state).read_bytes())
    except FileNotFoundError as error:
        raise NeverRetry(f"nothing has run in `{state.root}`; see its log") from error
    if now - beat.at > FRESH:
        raise NeverRetry(f"process {beat.pid} was last well at {beat.at:%H:%M:%S}; see its log")
    return beat


def _path(state: StateDirectory) -> Path:
    return state.run_path / "beat.json"
