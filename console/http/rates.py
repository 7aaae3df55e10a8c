"""How fast a channel may post: a token bucket for each, so that one sender's flood leaves the door to the others.

Called by the HTTP door before a body is read. What it refuses was not stored, and the sender is told when to come back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from console.config import Channel
from estate.ids import ChannelId


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """The buckets of this door. `monotonic` gives seconds; each begins full."""

    def __init__(self, channels: Iterable[Channel], monotonic: Callable[[], float]) -> None:
        now = monotonic()
        self._monotonic = monotonic
        self._buckets: dict[ChannelId, _Bucket] = {c.id: _Bucket(c.burst, now) for c in channels}

    def wait(self, channel: Channel) -> int:
        """Take one turn: 0; or the whole seconds after which there will be one."""
        bucket, now = self._buckets[channel.id], self._monotonic()
        bucket.left = min(float(channel.burst), bucket.left + (now - bucket.at) * channel.per_second)
        bucket.at = now
        if bucket.left < 1:
            return max(1, math.ceil((1 - bucket.left) / channel.per_second))
        bucket.left -= 1
        return 0
