"""A shelf that holds two processes back until both have read the same checkpoint, and notes who could write it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agents.checkpoints.port import Address, Fenced, Held, Shelf

RACERS = 2


class RacingShelf:
    """One racer's shelf. The race is on while `folder` exists; each arrival and each write leaves a file in it."""

    def __init__(self, inner: Shelf, folder: Path, name: str) -> None:
        self._inner = inner
        self._folder = folder
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def load(self, address: Address) -> Held | None:
        found = await self._inner.load(address)
        if found is not None and self._folder.exists():
            (self._folder / f"arrived-{self._name}").touch()
            while len(list(self._folder.glob("arrived-*"))) < RACERS:  # noqa: ASYNC110 - the other is another process
                await asyncio.sleep(0.01)
        return found

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        try:
            saved = await self._inner.save(address, data, version)
        except Fenced:
            self._note("fenced", version)
            raise
        self._note("saved", version)
        return saved

    def _note(self, what: str, version: int | None) -> None:
        if self._folder.exists():
            (self._folder / f"{what}-{self._name}-{version}").touch()
