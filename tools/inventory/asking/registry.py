"""Every kind of source that asks, with its settings: opened by the inventory's composition.

A new kind is a model in `settings.Settings`, an adapter beside this module, and a row below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from estate.clocks import Clock
from tools.inventory.asking.files import FileSource
from tools.inventory.asking.prometheus import PrometheusSource
from tools.inventory.asking.redfish import RedfishSource
from tools.inventory.asking.settings import Settings
from tools.inventory.port import Source

_OPEN: Mapping[str, Callable[[Any, Clock], Source]] = {
    "redfish": RedfishSource,
    "prometheus": PrometheusSource,
    "files": FileSource,
}


def opened(settings: Settings, clock: Clock) -> Iterator[Source]:
    """A source for each kind that has targets."""
    for kind, targets in settings:
        if targets:
            yield _OPEN[kind](targets, clock)
