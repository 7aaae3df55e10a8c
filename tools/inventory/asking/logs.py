"""Logs that machines go on writing: kernel lines and fabric manager's, followed as they grow and handed to intake.

What stood in a log before it was watched is old and not told. A log that is rotated is read to its end and then from
the new one's beginning; one that is cut short begins anew. Lines that tell nothing stay here: kernels write many.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from estate import canonical
from estate.clocks import Clock
from estate.errors import BadInput, RetryLater
from tools.inventory.asking.rounds import Pace, Rounds, Target
from tools.inventory.asking.settings import WatchedLog
from tools.inventory.port import Heard, Observed, Raw
from tools.payloads import contexts
from tools.payloads.contexts import Context
from tools.payloads.formats import FORMATS
from tools.payloads.parsed import Fault

SOURCE = "logs"
BODY = 128 * 1024
"""Bytes of whole lines in one body, well below the bus's limit."""
_MOST_BODIES = 64
"""In one round; more waits for the next."""


class LogSource:
    """Follows several logs."""

    def __init__(self, logs: Sequence[WatchedLog], clock: Clock, pace: Pace | None = None, name: str = SOURCE) -> None:
        """`pace` stands in the place of the logs' own."""
        self._logs = tuple(logs)
        self._clock = clock
        self._pace = pace
        self._name = name

    @property
    def cluster(self) -> None:
        """It shows no cluster: what it hears is of things that others show."""

    async def watch(self) -> AsyncGenerator[Observed]:
        """What tells something of each log, as it grows, until closed."""
        with ExitStack() as opened:
            tails = {log.id: _Tail(log, self._name, self._clock) for log in self._logs}
            for tail in tails.values():
                opened.callback(tail.close)
            targets = {t.log.id: Target(t.once, self._pace or Pace(float(t.log.every_seconds))) for t in tails.values()}
            watching = Rounds(self._name, targets, self._clock).watch()
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
    _file: BinaryIO | None = None
    _at: int = 0
    _begun: bool = False
    _faults: list[Fault] = field(default_factory=list)

    async def once(self) -> Heard:
        """What was written since. Raises RetryLater where it cannot be read."""
        bodies = await asyncio.to_thread(self._grown)
        raw = tuple(r for at, body in bodies if (r := self._raw(at, body)) is not None)
        faults, self._faults = tuple(self._faults), []
        return Heard(self.log.id, self.clock(), faults=faults, raw=raw)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _grown(self) -> list[tuple[int, bytes]]:
        try:
            return list(self._bodies())
        except OSError as error:
            self.close()
            self._begun |= isinstance(error, FileNotFoundError)  # all of what comes is new
            raise RetryLater(f"`{self.log.path}` cannot be read: {error.strerror}") from error

    def _bodies(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines from where it was read last, and of the next file once this one is rotated."""
        if self._file is None:
            self._open(at_end=not self._begun)
        for _ in range(_MOST_BODIES):
            found = self._next()
            if found is not None:
                yield found
            elif self._is_rotated():
                self.close()
                self._open(at_end=False)
            else:
                return

    def _open(self, *, at_end: bool) -> None:
        self._file = self.log.path.open("rb")
        self._at = self._file.seek(0, os.SEEK_END) if at_end else 0
        self._begun = True

    def _next(self) -> tuple[int, bytes] | None:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._at:
            self._at = 0  # it was cut short
        self._file.seek(self._at)
        read = self._file.read(BODY)
        body = read[: read.rfind(b"\n") + 1]
        if not body and len(read) == BODY:  # no line of ours is that long: go on behind it
            self._faults.append(Fault(f"byte {self._at}", f"a line of over {BODY} bytes; it is left out"))
            self._at += len(read)
            return self._next()
        start, self._at = self._at, self._at + len(body)
        return (start, body) if body else None

    def _is_rotated(self) -> bool:
        assert self._file is not None
        mine = os.fstat(self._file.fileno())
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
