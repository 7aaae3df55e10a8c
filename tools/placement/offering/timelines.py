"""When there will be room: the estate at a later time, as far as anybody said what ends. Pure.

Called by `offers`. What is known to end is what says so itself: work by its deadline, or at the end of a reservation
that it yields at, and reservations. Nothing else is supposed to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from estate import reserving
from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from estate.uses.reservations import WORD, Meanwhile, Reservation

_NOBODY = WorkloadId("nobody")
_MOST_MOMENTS = 24


@dataclass(frozen=True, slots=True)
class Moment:
    """A time at which something ends, and what, in words."""

    at: datetime
    ends: tuple[str, ...]


def moments(snapshot: Snapshot, after: datetime) -> Iterator[Moment]:
    """The next two dozen times later than `after` at which something is known to end."""
    ends: dict[datetime, list[str]] = {}
    for reserved in reserving.every(snapshot):
        ends.setdefault(reserved.terms.end, []).append(f"reservation `{reserved.id}` ends")
    for workload in snapshot.workloads():
        leaves = reserving.leaves_by(snapshot, workload) if workload.bindings else None
        if leaves is not None:
            ends.setdefault(leaves, []).append(f"`{workload.id}` says to be done")
    later = (at for at in sorted(ends) if at > after)
    return (Moment(at, tuple(ends[at])) for at in islice(later, _MOST_MOMENTS))


def during(snapshot: Snapshot, start: datetime, end: datetime | None, *, moved: bool = False) -> Snapshot:
    """The estate from `start` to `end` (None: for good): without what is gone by then, with what is reserved in it.

    What is reserved in that time is nobody's, not even its holder's: an overlap is no second claim. With `moved`, work
    that may be moved for others has been.
    """
    for workload in tuple(snapshot.workloads()):
        leaves = reserving.leaves_by(snapshot, workload) if workload.bindings else None
        gone = (leaves is not None and leaves <= start) or (moved and workload.contract.preemptible)
        if workload.bindings and gone:
            snapshot = snapshot.with_workload(workload.without(workload.bindings))
    stock = snapshot.stock
    for reserved in _all(snapshot):
        met = reserved.terms.meets(start, end)
        stock = stock.with_(_claimed(reserved)) if met else stock.without(reserved.ref)
    return snapshot.with_stock(stock)


def _all(snapshot: Snapshot) -> Iterable[Reservation]:
    return tuple(r for r in snapshot.stock.all(WORD) if isinstance(r, Reservation))


def _claimed(reserved: Reservation) -> Reservation:
    return reserved.model_copy(update={"workload": _NOBODY, "meanwhile": Meanwhile.NOBODY})
