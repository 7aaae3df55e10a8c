"""Logs that machines go on writing: kernel lines and fabric manager's, followed as they grow and handed to intake.

What stood in a log before it was watched first is old and not told. A log that is rotated is read to its end and then
from the new one's beginning; one that is cut short begins anew. Where it was read to is kept once intake has the lines,
so that a restart loses none and tells none twice. Lines that tell nothing stay here: kernels write many.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from estate import canonical
from estate.clocks import Clock
from estate.errors import BadInput, RetryLater
from tools.inventory.asking.places import HEAD, Place, Places, resumed
from tools.inventory.asking.rounds import AskingSource, Pace, Target
from tools.inventory.asking.settings import WatchedLog
from tools.inventory.port import Heard, Observed, Raw
from tools.payloads import contexts
from tools.payloads.contexts import Context
from tools.payloads.formats import FORMATS
from tools.payloads.parsed import Fault

BODY = 128 * 1024
"""Bytes of whole lines in one body, well below the bus's limit."""
_MOST_BODIES = 64
"""In one round; more waits for the next."""


class LogSource(AskingSource[WatchedLog]):
    """Follows several logs."""

    kind = "logs"

    def __init__(
        self, targets: Sequence[WatchedLog], clock: Clock, pace: Pace | None = None, places: Places | None = None
    ) -> None:
        """`places` remember how far each was read; None: each is watched from its end on."""
        super().__init__(targets, clock, pace)
        self._places = places

    async def watch(self) -> AsyncGenerator[Observed]:
        """What tells something of each log, as it grows, until closed."""
        with ExitStack() as opened:
            tails = {log.id: _Tail(log, self.kind, self.clock, self._places) for log in self.targets}
            for tail in tails.values():
                opened.callback(tail.close)
            watching = self.rounds({t.log.id: Target(t.once, self.paced(t.log)) for t in tails.values()})
            try:
                async for observed in watching:
                    yield observed
            finally:
                await watching.aclose()


@dataclass(slots=True)
class _Tail:
    """One log, open where it was read last."""

    log: WatchedLog
    source: str
    clock: Clock
    places: Places | None = None
    _files: deque[BinaryIO] = field(default_factory=deque)
    """The one that is read, and those that were written after it while nobody read."""
    _at: int = 0
    _head: bytes = b""
    """How the file begins: one that begins otherwise was cut short and is written anew."""
    _begun: bool = False
    _kept: Place | None = None
    _faults: list[Fault] = field(default_factory=list)

    async def once(self) -> Heard:
        """What was written since. Raises RetryLater where it cannot be read."""
        bodies, place = await asyncio.to_thread(self._grown)
        raw = tuple(r for at, body in bodies if (r := self._raw(at, body)) is not None)
        faults, self._faults = tuple(self._faults), []
        taken = None if self.places is None or place == self._kept else partial(self._keep, place)
        return Heard(self.log.id, self.clock(), faults=faults, raw=raw, taken=taken)

    def close(self) -> None:
        """Let go of the files."""
        while self._files:
            self._files.popleft().close()

    def _keep(self, place: Place) -> None:
        """All up to there is intake's."""
        if self.places is not None:
            self._kept = place
            self.places.save(self.log.id, place)

    def _grown(self) -> tuple[list[tuple[int, bytes]], Place]:
        try:
            return list(self._bodies()), Place.of(self._files[0], self._at)
        except OSError as error:
            self.close()
            self._begun |= isinstance(error, FileNotFoundError)  # all of what comes is new
            raise RetryLater(f"`{self.log.path}` cannot be read: {error.strerror}") from error

    def _bodies(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines from where it was read last, and of the next file once this one is rotated."""
        if not self._files:
            self._begin()
        for _ in range(_MOST_BODIES):
            found = self._next()
            if found is not None:
                yield found
            elif len(self._files) > 1:
                self._files.popleft().close()
                self._at, self._head = 0, b""
            elif self._is_rotated():
                self.close()
                self._open(at_end=False)
            else:
                return

    def _begin(self) -> None:
        """Where it was read before a restart; else at the end, or at the beginning of what was not there before."""
        place = self.places.load(self.log.id) if self.places is not None and not self._begun else None
        if place is None:
            self._open(at_end=not self._begun)
            return
        self._files.extend(resumed(self.log.path, place))
        if self._files:
            self._at, self._begun, self._kept = place.offset, True, place
            return
        self._open(at_end=False)
        self._faults.append(Fault("start", "it was moved away or cut while nobody read it; lines may be lost"))

    def _open(self, *, at_end: bool) -> None:
        file = self.log.path.open("rb")
        self._files.append(file)
        self._at, self._head = file.seek(0, os.SEEK_END) if at_end else 0, b""
        self._begun = True

    def _next(self) -> tuple[int, bytes] | None:
        file = self._files[0]
        if self._is_cut(file):
            self._at, self._head = 0, b""
        file.seek(self._at)
        read = file.read(BODY)
        body = read[: read.rfind(b"\n") + 1]
        if not body and len(read) == BODY:  # no line of ours is that long: go on behind it
            self._faults.append(Fault(f"byte {self._at}", f"a line of over {BODY} bytes; it is left out"))
            self._at += len(read)
            return self._next()
        start, self._at = self._at, self._at + len(body)
        return (start, body) if body else None

    def _is_cut(self, file: BinaryIO) -> bool:
        """Whether it is shorter than it was, or begins otherwise."""
        if os.fstat(file.fileno()).st_size < self._at:
            return True
        file.seek(0)
        before, self._head = self._head, file.read(min(self._at, HEAD))
        return not self._head.startswith(before)

    def _is_rotated(self) -> bool:
        mine = os.fstat(self._files[0].fileno())
        try:
            there = self.log.path.stat()
        except FileNotFoundError:
            return False  # the new one is not there yet
        return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)

    def _raw(self, at: int, body: bytes) -> Raw | None:
        """The body, if it tells anything, be it that it cannot be read: intake keeps that."""
        log = self.log
        headers = contexts.headers(Context(f"{self.source}/{log.id}", log.host, log.cluster or ""))
        headers = {name: value for name, value in headers.items() if value}
        try:
            parsed = FORMATS[log.format](body, headers)
        except BadInput as error:
            if log.format == "fabric-manager":  # it refuses a body of continued lines alone
                self._faults.append(Fault(f"byte {at}", str(error)))
                return None
        else:
            if not parsed.observations and not parsed.faults:
                return None
        return Raw(log.format.value, body, headers, canonical.digest_of([log.id, at, canonical.digest(body)]))
