"""Which rows of a table are used: neighbours for what is of one group, freed rows used again.

Called by `machines` and `residents`. Rows of one rack lie side by side, so that what happens in one rack writes few
chunks. A block is a run of rows (the devices of one node); blocks of one size are handed out alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

EXTENT = 16
"""Blocks that a group is given at once."""
type _Key = tuple[Hashable, int]


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

    def resume(self, end: int, used: Iterable[tuple[int, Hashable, int]]) -> None:
        """Begin again with these blocks in use (first row, group, size), by row; what lies between them is free."""
        self.end, free = end, 0
        for first, group, size in used:
            self._used[(group, size)] += 1
            self._give_back(free, first)
            free = first + size
        self._give_back(free, end)

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
