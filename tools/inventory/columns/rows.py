"""Which rows of a table are used: neighbours for what is of one group, freed rows used again.

Called by `machines` and `residents`. Rows of one rack lie side by side, so that what happens in one rack writes few
chunks. A block is a run of rows (the devices of one node); blocks of one size are handed out alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.inventory.columns.chunks import Rows

EXTENT = 16
"""Blocks that a group is given at once."""
type _Key = tuple[Hashable, int]


def grouped(values: NDArray[Any], nobody: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Each different value but `nobody`, with the rows that have it, ascending."""
    order = np.argsort(values, kind="stable").astype(np.int32)
    ordered = values[order]
    cuts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(order)]
    for start, end in zip(starts, ends, strict=True):
        if start < end and (value := int(ordered[start])) != nobody:
            yield value, order[start:end]


def rounded(size: int) -> int:
    """The size of block in which that many rows are kept: a power of two, so that freed blocks fit again."""
    return 1 << (size - 1).bit_length() if size else 0


class Allotment:
    """The free rows of one table."""

    __slots__ = ("_free", "_spare", "_used", "end")

    def __init__(self) -> None:
        self.end = 0
        """One more than the last row that was ever handed out."""
        self._free: defaultdict[_Key, list[int]] = defaultdict(list)
        self._spare: defaultdict[int, list[int]] = defaultdict(list)
        self._used: defaultdict[_Key, int] = defaultdict(int)

    def take(self, group: Hashable, size: int = 1) -> int:
        """The first row of a free block of `size` rows, near the others of its group."""
        key = (group, size)
        free = self._free[key]
        if not free:
            free.extend(self._extent(size))
        self._used[key] += 1
        return free.pop()

    def give(self, row: int, group: Hashable, size: int = 1) -> None:
        """That block of that group is free again; a group that holds nothing gives up what it was given."""
        key = (group, size)
        self._free[key].append(row)
        self._used[key] -= 1
        if not self._used[key]:
            del self._used[key]
            self._spare[size].extend(self._free.pop(key))

    def resume(self, end: int, firsts: Rows, groups: Rows, sizes: Rows) -> None:
        """Begin again with these blocks in use, some of no size; what lies between them is free."""
        self.end = end
        there = np.flatnonzero(sizes)
        there = there[np.argsort(firsts[there])]
        firsts, sizes = firsts[there], sizes[there]
        for (group, size), count in Counter(zip(groups[there].tolist(), sizes.tolist(), strict=True)).items():
            self._used[(group, size)] = count
        starts, ends = np.append(0, firsts + sizes), np.append(firsts, end)
        for gap in np.flatnonzero(starts < ends).tolist():
            self._give_back(int(starts[gap]), int(ends[gap]))

    def _give_back(self, start: int, end: int) -> None:
        """Free rows as the largest blocks that fit."""
        while start < end:
            size = 1 << ((end - start).bit_length() - 1)
            self._spare[size].append(start)
            start += size

    def _extent(self, size: int) -> list[int]:
        """Blocks to hand out, the lowest last."""
        spare = self._spare[size]
        if spare:
            found, self._spare[size] = spare[-EXTENT:], spare[:-EXTENT]
            return sorted(found, reverse=True)
        start, self.end = self.end, self.end + EXTENT * size
        return list(range(self.end - size, start - 1, -size))
