"""Columns: one array each, and what snapshots need of the chunks that were written over.

What every table of the engine is made of. One task writes. A snapshot costs a column nothing; the first write into a
chunk after it puts the chunk's image aside, if a snapshot is held that may ask for it. A reader in another thread looks
for an image after it has read, because whoever writes puts the image aside before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.inventory.columns.ages import Ages

type Rows = NDArray[np.int64]
type _Images[V] = tuple[tuple[int, Sequence[V]], ...]


class Column[V](ABC):
    """A column that one task writes. Writing is by method, not by item: that is half as dear in CPython."""

    __slots__ = ("_ages", "_last", "live", "past", "rows", "shift")

    weight = 1
    live: MutableSequence[V]
    """The rows as they are now; room beyond `rows` is nobody's."""

    def __init__(self, shift: int, ages: Ages) -> None:
        self.shift = shift
        self.rows = 0
        self.past: dict[int, _Images[V]] = {}
        """For each chunk that was written over: what it was, and for which snapshots (up to that number)."""
        self._ages = ages
        self._last = array("q")
        """The newest snapshot when each chunk was written last."""

    def __getitem__(self, row: int) -> V:
        return self.live[row]

    def set(self, row: int, value: V) -> None:
        """Write one row."""
        if self._last[row >> self.shift] != self._ages.now:
            self._own(row >> self.shift)
        self.live[row] = value

    def open(self, row: int) -> MutableSequence[V]:
        """The rows, to be written at once, and nowhere but in the chunk of that row."""
        if self._last[row >> self.shift] != self._ages.now:
            self._own(row >> self.shift)
        return self.live

    def reach(self, rows: int) -> None:
        """Make room for that many rows."""
        if rows > self.rows:
            chunks = (rows + (1 << self.shift) - 1) >> self.shift
            self._extend(chunks << self.shift)
            self._count(chunks)

    def prune(self, chunk: int, held: Sequence[int]) -> None:
        """Let go of images that no held snapshot can ask for."""
        kept, since, images = [], 0, self.past[chunk]
        for until, image in images:
            at = bisect_right(held, since)
            if at < len(held) and held[at] <= until:
                kept.append((until, image))
            since = until
        if not kept:
            del self.past[chunk]
        elif len(kept) < len(images):
            self.past[chunk] = tuple(kept)

    def own(self, rows: Rows) -> None:
        """These rows are about to be written."""
        chunks = rows >> self.shift
        shared = chunks[np.frombuffer(self._last, dtype=np.int64)[chunks] != self._ages.now]
        for chunk in set(shared.tolist()):
            self._own(chunk)

    def _count(self, chunks: int) -> None:
        self._last.extend([0] * (chunks - len(self._last)))
        self.rows = chunks << self.shift

    @abstractmethod
    def _extend(self, rows: int) -> None:
        """Blank rows up to that many."""

    @abstractmethod
    def _image(self, start: int, end: int) -> Sequence[V]:
        """A copy of those rows."""

    def _own(self, chunk: int) -> None:
        ages = self._ages
        if ages.newest > self._last[chunk]:
            image = self._image(chunk << self.shift, (chunk + 1) << self.shift)
            self.past[chunk] = (*self.past.get(chunk, ()), (ages.newest, image))
            ages.imaged(self)
        self._last[chunk] = ages.now


