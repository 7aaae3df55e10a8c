"""Precedence within one interpreter: while a fence is under way, cases stand still.

Streams of their own keep a fence from *waiting behind* cases; this keeps it from *sharing the processor* with them
where several processes run in one event loop (`placet run`). Consumers take or give way by `ConsumerSpec.precedence`,
the case graph before each node. It orders work and refuses none: whoever gives way does so for a bounded time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum


class Precedence(StrEnum):
    """How the handlers of a consumer stand to those of others in the same interpreter."""

    TAKES = "takes"
    """A fence on its way: others stand still."""
    NEITHER = "neither"
    GIVES = "gives"
    """Work that can wait for a moment."""


class RightOfWay:
    """Shared by everything in one interpreter that takes or gives way."""

    def __init__(self, linger_seconds: float = 0.02, patience_seconds: float = 1.0) -> None:
        """`linger_seconds` bridges a fence's hop from one process to the next; `patience_seconds` bounds each stop."""
        self._linger = linger_seconds
        self._patience = patience_seconds
        self._under_way = 0
        self._clear = asyncio.Event()
        self._clear.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A fence is under way for the length of the block, and for a moment after it."""
        self._under_way += 1
        self._clear.clear()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(self._linger, self._passed)

    async def given(self) -> None:
        """Stand still until no fence is under way, or patience ends."""
        if not self._clear.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._clear.wait(), self._patience)

    def _passed(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._clear.set()
