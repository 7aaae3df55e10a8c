"""Which senders' metric is which gauge of what, by which factor. A new one is a row.

Counters are told as what they grow by in a second. What several readings of one thing make together (a node's devices,
a workload's servers) says `Joined`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from estate.readings import Gauge
from tools.payloads.facts.metrics import Form, Metric

_MILLI, _MICRO = 1e3, 1e6
_MEBI = 1.0 / 2**20
_MEGABITS = 8 / 1e6
_POWERED = frozenset({"node", "pdu", "feed", "ups", "transformer", "substation", "generator"})
_LINKS = frozenset({"port", "link"})
_SERVERS = frozenset({"workload"})


class Joined(StrEnum):
    """What several readings of one thing make."""

    MOST = "most"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Kept:
    """A metric that is kept."""

    gauge: Gauge
    scale: float
    kinds: frozenset[str]
    joined: Joined = Joined.MOST
    parts: frozenset[str] = frozenset({""})
    """Of which parts it says something about the whole."""


_DEVICE = frozenset({"accelerator"})

KEPT: Mapping[Metric, Kept] = {
    Metric.GPU_TEMPERATURE: Kept(Gauge.TEMPERATURE, _MILLI, _DEVICE),
    Metric.GPU_POWER: Kept(Gauge.POWER, _MILLI, _DEVICE),
    Metric.GPU_USE: Kept(Gauge.UTILISATION, _MILLI, _DEVICE),
    Metric.GPU_MEMORY_USED: Kept(Gauge.MEMORY_USED, _MEBI, _DEVICE),
    Metric.GPU_THROTTLE_REASONS: Kept(Gauge.THROTTLE, 1.0, _DEVICE),
    Metric.GPU_LAST_XID: Kept(Gauge.XID, 1.0, _DEVICE),
    # A chassis has more readings than one; its own power is that of the whole, or of its first control.
    Metric.POWER_DRAWN: Kept(Gauge.POWER, _MILLI, _POWERED, parts=frozenset({"", "PowerControl/0"})),
    Metric.PORT_UP: Kept(Gauge.LINK_UP, 1.0, _LINKS),
    Metric.PORT_SENT: Kept(Gauge.SENT, _MEGABITS, _LINKS),
    Metric.PORT_RECEIVED: Kept(Gauge.RECEIVED, _MEGABITS, _LINKS),
    Metric.FIRST_TOKEN_P95: Kept(Gauge.FIRST_TOKEN, _MICRO, _SERVERS),
    Metric.PER_TOKEN_P95: Kept(Gauge.PER_TOKEN, _MICRO, _SERVERS),
    Metric.REQUESTS_RUNNING: Kept(Gauge.RUNNING, 1.0, _SERVERS, Joined.SUM),
    Metric.REQUESTS_WAITING: Kept(Gauge.WAITING, 1.0, _SERVERS, Joined.SUM),
    Metric.CACHE_USED: Kept(Gauge.CACHE_USED, _MILLI, _SERVERS),
}
INLET = Kept(Gauge.INLET, _MILLI, frozenset({"node"}))
"""Of `Metric.TEMPERATURE`, where the sensor's own name says that it is what the machine takes in."""
HOTTEST = Kept(Gauge.TEMPERATURE, _MILLI, frozenset({"node"}))
"""Of `Metric.GPU_TEMPERATURE`: what a node's devices make of the node."""


def grows(metric: Metric) -> bool:
    """Whether it is told as what it grows by."""
    return metric.form is Form.COUNTER
