"""Listen to a source until it said what a test waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.inventory.asking.rounds import Pace
from tools.inventory.freshness import Standing
from tools.inventory.port import Heard, Observed, Source

HASTE = Pace(every=0.05, first_wait=0.02, longest_wait=0.1)


def now() -> datetime:
    return datetime.now(UTC)


_FOLDER = TemporaryDirectory(prefix="placet-secrets-")


def kept_secret(text: str) -> Path:
    """A file with that secret, as its reader wants it."""
    path = Path(_FOLDER.name) / f"{text}.password"
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
    return path


class Ear:
    """What a source said so far."""

    def __init__(self, source: Source) -> None:
        self._watching = source.watch()
        self.standings: dict[str, Standing] = {}
        self.first: Observed | None = None
        self.heard: list[Heard] = []

    async def until(self, wanted: Callable[[Heard], bool], seconds: float = 20.0) -> Heard:
        """The next answer that is wanted."""
        async with asyncio.timeout(seconds):
            async for observed in self._watching:
                self.first = self.first or observed
                for one in observed.heard:
                    before = self.standings.get(one.target, Standing(observed.source, one.target))
                    self.standings[one.target] = before.after(one)
                self.heard += observed.heard
                for heard in observed.heard:
                    if wanted(heard):
                        return heard
        raise AssertionError("the source ended")

    async def close(self) -> None:
        await self._watching.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def listening(source: Source) -> AsyncIterator[Ear]:
    ear = Ear(source)
    try:
        yield ear
    finally:
        await ear.close()
