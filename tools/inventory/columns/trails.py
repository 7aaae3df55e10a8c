"""Trails: which nodes or workloads were touched, in order, as far back as a ring reaches.

Called by `machines`, `residents` and `grounds`. It answers in what two snapshots may differ without
comparing them. What fell off the ring is not known any more, and the answer then says so.
"""

from __future__ import annotations

LENGTH = 1 << 16
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

    def between(self, start: int, end: int) -> frozenset[K] | None:
        """What was touched between two ends; None where the ring does not say, or they are too many."""
        if end - start > _MOST:
            return None
        touched = (self._ring[at % LENGTH] for at in range(start, end))
        found = frozenset(thing for thing in touched if thing is not None)
        return found if self.end - start <= LENGTH else None
