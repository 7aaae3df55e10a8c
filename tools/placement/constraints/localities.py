"""Parts of a node: accelerators, processors, memory and rails near to each other. Aggregate fits are not fits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass, Locality, Workload
from tools.placement.columns import Flags, Ints, counted
from tools.placement.constraints.devices import largest_domain, suitable
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Refused, Rule, Words, chosen
from tools.placement.insides import Parts
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

REACH = Reach.NODE


def concerns(_snapshot: Snapshot, workload: Workload) -> bool:
    """Whether any of this could refuse a node to the workload."""
    return workload.contract.locality is not None or bool(workload.contract.rails)


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where no part of the node has all of it, or not the rails as well."""
    contract = wish.workload.contract
    if contract.locality is None and not contract.rails:
        return {}
    usable = room.devices & suitable(wish, without).all
    enough = counted(usable) >= wish.needed
    near, railed = _open(wish, room, usable, np.flatnonzero(enough), without)
    found: Masks = {}
    if contract.locality is not None:
        found[Constraint.LOCALITY] = enough & ~near.any(axis=1)
    if contract.rails:
        found[Constraint.RAILS] = enough & near.any(axis=1) & ~(near & railed).any(axis=1)
    return found


def within(wish: Wish, without: Constraint | None) -> Locality | None:
    """The parts that count: the node as a whole where the search does without them."""
    return None if without is Constraint.LOCALITY else wish.workload.contract.locality


def groups(wish: Wish, room: Room, row: int, usable: Ints, without: Constraint | None) -> list[Ints]:
    """Of the usable slots of a node those of each part that has all of it, the tightest first."""
    contract = wish.workload.contract
    if within(wish, without) is None:
        return [usable]
    flags = np.zeros(wish.columns.exists.shape[1], dtype=np.bool_)
    flags[usable] = True
    parts = wish.columns.inside(wish.snapshot, contract.locality, (row,)).part[row]
    every = np.zeros(wish.columns.exists.shape, dtype=np.bool_)
    every[row] = flags
    near, railed = _open(wish, room, every, np.array([row]), without)
    open_ = near[row] if without is Constraint.RAILS else near[row] & railed[row]
    found = [usable[parts[usable] == p] for p in np.flatnonzero(open_)]
    return sorted(found, key=len)


def _open(wish: Wish, room: Room, usable: Flags, rows: Ints, without: Constraint | None) -> tuple[Flags, Flags]:
    """Nodes × parts: those with devices, processors and memory for one more, and those with the rails."""
    contract, c = wish.workload.contract, wish.columns
    parts = _booked(room, c.inside(wish.snapshot, within(wish, without), rows.tolist()))
    joined = contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and wish.needed > 1
    near = np.zeros(parts.cpu.shape, dtype=np.bool_)
    for p in range(near.shape[1]):
        here = usable & (parts.part == p)
        near[:, p] = (largest_domain(c, here) if joined else counted(here)) >= wish.needed
    if within(wish, without) is None:
        near[:, 0] = True
    near &= (parts.cpu >= contract.millicores) & (parts.memory >= contract.host_mebibytes)
    return near, parts.rails(contract.rail_speed) >= contract.rails


def _booked(room: Room, parts: Parts) -> Parts:
    """The parts with what this search has lifted and seated."""
    if not room.seats:
        return parts
    found = parts.copy()
    for seat in room.seats:
        found.book(seat)
    return found


def _locality_words(by: Refused) -> Words:
    contract = by.wish.workload.contract
    assert contract.locality is not None
    parts = by.wish.columns.inside(by.wish.snapshot, contract.locality, np.flatnonzero(by.refused).tolist())
    usable = by.room.devices & suitable(by.wish, None).all
    counts = np.stack([counted(usable & (parts.part == p)) for p in range(parts.cpu.shape[1])], axis=1)
    most = int(counts[by.refused].max(initial=0))
    beside = _beside(contract.millicores, contract.host_mebibytes)
    needed = f"{by.wish.needed} accelerators{beside} in one {contract.locality.value}"
    short = f"at most {most} free in one" if most < by.wish.needed else f"too little{beside or ' left'} in the same one"
    return needed, short, "accept accelerators of several parts of a node"


def _beside(millicores: int, mebibytes: int) -> str:
    asked = [f"{millicores} millicores"] if millicores else []
    asked += [f"{mebibytes} MiB"] if mebibytes else []
    return f" with {' and '.join(asked)}" if asked else ""


def _rail_words(by: Refused) -> Words:
    contract = by.wish.workload.contract
    rows = np.flatnonzero(by.refused)
    parts = _booked(by.room, by.wish.columns.inside(by.wish.snapshot, contract.locality, rows.tolist()))
    most = int(parts.rails(contract.rail_speed)[rows].max(initial=0))
    spare = f" with {contract.rail_speed} Mbit/s to spare" if contract.rail_speed else ""
    near = f" in one {contract.locality.value}" if contract.locality else ""
    return f"{contract.rails} rails{spare}{near}", f"at most {most}", "free or repair rails, or ask for fewer"


def most_rails(wish: Wish, rows: Iterable[int]) -> int:
    """How many rails each replica could have there at most."""
    found = sorted({*rows})
    contract = wish.workload.contract
    parts = _booked(Room(wish), wish.columns.inside(wish.snapshot, contract.locality, found))
    return min(int(parts.rails(contract.rail_speed)[row].max(initial=0)) for row in found)


RULES = (
    Rule(
        Constraint.RAILS,
        _rail_words,
        lambda w, a: f"accept {min(most_rails(w, a.rows), w.workload.contract.rails - 1)} rails on {chosen(w, a)}",
        "network ports of its own near its accelerators",
    ),
    Rule(
        Constraint.LOCALITY,
        _locality_words,
        lambda w, a: f"accept accelerators of several parts of {chosen(w, a)}",
        "accelerators, processors and memory that are near to each other",
    ),
)
