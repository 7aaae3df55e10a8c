"""Answers that do not fit one message: written to a private file, fetched in parts by the caller they were made for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from console.door.commands import LARGEST_REPLY_BYTES, Part, Spooled
from console.state import write_private
from estate.clocks import Clock, Entropy
from estate.errors import Denied
from estate.identities import Subject
from estate.ids import Digest

KEPT = timedelta(minutes=5)
MOST_SPOOLED = 64
PART_BYTES = LARGEST_REPLY_BYTES - 8 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    path: Path
    owner: Subject
    until: datetime


class Spool:
    """The spooled answers of one console. `console` is the token that its part subject carries."""

    def __init__(self, folder: Path, console: str, clock: Clock, entropy: Entropy) -> None:
        self.console = console
        self._folder = folder
        self._clock = clock
        self._entropy = entropy
        self._held: dict[str, _Held] = {}

    async def put(self, data: bytes, owner: Subject) -> Spooled:
        """Keep `data` for its owner for five minutes."""

        async def whole() -> AsyncIterator[bytes]:
            yield data

        return await self.put_stream(whole(), owner)

    async def put_stream(self, chunks: AsyncIterator[bytes], owner: Subject) -> Spooled:
        """Keep what the chunks add up to, without holding it in memory."""
        await asyncio.to_thread(self._sweep)
        handle = self._entropy(16).hex()
        path = self._folder / f"{handle}.spool"
        await asyncio.to_thread(write_private, path, b"")
        hashed, size = hashlib.sha256(), 0
        file = await asyncio.to_thread(path.open, "ab")
        try:
            async for chunk in chunks:
                hashed.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        finally:
            await asyncio.to_thread(file.close)
        self._held[handle] = _Held(path, owner, self._clock() + KEPT)
        return Spooled(console=self.console, handle=handle, size=size, content=Digest(f"sha256:{hashed.hexdigest()}"))

    async def part(self, wanted: Part, owner: Subject) -> bytes:
        """The bytes from an offset on, at most one message's worth.

        Raises:
            Denied: there is no such answer for this caller (any more).
        """
        held = self._held.get(wanted.handle)
        if held is None or held.owner != owner:
            raise Denied(f"answer `{wanted.handle}` is not yours or was dropped after five minutes; ask again")
        return await asyncio.to_thread(_read_at, held.path, wanted.offset)

    def clear(self) -> None:
        """Forget everything: the console stops."""
        for held in self._held.values():
            held.path.unlink(missing_ok=True)
        self._held.clear()

    def _sweep(self) -> None:
        now = self._clock()
        self._bury(now - 2 * KEPT)
        oldest_first = sorted(self._held, key=lambda h: self._held[h].until)
        surplus = oldest_first[: max(0, len(oldest_first) - MOST_SPOOLED)]
        for handle in {*surplus, *(h for h in oldest_first if self._held[h].until < now)}:
            self._held.pop(handle).path.unlink(missing_ok=True)

    def _bury(self, before: datetime) -> None:
        """What a console that was killed left behind: answers are private and must not outlive their askers."""
        for path in self._folder.glob("*.spool"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()


def _read_at(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PART_BYTES)
