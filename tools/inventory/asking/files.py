"""Files in any format of `formats.FACTS`: what clouds' tools write of quotas and prices, and machines of themselves.

A file is read again when it changes. Its facts are as old as the file: a price list that nobody renews ages visibly. A
file that is half written is a fault of its own, and read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

from estate.clocks import Clock
from estate.errors import RetryLater
from tools.inventory.asking.rounds import AskingSource, Target
from tools.inventory.asking.settings import WatchedFile
from tools.inventory.port import About, Heard, Observed
from tools.payloads import contexts, reading
from tools.payloads.clouds.offers import REGION
from tools.payloads.contexts import Context
from tools.payloads.formats import FACTS
from tools.payloads.hosts.infiniband import DEVICE


class FileSource(AskingSource[WatchedFile]):
    """Reads several files."""

    kind = "files"

    async def watch(self) -> AsyncGenerator[Observed]:
        """Each file's facts whenever it changes, until closed. An unchanged file is not told again."""
        targets = {f.id: self._target(f) for f in self.targets}
        last: dict[str, Heard] = {}
        watching = self.rounds(targets)
        try:
            async for observed in watching:
                fresh = tuple(h for h in observed.heard if not _same(last.get(h.target), h))
                last.update((h.target, h) for h in fresh)
                if fresh or observed.whole:
                    yield Observed(observed.source, heard=fresh, whole=observed.whole)
        finally:
            await watching.aclose()

    def _target(self, file: WatchedFile) -> Target:
        about = About({}, file.site, file.micro_usd)
        return Target(_Reading(file, self.kind, self.clock).once, self.paced(file), about)


def _same(before: Heard | None, now: Heard) -> bool:
    """Whether the file says what it said, at whatever time it was looked at."""
    return before is not None and (before.facts, before.readings, before.failure) == (
        now.facts,
        now.readings,
        now.failure,
    )


@dataclass(slots=True)
class _Reading:
    """One file, and what it said when it was last changed."""

    file: WatchedFile
    source: str
    clock: Clock
    _stamp: tuple[int, int] = (0, -1)
    _heard: Heard | None = None

    async def once(self) -> Heard:
        """What the file says; what it said, where it has not changed.

        Raises:
            RetryLater: it is not there, too large, or cannot be read now.
            BadInput: nothing of it can be understood.
        """
        stamp, body = await asyncio.to_thread(self._read)
        if body is not None:
            self._heard = None
            self._stamp = stamp
            self._heard = self._understood(body, stamp[0])
        if self._heard is None:
            raise RetryLater(f"`{self.file.path}` still cannot be understood; correct it")
        return self._heard

    def _read(self) -> tuple[tuple[int, int], bytes | None]:
        """The file's time and size, and its body if these changed."""
        try:
            status = self.file.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return stamp, None
            if status.st_size > reading.LARGEST_BODY:
                raise RetryLater(f"`{self.file.path}` is larger than {reading.LARGEST_BODY} bytes; split it")
            return stamp, self.file.path.read_bytes()
        except OSError as error:
            raise RetryLater(f"`{self.file.path}` cannot be read: {error.strerror}") from error

    def _understood(self, body: bytes, modified_ns: int) -> Heard:
        at = datetime.fromtimestamp(modified_ns / 1e9, UTC)
        file = self.file
        context = Context(f"{self.source}/{file.id}", file.host, file.cluster or "", at)
        told = {REGION: file.region, DEVICE: file.device}
        parsed = FACTS[file.format](body, told | contexts.headers(context))
        readings = (parsed.readings,) if len(parsed.readings) else ()
        return Heard(file.id, self.clock(), parsed.facts, readings, faults=parsed.faults)
