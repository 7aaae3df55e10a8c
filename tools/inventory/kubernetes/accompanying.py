"""Kinds that a cluster may serve or not, and its reader may read or not: found by discovery, followed while they last.

Called by `source`, beside the kinds that it cannot do without. Discovery is asked again and again: a kind whose
definition is installed later is followed then, and what was known of one that went is forgotten. A kind that the reader
may not read is told of once and tried again with each discovery, so that a role that is widened needs no restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from estate.errors import PlacetError, RetryLater
from tools.inventory.kubernetes.following import Following, Pace
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import discovering
from tools.kubernetes.connecting import Connection
from tools.kubernetes.resources import Resource

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Companion:
    """One kind that is followed now."""

    following: Following
    task: asyncio.Task[None]

    @property
    def settled(self) -> bool:
        """Whether all of it was listed, or it is not to be had now."""
        return self.following.listed or self.task.done()


@dataclass(slots=True)
class Accompanying:
    """The companions of one cluster's source."""

    name: str
    kinds: Sequence[Resource]
    connection: Connection
    model: ClusterModel
    pace: Pace
    follow: Callable[[Resource], Following]
    changed: Callable[[], None]
    """Called when it is settled, or something was forgotten."""
    _now: dict[str, _Companion] = field(default_factory=dict)
    _looked: bool = False
    _told: dict[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether everything that can be followed was listed once."""
        return self._looked and all(c.settled for c in self._now.values())

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._look(group)
                self.changed()
                await asyncio.sleep(self.pace.discovery if self._looked else self.pace.longest_wait)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        try:
            served = await discovering.served(self.connection, self.kinds)
        except RetryLater:
            return  # the kinds that every cluster serves say that it does not answer
        except PlacetError as error:
            self._report("discovery", str(error))
            served = []
        await self._leave({k.name: k for k in served})
        for kind in served:
            if kind.name not in self._now:
                following = self.follow(kind)
                task = group.create_task(self._one(kind, following), name=f"{self.name}-{kind.name}")
                self._now[kind.name] = _Companion(following, task)
        self._looked = True

    async def _leave(self, served: dict[str, Resource]) -> None:
        """Stop following what ended, went, or is served in another version; forget what went."""
        for name, companion in list(self._now.items()):
            kind = companion.following.resource
            if served.get(name) == kind and not companion.task.done():
                continue
            companion.task.cancel()
            await asyncio.wait([companion.task])
            del self._now[name]
            if name not in served:
                log.info("kind is no longer served", source=self.name, kind=name)
                self.model.keep_only(kind, ())

    async def _one(self, kind: Resource, following: Following) -> None:
        """What ends it is no end of the source: the kinds that it cannot do without say what is wrong for all."""
        try:
            await following.run()
        except PlacetError as error:
            self._report(kind.name, str(error))
            self.model.keep_only(kind, ())
            self.changed()

    def _report(self, kind: str, error: str) -> None:
        if self._told.get(kind) != error:
            self._told[kind] = error
            log.warning("kind not followed", source=self.name, kind=kind, error=error)
