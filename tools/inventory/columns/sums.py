"""What racks, sites and tenants add up to, kept current change by change.

Called by `machines` and `residents`. Power of work is in watts as it is stated, measured power in milliwatts: both
whole numbers, so that nothing drifts however long it is added to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, MutableSequence
from typing import Any

import numpy as np
from immutables import Map
from numpy.typing import NDArray

from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Frozen, Numbers, Rows
from tools.inventory.columns.terms import Terms

WATTS, MILLIWATTS, NODES, FENCED_NODES, FREE, CLOSED = range(6)
"""Of racks and sites: stated and measured power, nodes, fenced ones, free devices of open and of closed ones."""
REPLICAS, DEVICES = 1, 2
"""Of tenants, beside `WATTS`: replicas that run, and the devices that they hold."""
NOWHERE = -1
_WIDTH, _SHIFT = 3, 10


class FrozenTotals:
    """Sums as they were at one moment."""

    __slots__ = ("column", "names")

    def __init__(self, names: Terms[Any], column: Frozen[int]) -> None:
        self.names = names
        self.column = column

    def of(self, name: Hashable, which: int) -> int:
        """One of the sums of `name`; 0 for whoever was not known."""
        at = (self.names.known(name) << _WIDTH) + which
        return self.column[at] if 0 <= at < len(self.column) else 0


class Totals[K: Hashable]:
    """Eight sums for each name, side by side: what changes together is written together."""

    __slots__ = ("column", "names")

    def __init__(self, ages: Ages) -> None:
        self.names: Terms[K] = Terms()
        self.column = Numbers("q", 0, _SHIFT, ages)

    def row(self, name: K | None) -> int:
        """The row of `name`, made if it is new; `NOWHERE` for None."""
        if name is None:
            return NOWHERE
        row = self.names.code(name)
        self.column.reach((row + 1) << _WIDTH)
        return row

    def open(self, row: int) -> tuple[MutableSequence[int], int]:
        """Where the sums of a row lie, to be added to at once."""
        return self.column.open(row << _WIDTH), row << _WIDTH

    def add(self, rows: Rows, which: int, amounts: NDArray[np.int64]) -> None:
        """Add to one of the sums of these rows; one may be there more than once."""
        places = (rows << _WIDTH) + which
        self.column.own(places)
        np.add.at(self.column.array, places, amounts)

    def frozen(self, age: int) -> FrozenTotals:
        """The sums as of that snapshot, the newest."""
        return FrozenTotals(self.names, Frozen(self.column, age))


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

    def begin(self) -> None:
        """Forget what nodes have left."""
        self.open.clear()
        self.closed = 0

    def exchange(self, had: int | None, has: int | None, closed: int) -> None:
        """The free devices of a node went from `had` to `has` (None: not open), those of closed nodes by so many."""
        if had is not None:
            self.open[had] -= 1
        if has is not None:
            self.open[has] += 1
        self.closed += closed

    def exchange_all(self, had: Rows, has: Rows, closed: int) -> None:
        """As `exchange`, of the nodes that were open and of those that are."""
        for sizes, sign in ((had, -1), (has, 1)):
            for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
                self.open[int(size)] += sign * int(count)
        self.closed += closed

    def freeze(self) -> tuple[Map[int, int], Map[int, int], int]:
        """Asks, open nodes and closed devices as they are now, without zeros."""
        return _held(self.asks), _held(self.open), self.closed


def _held(counts: Mapping[int, int]) -> Map[int, int]:
    return Map({size: count for size, count in counts.items() if count})