class Numbers(Column[int]):
    """A column of machine integers."""

    __slots__ = ("_blank", "array", "kind")

    def __init__(self, kind: str, blank: int, shift: int, ages: Ages) -> None:
        """`kind` is an array type code, `blank` what a row is before anything is written."""
        super().__init__(shift, ages)
        self.kind, self._blank = kind, blank
        self._lay(np.zeros(0, dtype=kind))

    def take(self, rows: Rows) -> NDArray[Any]:
        """The values of these rows."""
        return self.array[rows]

    def put(self, rows: Rows, values: NDArray[Any] | int) -> None:
        """Write these rows at once; of one row that is there twice the last value stands."""
        self.own(rows)
        self.array[rows] = values

    def load(self, values: NDArray[Any]) -> None:
        """Begin again with these rows, whole chunks of them, which are written from now on."""
        if len(values) % (1 << self.shift):
            raise ValueError(f"{len(values)} rows are no whole chunks of {1 << self.shift}")
        self._lay(values)
        self._count(len(values) >> self.shift)

    def _lay(self, values: NDArray[Any]) -> None:
        self.array = values
        self.live = memoryview(values)  # type: ignore[assignment]  # a writable buffer of integers: read and written as fast as a list

    def _extend(self, rows: int) -> None:
        held = len(self.array)
        if rows > held:  # what is never written is never in memory
            grown = np.zeros(max(rows, 2 * held), dtype=self.kind)
            grown[:held] = self.array
            self._lay(grown)
        if self._blank and rows > self.rows:
            self.array[self.rows : rows] = self._blank

    def _image(self, start: int, end: int) -> Sequence[int]:
        return array(self.kind, self.array[start:end].tobytes())


class Items[V](Column[V]):
    """A column of immutable objects."""

    __slots__ = ("_blank",)
    weight = 16

    def __init__(self, blank: V, shift: int, ages: Ages) -> None:
        super().__init__(shift, ages)
        self._blank = blank
        self.live = []

    def load(self, values: list[V]) -> None:
        """Begin again with these rows, whole chunks of them."""
        if len(values) % (1 << self.shift):
            raise ValueError(f"{len(values)} rows are no whole chunks of {1 << self.shift}")
        self.live[:] = values  # the list stays: indexes hold it
        self._count(len(values) >> self.shift)

    def _extend(self, rows: int) -> None:
        self.live.extend([self._blank] * (rows - len(self.live)))

    def _image(self, start: int, end: int) -> Sequence[V]:
        return self.live[start:end]


class Frozen[V]:
    """A column as it was when a snapshot was taken. Any thread may read it."""

    __slots__ = ("_age", "_column", "_view")

    def __init__(self, column: Column[V], age: int) -> None:
        self._column, self._age = column, age
        self._view: NDArray[Any] | None = None

    def __getitem__(self, row: int) -> V:
        column = self._column
        chunk = row >> column.shift
        while True:
            images = column.past.get(chunk)
            if images is not None and images[-1][0] >= self._age:  # else all of them are of older snapshots
                for until, image in images:
                    if until >= self._age:
                        return image[row & ((1 << column.shift) - 1)]
            value = column.live[row]
            if column.past.get(chunk) is images:
                return value

    def __len__(self) -> int:
        """All rows, unused ones included."""
        return self._column.rows

    @property
    def view(self) -> NDArray[Any]:
        """All rows as one array, unused ones included; made at the first reading and kept. Numbers only."""
        if self._view is None:
            column = self._column
            assert isinstance(column, Numbers), "a column of objects has no array"
            found = column.array[: column.rows].copy()
            for start, image in self._images():
                found[start : start + len(image)] = image
            found.flags.writeable = False
            self._view = found
        return self._view

    def values(self) -> list[V]:
        """All rows, unused ones included."""
        column = self._column
        found = list(column.live[: column.rows])
        for start, image in self._images():
            found[start : start + len(image)] = image
        return found

    def _images(self) -> list[tuple[int, Sequence[V]]]:
        """Where the column was written over since, and what stood there. Ask after reading, never before."""
        found = []
        for chunk, images in list(self._column.past.items()):
            image = next((image for until, image in images if until >= self._age), None)
            if image is not None:
                found.append((chunk << self._column.shift, image))
        return found


class FrozenTable(dict[str, Frozen[Any]]):
    """The columns of a table as they were; each made when it is first asked for, because most snapshots are asked
    little."""

    def __init__(self, age: int, *tables: Mapping[str, Column[Any]]) -> None:
        self._age, self._tables = age, tables

    def __missing__(self, name: str) -> Frozen[Any]:
        for table in self._tables:
            if name in table:
                found = self[name] = Frozen(table[name], self._age)
                return found
        raise KeyError(name)
