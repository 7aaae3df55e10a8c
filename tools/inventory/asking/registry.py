"""Every kind of source that asks, with its settings: opened by the inventory's composition, tried by `placet doctor`.

A new kind is a model in `settings.Settings`, an adapter beside this module, and a row below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from estate.clocks import Clock
from tools.inventory.asking.files import FileSource
from tools.inventory.asking.logs import LogSource
from tools.inventory.asking.places import Places
from tools.inventory.asking.prometheus import PrometheusSource
from tools.inventory.asking.redfish import RedfishSource
from tools.inventory.asking.rounds import Asking
from tools.inventory.asking.settings import Settings
from tools.inventory.port import Heard

_AT_ONCE = 16
"""Targets that are tried beside each other."""
_OPEN: Mapping[str, Callable[[Any, Clock], Asking]] = {
    "redfish": RedfishSource,
    "prometheus": PrometheusSource,
    "files": FileSource,
    "logs": LogSource,
}


def opened(settings: Settings, clock: Clock, places: Places) -> Iterator[Asking]:
    """A source for each kind that has targets; `places` say how far logs were read."""
    for kind, targets in settings:
        if targets:
            yield LogSource(targets, clock, places=places) if kind == "logs" else _OPEN[kind](targets, clock)


async def tried(settings: Settings, clock: Clock) -> Mapping[str, Heard]:
    """What each target answers when it is asked once, by its name in origins. Nothing of it is kept."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def once(source: Asking) -> Heard:
        async with free, aclosing(source.watch()) as watching:
            async for observed in watching:
                for heard in observed.heard:
                    return heard
        raise AssertionError("a source that asks goes on until it is closed")

    targets = {f"{kind}/{t.id}": _OPEN[kind]((t,), clock) for kind, of in settings for t in of}
    answers = await asyncio.gather(*(once(source) for source in targets.values()))
    return dict(zip(targets, answers, strict=True))
