"""Indexes from a name to a row without an object per entry: open addressing over numbers of rows.

Called by `machines` and `residents`. The key of a row is read off its table's columns, so an index holds four bytes an
entry and slot. It lies in segments that are copied on the first write after a freeze and grow one by one, so that no
entry ever waits until the whole is laid out anew. Of rows with one key, the one put last is found.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

SEGMENTS = 256
_EMPTY, _GONE = -1, -2
_LEAST = 8

type KeyOf = Callable[[int], Hashable]
type _Segment = array[int]
type Segments = tuple[_Segment | None, ...]


class FrozenIndex:
    """An index as it was at one moment."""

    __slots__ = ("_key_of", "_segments")

    def __init__(self, segments: Segments, key_of: KeyOf) -> None:
        self._segments = segments
        self._key_of = key_of

    def find(self, key: Hashable) -> int:
        """The row of `key`, -1 if there is none."""
        hashed = hash(key)
        segment = self._segments[hashed % SEGMENTS]
        return -1 if segment is None else segment[_slot(segment, key, hashed, self._key_of)]


class Index:
    """An index that one task writes. The key of a row may change only while the row is not in it."""

    __slots__ = ("_filled", "_frozen", "_owned", "_segments", "count", "key_of")

    def __init__(self, key_of: KeyOf) -> None:
        self.key_of = key_of
        self._frozen: Segments | None = None
        self._begin([None] * SEGMENTS, [0] * SEGMENTS)
        self.count = 0

    def find(self, key: Hashable) -> int:
        """The row of `key`, -1 if there is none."""
        hashed = hash(key)
        segment = self._segments[hashed % SEGMENTS]
        if segment is None:
            return -1
        row = segment[(hashed >> 8) & (len(segment) - 1)]
        if row >= 0 and self.key_of(row) == key:  # as most are: a call less
            return row
        return segment[_slot(segment, key, hashed, self.key_of)]

    def find_all(self, keys: Sequence[Hashable]) -> NDArray[np.int64]:
        """The row of each key, -1 where there is none."""
        segments, key_of, found = self._segments, self.key_of, [-1] * len(keys)
        for at, key in enumerate(keys):
            hashed = hash(key)
            segment = segments[hashed % SEGMENTS]
            if segment is not None:
                row = segment[(hashed >> 8) & (len(segment) - 1)]
                if row >= 0 and key_of(row) == key:  # as most are: a call less
                    found[at] = row
                else:
                    found[at] = segment[_slot(segment, key, hashed, key_of)]
        return np.array(found, dtype=np.int64)

    def put(self, row: int) -> None:
        """Let the key of `row` lead to it, and to no other."""
        key = self.key_of(row)
        hashed = hash(key)
        at = hashed % SEGMENTS
        segment = self._segments[at]
        if segment is None or 2 * (self._filled[at] + 1) > len(segment):
            segment = self._grow(at)
        slot = _slot(segment, key, hashed, self.key_of)
        if (before := segment[slot]) == row:
            return
        self._own(at)[slot] = row
        if before == _EMPTY:
            self._filled[at] += 1
            self.count += 1

    def drop(self, row: int) -> None:
        """Forget the key of `row`, if it leads to it."""
        key = self.key_of(row)
        hashed = hash(key)
        at = hashed % SEGMENTS
        segment = self._segments[at]
        if segment is not None and segment[slot := _slot(segment, key, hashed, self.key_of)] == row:
            self._own(at)[slot] = _GONE
            self.count -= 1

    def freeze(self) -> Segments:
        """The index as it is now: what a `FrozenIndex` over columns of the same moment is made of."""
        if self._frozen is None:
            self._frozen = tuple(self._segments)
            self._owned = bytearray(SEGMENTS)
        return self._frozen

    def rebuild(self, rows: NDArray[np.int64], keys: Sequence[Hashable]) -> None:
        """Begin again with these rows of different keys, all at once."""
        hashes = np.fromiter(map(hash, keys), dtype=np.int64, count=len(keys))
        homes = hashes % SEGMENTS
        counts = np.bincount(homes, minlength=SEGMENTS)
        size = _size(int(counts.max(initial=0)))
        table = _scattered(homes * size, (hashes >> 8) & (size - 1), rows, size)
        self._begin([array("i", part.tobytes()) for part in table.reshape(SEGMENTS, size)], counts.tolist())
        self.count = len(rows)

    def _begin(self, segments: list[_Segment | None], filled: list[int]) -> None:
        self._segments, self._filled = segments, filled
        self._owned = bytearray(b"\1" * SEGMENTS)
        self._frozen = None

    def _own(self, at: int) -> _Segment:
        segment = self._segments[at]
        assert segment is not None
        if not self._owned[at]:
            segment = self._segments[at] = segment[:]
            self._owned[at] = 1
        self._frozen = None
        return segment

    def _grow(self, at: int) -> _Segment:
        """The segment laid out anew, with room, without what is gone."""
        rows = [row for row in self._segments[at] or () if row >= 0]
        size = _size(len(rows) + 1)
        fresh = array("i", [_EMPTY]) * size
        for row in rows:
            slot = (hash(self.key_of(row)) >> 8) & (size - 1)
            while fresh[slot] != _EMPTY:
                slot = (slot + 1) & (size - 1)
            fresh[slot] = row
        self._segments[at], self._filled[at], self._owned[at], self._frozen = fresh, len(rows), 1, None
        return fresh


def _size(entries: int) -> int:
    """The slots of a segment with room for half as many entries again: it grows once half of it is filled."""
    return max(_LEAST, 1 << (3 * entries - 1).bit_length())


def _slot(segment: _Segment, key: Hashable, hashed: int, key_of: KeyOf) -> int:
    """Where `key` stands, or the empty slot where it would. There is always an empty one."""
    mask = len(segment) - 1
    slot = (hashed >> 8) & mask
    while (row := segment[slot]) != _EMPTY:
        if row >= 0 and key_of(row) == key:
            return slot
        slot = (slot + 1) & mask
    return slot


def _scattered(
    bases: NDArray[np.int64], slots: NDArray[np.int64], rows: NDArray[np.int64], size: int
) -> NDArray[np.int32]:
    """All segments in one array; each round places one row of each slot that is wanted, the others try the next."""
    table = np.full(SEGMENTS * size, _EMPTY, dtype=np.int32)
    while len(rows):
        places = bases + slots
        free = table[places] == _EMPTY
        table[places[free]] = rows[free]
        left = table[places] != rows
        bases, slots, rows = bases[left], (slots[left] + 1) & (size - 1), rows[left]
    return table
