"""Reading a stream in order without a consumer: message by message, woken by the subject itself.

Called by `nats.NatsBus` (replay, follow) and `nats_buckets` (watch, keys). No server-side state is made, so nothing is
left behind by a crash, and a process needs no right to create consumers or to read directly, with which it could have
the server publish in its stead (see `genuineness`).
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import nats.errors
import structlog
from nats.aio.msg import Msg

from estate.errors import RetryLater
from tools.bus.genuineness import forged, matches
from tools.bus.wire import NoMessage, Wire

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """What to read: a stream by its name on the server, the subjects it stores, and those that are wanted."""

    stream: str
    stored: tuple[str, ...]
    wanted: tuple[str, ...]
    needs_id: bool = True


@dataclass(frozen=True, slots=True)
class Kept:
    """One stored message."""

    sequence: int
    subject: str
    data: bytes
    headers: dict[str, str]


async def read(wire: Wire, source: Source, start: int = 1) -> AsyncGenerator[Kept]:
    """Every wanted, genuine message now in the stream from sequence `start`, oldest first."""
    pattern = source.wanted[0] if len(source.wanted) == 1 else ">"
    position = start
    while True:
        try:
            kept = await get(wire, source.stream, {"seq": position, "next_by_subj": pattern})
        except NoMessage:
            return
        position = kept.sequence + 1
        if _wanted(source, kept):
            yield kept


async def get(wire: Wire, stream: str, which: dict[str, Any]) -> Kept:
    """One stored message with the headers it was stored with. Raises NoMessage."""
    found = (await wire.api(f"STREAM.MSG.GET.{stream}", which))["message"]
    headers = header_lines(b64decode(found.get("hdrs", "")))
    return Kept(int(found["seq"]), str(found["subject"]), b64decode(found.get("data", "")), headers)


async def follow(wire: Wire, source: Source) -> AsyncGenerator[Kept]:
    """As `read`, and then each new message as it comes, over reconnects, until closed.

    When the server comes back with less than was read (it lost its last moments), everything is given again.
    """
    position, reconnects = 1, wire.reconnects
    async with _woken(wire, source.wanted) as wakes:
        pause = 0.0
        while True:
            every = wakes.begun()
            try:
                if reconnects != wire.reconnects:
                    position, reconnects = await _position(wire, source, position), wire.reconnects
                async with aclosing(read(wire, source, position)) as found:
                    async for kept in found:
                        position, pause = kept.sequence + 1, 0.0
                        yield kept
                        if wakes.answered() and not every:
                            break  # nobody told of more: asking whether there is would be half of all requests
            except RetryLater as error:
                log.warning("following interrupted", stream=source.stream, error=str(error))
            pause = await _rest(wakes, pause)


async def _position(wire: Wire, source: Source, position: int) -> int:
    """Where to go on after a reconnect."""
    last = int((await wire.api(f"STREAM.INFO.{source.stream}"))["state"]["last_seq"])
    if last >= position - 1:
        return position
    log.error("stream lost its last messages, reading it anew", stream=source.stream, read=position - 1, last=last)
    return 1


async def _rest(wakes: _Wakes, pause: float) -> float:
    """Wait for a wake or the poll. A wake may precede the storing by a moment: look again soon, then ever later."""
    if 0 < pause < _POLL_SECONDS:
        return 0.002 if await wakes.came(pause) else pause * 4
    if await wakes.came(_POLL_SECONDS):
        return 0.002
    wakes.owed = 0  # what was told of and is not here by now was a repetition, which the stream has swallowed
    return 0.0


def _wanted(source: Source, kept: Kept) -> bool:
    fault = forged(kept.subject, kept.headers, source.stored, needs_id=source.needs_id)
    if fault is not None:
        log.error("forged message passed over", stream=source.stream, sequence=kept.sequence, fault=fault)
        return False
    return any(matches(pattern, kept.subject) for pattern in source.wanted)


def header_lines(raw: bytes) -> dict[str, str]:
    """NATS headers as they were stored."""
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip()}


@dataclass(slots=True)
class _Wakes:
    """The messages that were seen on their way into a stream."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    owed: int = 0
    """Those that were not read yet, as far as is known."""

    async def take(self, _: Msg) -> None:
        """One more is on its way."""
        self.owed += 1
        self.event.set()

    def begun(self) -> bool:
        """Somebody looks. Whether everything must be read, because nothing tells what is new."""
        self.event.clear()
        return not self.owed

    def answered(self) -> bool:
        """One was read. Whether it was the last that is known of."""
        self.owed = max(0, self.owed - 1)
        if not self.owed:
            self.event.clear()
        return not self.owed

    async def came(self, within: float) -> bool:
        """Whether one comes within so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.event.wait(), within)
            return True
        return False


@asynccontextmanager
async def _woken(wire: Wire, subjects: tuple[str, ...]) -> AsyncIterator[_Wakes]:
    wakes = _Wakes()
    subscriptions = [await wire.client.subscribe(subject, cb=wakes.take) for subject in subjects]
    try:
        yield wakes
    finally:
        for subscription in subscriptions:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()
