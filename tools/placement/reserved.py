"""What reservations keep, in columns: devices from whom they are not for, and for whom they are; watts from everybody.

Read once for each wish; `Room` takes what others have off what is left, `constraints.reservations` says so, and
`objectives` has the holder's work go to its own. Where nothing is reserved it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from estate import reserving
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation, Terms
from estate.workloads import Binding, Workload
from policies import supplies
from tools.placement.columns import Columns, Flags, Ints, Names


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept from a workload by reservations of others."""

    by: tuple[Reservation, ...]
    devices: Flags


@dataclass(frozen=True, slots=True)
class Claims:
    """Everything that is reserved, by whomever, as the gate counts its watts: those that nobody draws yet."""

    snapshot: Snapshot
    columns: Columns
    workload: Workload
    devices: Flags
    undrawn: Ints
    """Watts of each rack that its reserved devices may draw beyond what they do."""

    def touched(self, bindings: Iterable[Binding]) -> bool:
        """Whether any of these devices is reserved."""
        rows = self.columns.rows
        held = ((rows[b.node], b) for b in bindings if b.node in rows)
        return any(bool(self.devices[row][np.isin(self.columns.index[row], b.accelerators)].any()) for row, b in held)

    def once(self, bindings: Iterable[Binding]) -> Ints:
        """The same, were these all replicas of the workload."""
        estate = self._with(bindings)
        return undrawn(estate, self.columns, reserving.every(estate))

    def once_in(self, rack: int, bindings: Iterable[Binding]) -> int:
        """The same of one rack, by its number."""
        return supplies.undrawn(self._with(bindings), self.columns.names.racks[rack])

    def _with(self, bindings: Iterable[Binding]) -> Snapshot:
        return self.snapshot.with_workload(self.workload.model_copy(update={"bindings": tuple(bindings)}))


def claims(snapshot: Snapshot, columns: Columns, workload: Workload) -> Claims | None:
    """None where nothing is reserved at all."""
    every = tuple(reserving.every(snapshot))
    if not every:
        return None
    reserved = devices(columns, (r.terms for r in every))
    return Claims(snapshot, columns, workload, reserved, undrawn(snapshot, columns, every))


def kept(snapshot: Snapshot, columns: Columns, workload: Workload, at: datetime | None) -> Kept | None:
    """None where nothing is reserved for others."""
    others = [r for r in reserving.every(snapshot) if not reserving.held_by(r.terms, workload)]
    if not others:
        return None
    off = tuple(r for r in others if reserving.keeps_off(r.terms, workload, at))
    return Kept(off, devices(columns, (r.terms for r in off)))


def own(snapshot: Snapshot, columns: Columns, workload: Workload, at: datetime | None) -> Flags | None:
    """The devices that are reserved for it now; None where there are none."""
    found = [r.terms for r in reserving.every(snapshot) if reserving.in_force(r.terms, at)]
    mine = [terms for terms in found if reserving.held_by(terms, workload)]
    return devices(columns, mine) if mine else None


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


def spoken_for(snapshot: Snapshot, names: Names) -> Ints:
    """What each rack draws, and what is kept there for what is reserved, in watts."""
    kept = reserving.undrawn_watts(snapshot, reserving.every(snapshot))
    return np.array([snapshot.rack_watts(r) + kept.get(r, 0) for r in names.racks], dtype=np.int64)


def withheld(snapshot: Snapshot, columns: Columns, guests: Sequence[Workload]) -> Columns:
    """The columns without what is reserved, but for what all of these hold: for plans that seat several at once."""
    others = [r for r in reserving.every(snapshot) if not all(reserving.held_by(r.terms, g) for g in guests)]
    if not others:
        return columns
    free = columns.free & ~devices(columns, (r.terms for r in others))
    return replace(columns, free=free, rack_drawn=columns.rack_drawn + undrawn(snapshot, columns, others))
