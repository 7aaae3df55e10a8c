"""Columns in chunks, copied on the first write after a freeze: what every table of the engine is made of.

Called by `tables` and `indexes`. One writer; a `Frozen` is never written again and may be read by any thread. A freeze
costs a tuple of chunks, and nothing where no chunk was written since the last one.
"""

from __future__ import annotations

from array import array
from collections.abc import MutableSequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Rows = NDArray[np.int64]


class Frozen[V]:
    """A column as it was at one moment."""

    __slots__ = ("_mask", "_shift", "_view", "chunks")

    def __init__(self, chunks: tuple[MutableSequence[V], ...], shift: int) -> None:
        self.chunks = chunks
        self._shift, self._mask = shift, (1 << shift) - 1
        self._view: NDArray[Any] | None = None

    def __getitem__(self, row: int) -> V:
        return self.chunks[row >> self._shift][row & self._mask]

    def __len__(self) -> int:
        """All rows, unused ones included."""
        return len(self.chunks) << self._shift

    @property
    def view(self) -> NDArray[Any]:
        """All rows as one array, unused ones included; joined at the first read and kept. Numbers only."""
        if self._view is None:
            kinds = [c.typecode for c in self.chunks if isinstance(c, array)]
            assert len(kinds) == len(self.chunks), "a column of objects has no array"
            joined = np.frombuffer(b"".join(self.chunks), dtype=kinds[0] if kinds else "q")  # type: ignore[arg-type]  # arrays of numbers
            joined.flags.writeable = False
            self._view = joined
        return self._view


class Column[V]:
    """A column that one task writes. Writing is by method, not by item: that is half as dear in CPython."""

    __slots__ = ("_blank", "_chunks", "_frozen", "_live", "_mask", "_shift")

    def __init__(self, blank: MutableSequence[V], shift: int) -> None:
        """`blank` is one chunk of 2**shift rows as they are before anything is written."""
        assert len(blank) == 1 << shift
        self._blank = blank
        self._shift, self._mask = shift, (1 << shift) - 1
        self._chunks: list[MutableSequence[V]] = []
        self._live: list[MutableSequence[V] | None] = []
        """The chunks that no snapshot shares."""
        self._frozen: Frozen[V] | None = None

    def __getitem__(self, row: int) -> V:
        return self._chunks[row >> self._shift][row & self._mask]

    def set(self, row: int, value: V) -> None:
        """Write one row."""
        (self._live[row >> self._shift] or self._own(row >> self._shift))[row & self._mask] = value

    def open(self, row: int) -> tuple[MutableSequence[V], int]:
        """The chunk of a row, to be written at once, and where the row lies in it."""
        return self._live[row >> self._shift] or self._own(row >> self._shift), row & self._mask

    def reach(self, rows: int) -> None:
        """Make room for that many rows."""
        while len(self._chunks) << self._shift < rows:
            chunk = self._blank[:]
            self._chunks.append(chunk)
            self._live.append(chunk)
            self._frozen = None

    def freeze(self) -> Frozen[V]:
        """The column as it is now; the chunks are shared until they are written."""
        if self._frozen is None:
            self._frozen = Frozen(tuple(self._chunks), self._shift)
            self._live = [None] * len(self._chunks)
        return self._frozen

    @property
    def kind(self) -> str:
        """The array type code of a column of numbers."""
        assert isinstance(self._blank, array), "a column of objects has no type code"
        return self._blank.typecode

    def load(self, values: MutableSequence[V]) -> None:
        """Begin again with these rows, whole chunks of them."""
        size = 1 << self._shift
        if len(values) % size:
            raise ValueError(f"{len(values)} rows are no whole chunks of {size}")
        self._chunks = [values[at : at + size] for at in range(0, len(values), size)]
        self._live, self._frozen = list(self._chunks), None

    def take(self, rows: Rows) -> NDArray[Any]:
        """The values of these ascending rows. Numbers only."""
        parts = [self._array(at)[rows[cut] & self._mask] for at, cut in self._cuts(rows)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def put(self, rows: Rows, values: NDArray[Any]) -> None:
        """Write these ascending rows at once. Numbers only."""
        for at, cut in self._cuts(rows):
            if self._live[at] is None:
                self._own(at)
            self._array(at)[rows[cut] & self._mask] = values[cut]

    def _cuts(self, rows: Rows) -> list[tuple[int, slice]]:
        """Which part of ascending `rows` lies in which chunk."""
        where = rows >> self._shift
        ends = [0, *(np.flatnonzero(np.diff(where)) + 1).tolist(), len(rows)] if len(rows) else [0]
        return [(int(where[a]), slice(a, b)) for a, b in pairwise(ends)]

    def _array(self, at: int) -> NDArray[Any]:
        chunk = self._chunks[at]
        assert isinstance(chunk, array), "a column of objects is written row by row"
        return np.frombuffer(chunk, dtype=chunk.typecode)

    def _own(self, at: int) -> MutableSequence[V]:
        chunk = self._chunks[at] = self._live[at] = self._chunks[at][:]
        self._frozen = None
        return chunk


def numbers(kind: str, blank: int, shift: int) -> Column[int]:
    """A column of machine integers of that array type code."""
    return Column(array(kind, [blank]) * (1 << shift), shift)


def items[V](blank: V, shift: int) -> Column[V]:
    """A column of immutable objects."""
    return Column([blank] * (1 << shift), shift)
