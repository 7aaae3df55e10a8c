"""The agents' workers as a source: what each says that it runs, as components of the estate.

Adapter of `tools.inventory.port.Source`, over the bucket in which workers say that they are there (`agents.presence`).
Whose word a key is, the bus fixes: an agent's user writes under its own name only. A component is there for as long as
a worker says so; sensors hold each to its registration. A source that has nothing to read shows nothing, and goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from estate.errors import PlacetError
from estate.ids import ComponentId
from estate.uses.running import Component, Maker
from estate.workers import WorkerPresence
from tools.bus.port import Bus, Stored
from tools.inventory.port import Observed

BUCKET: Final = "workers"
PERIOD: Final = timedelta(seconds=15)
"""How often a worker says that it is there."""
SILENT: Final = PERIOD * 4
"""After so long without a word it is not."""
NAME: Final = "agent-workers"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Heard:
    """Of one key the newest revision, and when it was first seen by our own clock."""

    revision: int
    at: float


@dataclass(slots=True)
class WorkersSource:
    """The workers of one installation."""

    bus: Bus
    interval: timedelta = timedelta(seconds=2)
    now: Callable[[], float] = time.monotonic
    _heard: dict[str, _Heard] = field(default_factory=dict)

    @property
    def cluster(self) -> None:
        """None: a worker may run anywhere."""

    async def watch(self) -> AsyncIterator[Observed]:
        """What is said now, and again everything whenever that is something else."""
        told: tuple[Component, ...] | None = None
        while True:
            found = await self._read()
            if found != told and (found is not None or told is None):
                told = found or ()
                yield Observed(source=NAME, items=told, whole=True)
            await asyncio.sleep(self.interval.total_seconds())

    async def _read(self) -> tuple[Component, ...] | None:
        """The components; None where they cannot be read now."""
        try:
            bucket = await self.bus.bucket(BUCKET)
            stored = await bucket.values()
        except PlacetError as error:
            log.warning("workers not read", error=str(error))
            return None
        return components(p for s in self._living(stored) if (p := _presence(s)) is not None)

    def _living(self, stored: Iterable[Stored]) -> tuple[Stored, ...]:
        """Whoever has said something of late, by our clock and not by theirs."""
        known, now, found = self._heard, self.now(), tuple(stored)
        self._heard = {
            s.key: h if (h := known.get(s.key)) is not None and h.revision == s.revision else _Heard(s.revision, now)
            for s in found
        }
        return tuple(s for s in found if now - self._heard[s.key].at < SILENT.total_seconds())


def components(present: Iterable[WorkerPresence]) -> tuple[Component, ...]:
    """Each component of each digest once, with the agents whose workers run it."""
    by: dict[Maker, set[str]] = {}
    for said in present:
        for maker in said.runs:
            by.setdefault(maker, set()).add(said.agent)
    found = (_component(maker, tuple(sorted(agents))) for maker, agents in by.items())
    return tuple(sorted(found, key=lambda c: c.id))


def _component(maker: Maker, agents: tuple[str, ...]) -> Component:
    """Two digests of one component are two things: an old and a new release may run side by side."""
    figures = maker.content.removeprefix("sha256:")[:12] if maker.content is not None else "unknown"
    name = ComponentId(f"{maker.id}-{figures}")
    return Component(id=name, sort=maker.sort, name=maker.id, content=maker.content, told_by=agents)


def _presence(stored: Stored) -> WorkerPresence | None:
    """The word under a key; None, with an alarm, where it is not its writer's own."""
    try:
        said = WorkerPresence.read(stored.value)
    except PlacetError as error:
        log.error("worker not understood", key=stored.key, error=str(error))
        return None
    if said.agent != stored.key.partition(".")[0]:
        log.error("worker speaks in another's name", key=stored.key, agent=said.agent)
        return None
    return said
