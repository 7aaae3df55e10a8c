"""Estate files as a source: adapter of `tools.inventory.port.Source`. Whoever edits a file changes the estate.

It looks at the files' names, sizes and times at an interval, which works on every file system and through the links of
a mounted ConfigMap. Files that do not hold together change nothing: what was read last stays, with one alarm for each
fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import structlog

from estate.errors import PlacetError
from estate.items import Item
from estate.law import Facts
from tools.inventory import declarations
from tools.inventory.port import Observed

log = structlog.get_logger(__name__)

type _Sight = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file."""


class DeclaredSource:
    """Watches estate files and folders of them."""

    def __init__(
        self,
        paths: tuple[Path, ...],
        facts: Facts | None = None,
        *,
        name: str = "estate-files",
        interval: timedelta = timedelta(seconds=2),
    ) -> None:
        """`facts` are what references to sites, racks, clusters, tenants and datasets are checked against."""
        self._paths = paths
        self._facts = facts
        self._name = name
        self._interval = interval

    @property
    def cluster(self) -> None:
        """Files may speak of all of them."""

    async def watch(self) -> AsyncIterator[Observed]:
        """Everything that the files declare, and again everything after each change of them."""
        seen, items = await asyncio.to_thread(self._sight), await self._read()
        yield Observed(source=self._name, items=items or (), whole=True)
        while True:
            await asyncio.sleep(self._interval.total_seconds())
            now = await asyncio.to_thread(self._sight)
            if now == seen:
                continue
            seen, items = now, await self._read()
            if items is not None:
                yield Observed(source=self._name, items=items, whole=True)

    async def _read(self) -> tuple[Item, ...] | None:
        """The items, or None when the files do not hold together."""
        try:
            items = await asyncio.to_thread(declarations.load, self._paths, self._facts)
        except PlacetError as error:
            log.error("estate files refused", source=self._name, error=str(error))
            return None
        log.info("estate files read", source=self._name, items=len(items))
        return items

    def _sight(self) -> _Sight:
        try:
            files = declarations.listed(self._paths)
            stats = [(str(p), p.stat()) for p in files]
        except (PlacetError, OSError):
            return ()
        return tuple((name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in stats)
