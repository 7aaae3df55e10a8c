"""Trails: which nodes or workloads were touched, in order, as far back as a ring reaches.

Called by `machines`, `residents` and `grounds`. It answers in what two snapshots may differ without
comparing them. What fell off the ring is not known any more, and the answer then says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LENGTH = 1 << 16
STAMP = (1 << 32) - 1
"""Of the number of a touch, what a row keeps: it tells two touches of one row apart that are near each other."""
_MOST = 1 << 12
"""More touches than this are not worth looking at one by one."""


class Trail[K: str]:
    """A ring of touched things. One task adds; any may ask."""

    __slots__ = ("_ring", "end")

    def __init__(self) -> None:
        self._ring: list[K | None] = [None] * LENGTH
        self.end = 0
        """How many touches there were."""

    def add(self, thing: K) -> int:
        """Note a touch; its number, from 1."""
        self._ring[self.end % LENGTH] = thing
        self.end += 1
        return self.end

    def add_all(self, things: Sequence[K]) -> NDArray[np.int64]:
        """Note a touch of each; their numbers."""
        start = self.end
        for at, thing in enumerate(things, start):
            self._ring[at % LENGTH] = thing
        self.end += len(things)
        return np.arange(start + 1, self.end + 1)

    def between(self, start: int, end: int) -> frozenset[K] | None:
        """What was touched between two ends; None where the ring does not say, or they are too many."""
        if end - start > _MOST:
            return None
        touched = (self._ring[at % LENGTH] for at in range(start, end))
        found = frozenset(thing for thing in touched if thing is not None)
        return found if self.end - start <= LENGTH else None
