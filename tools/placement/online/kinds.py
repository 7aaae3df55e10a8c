"""Which nodes no workload can tell apart, but by what runs there: the same answer to every constraint that endures.

Called by `valuing` and `boards`. A kind is a row of all columns that constraints of a kind read; one node stands for all
of a kind (`typical`), so that every mask that endures is worked out once a kind, by the code of its family.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from estate.hardware import Taint
from tools.placement.columns import BY_NODE, Columns, Ints

_BESIDE = frozenset({"rack", "taint", "idle", "load", "cap", "healthy", "free"})
"""What no enduring constraint reads: a rack counts as one or none, taints by what they are, the rest moves."""


class Kinds:
    """The kinds of one frame of columns (`renewed` keeps it), numbered as they are met. Grows, and forgets none."""

    def __init__(self, columns: Columns) -> None:
        self._names, self._models = columns.names, columns.models
        self._number: dict[bytes, int] = {}
        self._taints: dict[tuple[Taint, ...], int] = {}
        self.marks: list[bytes] = []
        """Of each kind, what tells it from others; the same wherever the law's names and the models are."""
        self.typical = columns.of(np.array([], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.marks)

    def tells(self, columns: Columns) -> bool:
        """Whether these columns are of its frame."""
        return columns.names is self._names and columns.models is self._models

    def number(self, columns: Columns) -> Ints:
        """The kind of each row."""
        codes = np.array([self._taints.setdefault(t, len(self._taints)) for t in columns.taints] or [0])
        table = _told(columns, codes)
        rows, inverse = different(table)
        found, fresh = [], []
        for row in rows.tolist():
            mark = table[row].tobytes()
            if mark not in self._number:
                self._number[mark] = len(self.marks)
                self.marks.append(mark)
                fresh.append(row)
            found.append(self._number[mark])
        if fresh:
            self._learn(columns, codes, np.array(fresh))
        return np.array(found, dtype=np.int64)[inverse]

    def _learn(self, columns: Columns, codes: Ints, rows: Ints) -> None:
        known, more = self.typical, columns.of(rows)
        more = replace(more, taint=codes[more.taint])
        joined = {name: np.concatenate([getattr(known, name), getattr(more, name)]) for name in BY_NODE}
        ids = (*known.ids, *more.ids)
        self.typical = replace(
            known,
            ids=ids,
            rows={name: row for row, name in enumerate(ids)},
            taints=tuple(self._taints),
            present=np.concatenate([known.present, more.present], axis=1),
            **joined,
        )


def _told(columns: Columns, taints: Ints) -> Ints:
    """Node × all that constraints of a kind read, as numbers."""
    parts = [getattr(columns, name) for name in BY_NODE if name not in _BESIDE]
    parts += [columns.rack >= 0, taints[columns.taint]]
    return np.concatenate([p if p.ndim > 1 else p[:, None] for p in parts], axis=1, dtype=np.int64)


def different(table: Ints) -> tuple[Ints, Ints]:
    """A row of each sort, and the sort of each row. By a hash of the row, and looked at again."""
    mixed: Ints = (table * _factors(table.shape[1])).sum(axis=1)
    _, rows, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if (table == table[rows][inverse]).all():
        return rows, inverse
    _, rows, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return rows, inverse


@lru_cache
def _factors(columns: int) -> Ints:
    return np.random.default_rng(0).integers(1, 1 << 62, columns, dtype=np.int64) | 1
