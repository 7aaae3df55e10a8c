"""A shelf that holds two processes back until both have read the same checkpoint, and notes who could write it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agents.checkpoints.port import Address, Fenced, Held, Shelf

RACERS = 2
READS = 2
"""A worker reads a thread twice before it writes: to look what it waits for, and to run it."""


class RacingShelf:
    """One racer's shelf. The race is on while `folder` exists; each arrival and each write leaves a file in it."""

    def __init__(self, inner: Shelf, folder: Path, name: str) -> None:
        self._inner = inner
        self._folder = folder
        self._name = name
        self._reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def load(self, address: Address) -> Held | None:
        found = await self._inner.load(address)
        if found is not None and self._folder.exists() and self._reads < READS:
            self._reads += 1
            await self._others(self._reads)
        return found

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        try:
            saved = await self._inner.save(address, data, version)
        except Fenced:
            self._note("fenced", version)
            raise
        self._note("saved", version)
        return saved

    async def _others(self, read: int) -> None:
        """Wait until every racer has read as often."""
        (self._folder / f"read-{read}-{self._name}").touch()
        while len(list(self._folder.glob(f"read-{read}-*"))) < RACERS:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)

    def _note(self, what: str, version: int | None) -> None:
        if self._folder.exists():
            (self._folder / f"{what}-{version}-{self._name}").touch()
