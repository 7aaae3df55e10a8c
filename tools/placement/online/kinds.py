"""Which nodes no workload can tell apart, but by what runs there: the same answer to every constraint that endures.

Called by `valuing` and `boards`. A kind is a row of all columns that constraints of a kind read; one node stands for
all of a kind (`typical`), so that every mask that endures is worked out once a kind, by the code of its family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from estate.canonical import Json, digest_of
from estate.ids import Digest
from tools.placement.columns import BY_NODE, HEALTHS, Columns, Ints

_CODED = {"taint": "taints", "software": "installed"}
"""Columns of codes whose meanings grow: they count by what they mean."""
_MOVES = frozenset({"idle", "load", "cap", "healthy", "free", "milli", "sharer", "cpu_free", "memory_free"})
"""What changes with what runs there, or with power, and no constraint of a kind reads. A rack counts as one or none."""
_KEPT = tuple(name for name in BY_NODE if name not in _MOVES and name != "rack")
"""What tells kinds apart beside whether a fact names the rack."""


class Kinds:
    """The kinds of one frame of columns (`renewed` keeps it), numbered as they are met. Grows, and forgets none."""

    def __init__(self, columns: Columns) -> None:
        self._names, self._models = columns.names, columns.models
        self._number: dict[bytes, int] = {}
        self._codes: dict[str, dict[object, int]] = {name: {} for name in _CODED}
        self.marks: list[Digest] = []
        """Of each kind, what tells it from others: by names and figures, so that another process has the same."""
        self.typical = columns.of(np.array([], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.marks)

    def tells(self, columns: Columns) -> bool:
        """Whether these columns are of its frame."""
        return columns.names is self._names and columns.models is self._models

    def number(self, columns: Columns) -> Ints:
        """The kind of each row."""
        given, columns = columns, self._coded(columns)
        table = _told(columns)
        rows, inverse = different(table)
        found, fresh = [], []
        for row in rows.tolist():
            mark = table[row].tobytes()
            if mark not in self._number:
                self._number[mark] = len(self.marks)
                self.marks.append(_mark(given, row))
                fresh.append(row)
            found.append(self._number[mark])
        if fresh:
            self._learn(columns.of(np.array(fresh)))
        return np.array(found, dtype=np.int64)[inverse]

    def _coded(self, columns: Columns) -> Columns:
        """The same with codes of our own: two estates of one line may have given one code two meanings."""
        fresh = dict[str, Any]()
        for name, meanings in _CODED.items():
            known = self._codes[name]
            codes = [known.setdefault(m, len(known)) for m in getattr(columns, meanings)]
            fresh[name] = np.array(codes or [0])[getattr(columns, name)]
        return replace(columns, **fresh)

    def _learn(self, more: Columns) -> None:
        known = self.typical
        joined: dict[str, Any] = {name: np.concatenate([getattr(known, name), getattr(more, name)]) for name in BY_NODE}
        joined |= {meanings: tuple(self._codes[name]) for name, meanings in _CODED.items()}
        ids = (*known.ids, *more.ids)
        self.typical = replace(
            known,
            ids=ids,
            rows={name: row for row, name in enumerate(ids)},
            present=np.concatenate([known.present, more.present], axis=1),
            **joined,
        )


def _mark(columns: Columns, row: int) -> Digest:
    """A kind in the words of one of its nodes. Devices that other nodes have more of are no part of it."""
    width = int(np.flatnonzero(columns.exists[row]).max(initial=-1)) + 1
    meant: dict[str, Json] = {"rack": bool(columns.rack[row] >= 0)}
    for name in _KEPT:
        found = getattr(columns, name)[row]
        codes = found[:width].tolist() if found.ndim else [int(found)]
        meanings = _spelled(columns, name)
        meant[name] = [code if meanings is None or code < 0 else str(meanings[code]) for code in codes]
    return digest_of(meant)


def _spelled(columns: Columns, name: str) -> Sequence[object] | None:
    """What the codes of a column stand for; None: they are figures."""
    names = columns.names
    known: dict[str, Sequence[object]] = {
        "cluster": names.clusters,
        "site": names.sites,
        "model": columns.models,
        "profile": columns.profiles,
        "taint": columns.taints,
        "software": columns.installed,
        "health": HEALTHS,
    }
    return known.get(name)


def _told(columns: Columns) -> Ints:
    """Node × all that constraints of a kind read, as numbers."""
    parts = [getattr(columns, name) for name in _KEPT]
    parts.append(columns.rack >= 0)
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
