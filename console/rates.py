"""How fast somebody may ask: a token bucket for each, so that one sender's flood leaves the doors to the others.

Called by the HTTP door before a body is read, and by the front door for each person before their call counts. What is
refused was not stored, and whoever sent it is told when to come back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from console.config import Pace


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates[K: Hashable]:
    """The buckets of one door, by channel or person: there are as many as it knows of either. Each begins full."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds."""
        self._monotonic = monotonic
        self._buckets: dict[K, _Bucket] = {}

    def wait(self, key: K, pace: Pace) -> int:
        """Take one turn: 0; or the whole seconds after which there will be one."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(key, _Bucket(pace.burst, now))
        bucket.left = min(float(pace.burst), bucket.left + (now - bucket.at) * pace.per_second)
        bucket.at = now
        if bucket.left < 1:
            return max(1, math.ceil((1 - bucket.left) / pace.per_second))
        bucket.left -= 1
        return 0
