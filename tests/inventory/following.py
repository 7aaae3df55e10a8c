"""A writer, its sources and its followers, as the tests of following put them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from estate.deltas import Delta, split
from estate.errors import Denied, RetryLater
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import ClusterId, InstallationId
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from estate.subjects import Subjects
from tests import builders
from tools.bus.port import Bus
from tools.inventory.follower import Follower
from tools.inventory.port import Observed
from tools.inventory.writer import Pace, Writer

ENVELOPE = builders.facts().canonical()
QUICK = Pace(lease=timedelta(milliseconds=600), whole_within=timedelta(seconds=30))
type Connect = Callable[[], Awaitable[Bus]]


def verify(envelope: bytes) -> Facts:
    """Stands for the signed-facts check: reads the bare facts, and refuses what says it is forged."""
    found = Facts.read(envelope)
    if found.author == "mallory":
        raise Denied("the facts are signed by nobody we trust")
    return found


@dataclass(slots=True)
class ListSource:
    """A source that a test feeds."""

    first: Observed | None
    """None: nothing is shown before something comes later."""
    cluster: ClusterId | None = None
    later: asyncio.Queue[Observed | Exception] = field(default_factory=asyncio.Queue)

    async def watch(self) -> AsyncIterator[Observed]:
        if self.first is not None:
            yield self.first
        while True:
            item = await self.later.get()
            if isinstance(item, Exception):
                raise item
            yield item


def small(source: str = "s") -> ListSource:
    return ListSource(
        Observed(source=source, nodes=builders.default_nodes(), workloads=builders.default_workloads(), whole=True)
    )


def writer(
    bus: Bus, installation: InstallationId, *sources: ListSource, holder: str = "w1", pace: Pace = QUICK
) -> Writer:
    return Writer(bus, installation, holder, sources, builders.TestClock(), pace)


@asynccontextmanager
async def running(*tasks: Awaitable[None]) -> AsyncIterator[None]:
    """Runs these until the block ends."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        started = [group.create_task(_run(t)) for t in tasks]
        yield
        for task in started:
            task.cancel()


async def _run(work: Awaitable[None]) -> None:
    await work


async def until(estate_of: Callable[[], FrozenEstate], holds: Callable[[FrozenEstate], bool]) -> FrozenEstate:
    """Wait until the newest estate is so."""
    async with asyncio.timeout(20):
        while True:
            with suppress(RetryLater):
                if holds(estate_of()):
                    return estate_of()
            await asyncio.sleep(0.01)


async def until_stale(follower: Follower) -> None:
    """Wait until the follower knows that its estate may be old."""
    async with asyncio.timeout(5):
        while True:
            if follower.stale is not None:
                return
            await asyncio.sleep(0.01)


def version(installation: InstallationId, sequence: int, epoch: int = 1) -> SnapshotVersion:
    return SnapshotVersion(installation=installation, epoch=epoch, sequence=sequence)


async def send(bus: Bus, subjects: Subjects, delta: Delta) -> None:
    for part in split(delta):
        await bus.publish(subjects.delta(), part.canonical(), message_id=part.message_id)


def whole(installation: InstallationId, sequence: int, epoch: int = 1, **over: object) -> Delta:
    fields = {
        "version": version(installation, sequence, epoch),
        "at": builders.START,
        "whole": True,
        "facts_envelope": ENVELOPE.decode(),
        "nodes": builders.default_nodes(),
        "workloads": builders.default_workloads(),
    }
    return Delta.model_validate(fields | over)


def change(installation: InstallationId, sequence: int, *nodes: Node, epoch: int = 1) -> Delta:
    return Delta(version=version(installation, sequence, epoch), at=builders.START, nodes=nodes)
