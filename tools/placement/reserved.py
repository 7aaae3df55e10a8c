"""What reservations keep from one workload, in columns: devices, and watts that are not to be drawn.

Read once for each wish; `Room` takes it off what is left, `constraints.reservations` says so. Where nothing is reserved
it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from estate import reserving
from estate.ids import RackId
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation, Terms
from estate.workloads import Workload
from tools.placement.columns import Columns, Flags, Ints


@dataclass(frozen=True)
class Kept:
    """What is kept from a workload by reservations of others: arrays for who looks at all nodes, else places."""

    snapshot: Snapshot
    columns: Columns
    by: tuple[Reservation, ...]
    """Those that keep it off their devices,"""
    others: tuple[Reservation, ...]
    """among all whose watts are not for it."""

    @cached_property
    def devices(self) -> Flags:
        """The devices that it may not use."""
        return devices(self.columns, (r.terms for r in self.by))

    @property
    def seats(self) -> Iterator[tuple[int, Ints]]:
        """The same as rows, each with its slots."""
        return seats(self.columns, (r.terms for r in self.by))

    @cached_property
    def undrawn(self) -> Ints:
        """Watts of each rack that its reserved devices may draw beyond what they do."""
        return undrawn(self.snapshot, self.columns, self.others)

    @property
    def watts(self) -> dict[RackId, int]:
        """The same by name, of the racks where there are such."""
        return reserving.undrawn_watts(self.snapshot, self.others)


def kept(snapshot: Snapshot, columns: Columns, workload: Workload, at: datetime | None) -> Kept | None:
    """None where nothing is reserved for others."""
    others = tuple(r for r in reserving.every(snapshot) if not reserving.held_by(r.terms, workload))
    if not others:
        return None
    return Kept(snapshot, columns, tuple(r for r in others if reserving.keeps_off(r.terms, workload, at)), others)


def devices(columns: Columns, terms: Iterable[Terms]) -> Flags:
    """The devices that are theirs."""
    found = np.zeros(columns.exists.shape, dtype=np.bool_)
    for row, slots in seats(columns, terms):
        found[row, slots] = True
    return found


def seats(columns: Columns, terms: Iterable[Terms]) -> Iterator[tuple[int, Ints]]:
    """The rows on which they have devices, each with the slots of those."""
    for seat in (s for each in terms for s in each.seats):
        row = columns.rows.get(seat.node)
        if row is not None:
            there = zip(columns.index[row].tolist(), columns.exists[row].tolist(), strict=True)
            slots = [slot for slot, (index, exists) in enumerate(there) if exists and index in seat.accelerators]
            if slots:
                yield row, np.array(slots, dtype=np.int64)


def undrawn(snapshot: Snapshot, columns: Columns, among: Iterable[Reservation]) -> Ints:
    """In watts, by rack."""
    watts = reserving.undrawn_watts(snapshot, among)
    return np.array([watts.get(r, 0) for r in columns.names.racks], dtype=np.int64)


def withheld(snapshot: Snapshot, columns: Columns, guests: Sequence[Workload]) -> Columns:
    """The columns without what is reserved, but for what all of these hold: for plans that seat several at once."""
    others = [r for r in reserving.every(snapshot) if not all(reserving.held_by(r.terms, g) for g in guests)]
    if not others:
        return columns
    free = columns.free & ~devices(columns, (r.terms for r in others))
    return replace(columns, free=free, rack_drawn=columns.rack_drawn + undrawn(snapshot, columns, others))
