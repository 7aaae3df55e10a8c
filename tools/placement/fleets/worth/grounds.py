"""The ground that work is weighed on: the fleet's columns with one empty machine more of each make in each rack.

Called by `markets`. The supposed machines stand last; nothing may be put on them until somebody asks what one would be
worth. They are rows as any other, so the engine's own masks say who may use them. `emptied` is the fleet as if what
runs there could be seated anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estate.ids import NodeId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import WHOLE, Binding, Workload
from tools.placement.columns import BY_NODE, NOBODY, Columns, Flags, Ints


@dataclass(frozen=True, slots=True)
class Grounded:
    """Columns with the supposed machines behind those that are there."""

    columns: Columns
    real: int
    """So many rows are there."""
    supposed: tuple[int, ...]
    """Of each supposed machine, the row that it is like."""


def extended(columns: Columns) -> Grounded:
    """With an empty machine like the first open one of each make in each rack."""
    like = tuple(_makes(columns))
    at = np.array(like, dtype=np.int64)
    longer: dict[str, Any] = {name: _appended(getattr(columns, name), at) for name in BY_NODE}
    real = len(columns.ids)
    longer["load"][real:] = 0
    longer["healthy"][real:] = columns.exists[at]
    longer["free"][real:] = columns.exists[at]
    longer["milli"][real:] = columns.exists[at] * WHOLE
    longer["sharer"][real:] = NOBODY
    present = np.concatenate([columns.present, np.zeros((len(columns.present), len(at)), dtype=np.bool_)], axis=1)
    ids = (*columns.ids, *(NodeId(f"{columns.ids[row]}+") for row in like))
    rows = {name: row for row, name in enumerate(ids)}
    return Grounded(replace(columns, ids=ids, rows=rows, present=present, **longer), real, like)


def _makes(columns: Columns) -> Iterator[int]:
    """Of each rack and first model, the first open node."""
    untainted = np.array([not taints for taints in columns.taints] or [True], dtype=np.bool_)[columns.taint]
    usable = columns.fit & ~columns.cordoned & untainted & columns.exists.any(axis=1) & (columns.rack >= 0)
    met = set[tuple[int, int]]()
    for row in np.flatnonzero(usable).tolist():
        make = (int(columns.rack[row]), int(columns.model[row, int(columns.exists[row].argmax())]))
        if make not in met:
            met.add(make)
            yield row


def _appended(column: Ints | Flags, at: Ints) -> Ints | Flags:
    found: Ints | Flags = np.concatenate([column, column[at]])
    return found


@dataclass(frozen=True, slots=True)
class Seat:
    """A replica that runs."""

    workload: Workload
    binding: Binding


def _has_whole_ones(workload: Workload) -> bool:
    return bool(workload.contract.accelerators_per_replica) and workload.contract.share is None


def seats(snapshot: Snapshot, columns: Columns, rows: Flags) -> tuple[Seat, ...]:
    """Everything with whole accelerators that runs on these rows; a shared one is neither theirs nor free."""
    found = ((w, b) for w in snapshot.workloads() if _has_whole_ones(w) for b in w.bindings)
    return tuple(Seat(w, b) for w, b in found if b.node in columns.rows and rows[columns.rows[b.node]])


def emptied(columns: Columns, leaving: Iterable[Seat]) -> Columns:
    """The columns without these replicas, and as if nobody minded the neighbours that are left."""
    free, load = columns.free.copy(), columns.load.copy()
    for seat in leaving:
        row = columns.rows[seat.binding.node]
        free[row] |= np.isin(columns.index[row], seat.binding.accelerators) & columns.healthy[row]
        load[row] -= seat.workload.watts_per_accelerator * len(seat.binding.accelerators)
    bare = replace(columns, free=free, load=load, present=np.zeros_like(columns.present))
    drawn = columns.rack_drawn.copy()
    placed = columns.rack >= 0
    np.add.at(drawn, columns.rack[placed], (bare.draw - columns.draw)[placed])
    return replace(bare, rack_drawn=drawn)


def waiting(snapshot: Snapshot) -> dict[WorkloadId, tuple[int, ...]]:
    """The replicas of whole accelerators that have no node."""
    found = dict[WorkloadId, tuple[int, ...]]()
    for workload in snapshot.workloads():
        bound = {b.replica for b in workload.bindings}
        if _has_whole_ones(workload) and len(bound) < workload.replicas:
            found[workload.id] = tuple(r for r in range(workload.replicas) if r not in bound)
    return found
