"""The estate held to what it should be: a world file that a setting names, and the templates of its clusters.

An onlooker of the writer: only what changed is compared, and everything when another file, or another template, is in
force. What it finds goes to the keeper of drifts, beside what the clusters' own sources find of their objects. Nothing
of the file is applied; a file that cannot be read changes nothing and is told once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import structlog

from estate.drifts import Drift
from estate.errors import PlacetError
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.references import Ref
from estate.uses.clusters import ClusterState
from estate.workloads import Workload
from tools.drift import estates, templates
from tools.inventory import files
from tools.inventory.drifts import ESTATE, Keeper
from tools.inventory.port import Noticed

log = structlog.get_logger(__name__)

type Found = dict[str, tuple[Drift, ...]]
type _Stamp = tuple[int, int, int] | None
"""A file's size, time of change and inode; None where it is not there."""


class Desired:
    """Satisfies `tools.inventory.port.Onlooker`."""

    def __init__(self, keeper: Keeper, path: Path | None = None, *, interval: timedelta = timedelta(seconds=2)) -> None:
        """`path` is a world file; None holds the estate to its templates alone."""
        self._keeper, self._path, self._interval = keeper, path, interval
        self._wanted: dict[Ref, Node | Workload] = {}
        self._stamp: _Stamp = None
        self._look_again_at = 0.0
        self._newest: FrozenEstate | None = None
        self._queue: asyncio.Queue[Noticed] = asyncio.Queue(maxsize=1024)

    async def notice(self, noticed: Noticed) -> None:
        """Take in what the writer saw; waits where this is far behind."""
        await self._queue.put(noticed)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._interval.total_seconds()):
                    noticed: Noticed | None = await self._queue.get()
            except TimeoutError:
                noticed = None
            await self._look(noticed)

    async def _look(self, noticed: Noticed | None) -> None:
        first = self._newest is None
        self._newest = self._newest if noticed is None else noticed.after
        if self._newest is None:
            return
        if await self._read_anew() or first:
            await self._tell(self._everything(self._newest), whole=True)
        elif noticed is not None:
            await self._tell(self._changed(noticed), whole=False)

    async def _tell(self, found: Found, *, whole: bool) -> None:
        if not found and not whole:
            return
        try:
            await self._keeper.take(ESTATE, found, whole=whole)
        except PlacetError as error:
            log.error("drift not told", source="desired", error=str(error))

    async def _read_anew(self) -> bool:
        """Whether another file is in force. Looked for at the interval, however much is noticed meanwhile."""
        now = asyncio.get_running_loop().time()
        if self._path is None or now < self._look_again_at:
            return False
        self._look_again_at = now + self._interval.total_seconds()
        stamp = await asyncio.to_thread(_stamp, self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._wanted = await asyncio.to_thread(_wanted, self._path)
        except PlacetError as error:
            log.error("desired estate refused", error=str(error))
            return False
        return True

    def _everything(self, estate: FrozenEstate) -> Found:
        return self._compared(estate, [*self._wanted, *_clusters(estate)])

    def _changed(self, noticed: Noticed) -> Found:
        refs = [r for n in noticed.nodes if (r := Ref("node", n)) in self._wanted]
        refs += [r for w in noticed.workloads if (r := Ref("workload", w)) in self._wanted]
        refs += [r for r in noticed.items if r.kind == "cluster"]
        if any(r.kind == "template" for r in noticed.items):
            refs += _clusters(noticed.after)
        return self._compared(noticed.after, refs)

    def _compared(self, estate: FrozenEstate, refs: Iterable[Ref]) -> Found:
        return {str(ref): tuple(self._of(estate, ref)) for ref in refs}

    def _of(self, estate: FrozenEstate, ref: Ref) -> Iterator[Drift]:
        match self._wanted.get(ref):
            case Node() as node:
                return estates.of_thing(node, estate.node(node.id), estate.facts)
            case Workload() as workload:
                return estates.of_thing(workload, estate.workload(workload.id), estate.facts)
            case None:
                found = estate.stock.get(ref)
                return templates.of_cluster(found, estate) if isinstance(found, ClusterState) else iter(())


def _clusters(estate: FrozenEstate) -> list[Ref]:
    return [item.ref for item in estate.stock.all("cluster")]


def _wanted(path: Path) -> dict[Ref, Node | Workload]:
    world = files.load_world(path)
    return {Ref("node", n.id): n for n in world.nodes} | {Ref("workload", w.id): w for w in world.workloads}


def _stamp(path: Path) -> _Stamp:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ino
