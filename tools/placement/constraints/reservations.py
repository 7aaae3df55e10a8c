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
from tools.placement.columns import Columns, Flags
from tools.placement.constraints.devices import largest_domain, suitable
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen
from tools.placement.constraints.tenancy import distance
from tools.placement.reserved import Kept, seats
from tools.placement.wishes import Room, Wish


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


def unfolded(wish: Wish, _room: Room, _without: Constraint | None) -> Masks:
    """What it refuses that nobody else does: who finds no device or watt left is refused for that as well."""
    kept = wish.kept
    return {} if kept is None else {Constraint.RESERVED: _near(wish, kept)}


def untold(found: Masks) -> Masks:
    """The masks of one moment, where what is reserved is not also said to be taken."""
    reserved = found.get(Constraint.RESERVED)
    if reserved is None:
        return found
    return {c: mask & ~reserved if c in {Constraint.FREE, Constraint.NVLINK} else mask for c, mask in found.items()}


def _lacks(wish: Wish, usable: Flags) -> Flags:
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and wish.needed > 1
    found: Flags = usable.sum(axis=1) < wish.needed
    return found | (largest_domain(wish.columns, usable) < wish.needed) if joined else found


def _near(wish: Wish, kept: Kept) -> Flags:
    c, tenants = wish.columns, wish.facts.tenant
    found = np.zeros(len(c.ids), dtype=np.bool_)
    mine = tenants.get(wish.workload.tenant)
    for reserved in kept.by:
        if mine is None or reserved.terms.tenant == mine.id:
            continue
        apart = distance(mine, tenants.get(reserved.terms.tenant))
        if apart is not Isolation.SHARED_NODE:
            found |= _beside(c, reserved, racks=apart is not Isolation.DEDICATED_NODE)
    return found


def _beside(columns: Columns, reserved: Reservation, *, racks: bool) -> Flags:
    there = np.zeros(len(columns.ids), dtype=np.bool_)
    there[[row for row, _ in seats(columns, (reserved.terms,))]] = True
    if not racks:
        return there
    return there | among(len(columns.names.racks), columns.rack[there & (columns.rack >= 0)])[columns.rack]


def keeping(wish: Wish, rows: Flags) -> tuple[Reservation, ...]:
    """The reservations that keep it off these nodes."""
    if wish.kept is None:
        return ()
    return tuple(r for r in wish.kept.by if (_beside(wish.columns, r, racks=_by_rack(wish, r)) & rows).any())


def _by_rack(wish: Wish, reserved: Reservation) -> bool:
    tenants, theirs = wish.facts.tenant, reserved.terms.tenant
    mine = tenants.get(wish.workload.tenant)
    near = (Isolation.SHARED_NODE, Isolation.DEDICATED_NODE)
    return mine is not None and mine.id != theirs and distance(mine, tenants.get(theirs)) not in near


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
