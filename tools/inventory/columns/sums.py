"""What racks, sites and tenants add up to, kept current change by change.

Called by `machines` and `residents`. Power of work is in watts as it is stated, measured power in milliwatts: both
whole numbers, so that nothing drifts however long it is added to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

from immutables import Map

from tools.inventory.columns.chunks import Column, Frozen, numbers
from tools.inventory.columns.terms import Terms

PLACE = ("watts", "milliwatts", "nodes", "fenced", "free", "closed")
"""Of racks and sites: stated and measured power, nodes, fenced ones, free devices of open and of closed ones."""
TENANT = ("watts", "replicas", "devices")
"""Of tenants: stated power, replicas that run, devices that they hold."""
_SHIFT = 10
NOWHERE = -1


class Totals[K: Hashable]:
    """One row of sums for each name."""

    __slots__ = ("columns", "names")

    def __init__(self, sums: tuple[str, ...]) -> None:
        self.names: Terms[K] = Terms()
        self.columns: dict[str, Column[int]] = {name: numbers("q", 0, _SHIFT) for name in sums}

    def row(self, name: K | None) -> int:
        """The row of `name`, made if it is new; `NOWHERE` for None."""
        if name is None:
            return NOWHERE
        row = self.names.code(name)
        for column in self.columns.values():
            column.reach(row + 1)
        return row

    def freeze(self) -> dict[str, Frozen[int]]:
        """The sums as they are now."""
        return {name: column.freeze() for name, column in self.columns.items()}


class Levels:
    """What says which devices are stranded: the sizes that work asks for, and the sizes that nodes have left."""

    __slots__ = ("asks", "closed", "open")

    def __init__(self) -> None:
        self.asks: Counter[int] = Counter()
        """How many workloads ask for that many devices a replica."""
        self.open: Counter[int] = Counter()
        """How many open nodes have that many free devices."""
        self.closed = 0
        """Free devices of nodes that may receive no work."""

    def exchange(self, had: int | None, has: int | None, closed: int) -> None:
        """The free devices of a node went from `had` to `has` (None: not open), those of closed nodes by so many."""
        if had is not None:
            self.open[had] -= 1
        if has is not None:
            self.open[has] += 1
        self.closed += closed

    def freeze(self) -> tuple[Map[int, int], Map[int, int], int]:
        """Asks, open nodes and closed devices as they are now, without zeros."""
        return _held(self.asks), _held(self.open), self.closed


def _held(counts: Mapping[int, int]) -> Map[int, int]:
    return Map({size: count for size, count in counts.items() if count})


type Sums = Mapping[str, Frozen[int]]
