"""Reservations: devices that are kept for others, and neighbours whom their holders may not have."""

from __future__ import annotations

import numpy as np

from estate import reserving
from estate.law import Isolation
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation
from estate.verdicts import Dimension
from estate.workloads import BandwidthClass, Workload
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns, Flags, Ints, counted
from tools.placement.constraints.devices import largest_domain, suitable
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen
from tools.placement.constraints.tenancy import distance
from tools.placement.reserved import Kept, seats
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def concerns(snapshot: Snapshot, _workload: Workload) -> bool:
    """Whether anything is reserved: it takes devices and watts."""
    return next(reserving.every(snapshot), None) is not None


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where enough would be free but for what is kept for others, and where it would stand too near to it."""
    kept = wish.kept
    if kept is None or without is Constraint.RESERVED:
        return {}
    fit = suitable(wish, without).all
    left, without_any = room.devices & fit, (room.devices | (kept.devices & room.unreserved)) & fit
    found = _lacks(wish, left) & ~_lacks(wish, without_any)
    return {Constraint.RESERVED: found | _near(wish, kept)}


def untold(found: Masks) -> Masks:
    """The masks of one moment, where what is reserved is not also said to be taken."""
    reserved = found.get(Constraint.RESERVED)
    if reserved is None:
        return found
    return {c: mask & ~reserved if c in {Constraint.FREE, Constraint.NVLINK} else mask for c, mask in found.items()}


def _lacks(wish: Wish, usable: Flags) -> Flags:
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and wish.needed > 1
    found: Flags = counted(usable) < wish.needed
    return found | (largest_domain(wish.columns, usable) < wish.needed) if joined else found


def _near(wish: Wish, kept: Kept) -> Flags:
    """Where it would stand nearer to what is reserved than it may to who reserved it."""
    c, nodes, racks = wish.columns, list[int](), list[int]()
    for reserved in kept.by:
        apart = _apart(wish, reserved)
        if apart is not Isolation.SHARED_NODE:
            here = [row for row, _ in seats(c, (reserved.terms,))]
            nodes += here
            racks += here if apart is not Isolation.DEDICATED_NODE else ()
    found = np.zeros(len(c.ids), dtype=np.bool_)
    found[nodes] = True
    return found | _in_racks(c, np.array(racks, dtype=np.int64)) if racks else found


def _apart(wish: Wish, reserved: Reservation) -> Isolation:
    tenants, theirs = wish.facts.tenant, reserved.terms.tenant
    mine = tenants.get(wish.workload.tenant)
    return Isolation.SHARED_NODE if mine is None or mine.id == theirs else distance(mine, tenants.get(theirs))


def _in_racks(columns: Columns, rows: Ints) -> Flags:
    """The nodes in the racks of these."""
    found: Flags = among(len(columns.names.racks), columns.rack[rows][columns.rack[rows] >= 0])[columns.rack]
    return found


def _beside(wish: Wish, reserved: Reservation) -> Flags:
    """The nodes where it would be too near to that reservation, or on its devices."""
    c = wish.columns
    rows = np.array([row for row, _ in seats(c, (reserved.terms,))], dtype=np.int64)
    there = np.zeros(len(c.ids), dtype=np.bool_)
    there[rows] = True
    by_node = _apart(wish, reserved) in (Isolation.SHARED_NODE, Isolation.DEDICATED_NODE)
    return there if by_node else there | _in_racks(c, rows)


def keeping(wish: Wish, rows: Flags) -> tuple[Reservation, ...]:
    """The reservations that keep it off these nodes."""
    if wish.kept is None:
        return ()
    return tuple(r for r in wish.kept.by if (_beside(wish, r) & rows).any())


def released(wish: Wish, attempt: Attempt) -> Snapshot:
    """The estate once whatever keeps it off the nodes of that attempt has been given back."""
    rows = np.zeros(len(wish.columns.ids), dtype=np.bool_)
    rows[attempt.rows] = True
    stock = wish.snapshot.stock
    for reserved in keeping(wish, rows):
        stock = stock.without(reserved.ref)
    return wish.snapshot.with_stock(stock)


def _words(by: Refused) -> Words:
    held = keeping(by.wish, by.refused)
    names = ", ".join(f"{r.id} (to {r.terms.end:%FT%TZ})" for r in held[:3])
    found = f"reserved: {names}{f' and {len(held) - 3} more' if len(held) > 3 else ''}"
    return f"{by.wish.needed} accelerators that nobody reserved", found, "wait until it ends, or have it released"


def _relaxed(wish: Wish, attempt: Attempt) -> str:
    rows = np.zeros(len(wish.columns.ids), dtype=np.bool_)
    rows[attempt.rows] = True
    names = ", ".join(f"`{r.id}`" for r in keeping(wish, rows))
    return f"release reservation {names}; {chosen(wish, attempt)} would do"


RULES = (
    Rule(
        Constraint.RESERVED,
        _words,
        _relaxed,
        "accelerators that are not promised to somebody else",
        Dimension.CONTRACT,
    ),
)
