"""Which devices of a node one replica takes. Called by `searching`, and by quotas that count them by model."""

from __future__ import annotations

import numpy as np

from estate.workloads import BandwidthClass
from tools.placement.columns import Flags, Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.localities import groups
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def devices(wish: Wish, room: Room, row: int, without: Constraint | None) -> Ints:
    """The slots to take: in the tightest part of the node that has all of it, where the contract names one.

    Raises:
        IndexError: no part has all of it.
    """
    usable = np.flatnonzero(room.devices[row] & suitable(wish, without).all[row])
    parts = groups(wish, room, row, usable, without)
    first = sorted(parts, key=lambda part: -min(int(_own(wish, room, row, part).sum()), wish.needed))[0]
    return _shared(wish, room, row, first) if wish.shared else _whole(wish, room, row, first)


def _own(wish: Wish, room: Room, row: int, slots: Ints) -> Flags:
    """Which of these are reserved for it and could be taken as things are."""
    if wish.own is None:
        return np.zeros(len(slots), dtype=np.bool_)
    found: Flags = wish.own[row, slots] & room.open[row, slots]
    return found


def _shared(wish: Wish, room: Room, row: int, usable: Ints) -> Ints:
    """The device with the least to spare; one that is open before one that is not, and of those its own before all."""
    spare, own = room.milli[row, usable], _own(wish, room, row, usable)
    order = np.lexsort((wish.columns.index[row, usable], spare, ~own, ~room.open[row, usable]))
    return usable[order][:1].astype(np.int64)


def _whole(wish: Wish, room: Room, row: int, usable: Ints) -> Ints:
    """From the tightest NVLink domain that holds them all, else wherever they may be.

    What is reserved for it comes first, and with it the domain that has most of that; several domains where only they
    have all of it, and need not be one. Before that free ones: only a search without the constraint on free devices
    sees others.
    """
    c, needed = wish.columns, wish.needed
    domains, free, own = c.domain[row, usable], room.free[row, usable], _own(wish, room, row, usable)
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN
    least = 0 if joined else min(int(own.sum()), needed)
    fitting = [
        (-min(int(free[here].sum()), needed), -int(own[here].sum()), int(here.sum()), int(d))
        for d in np.unique(domains[domains >= 0])
        if (here := domains == d).sum() >= needed and own[here].sum() >= least
    ]
    if fitting:
        here = domains == min(fitting)[3]
        usable, free, own = usable[here], free[here], own[here]
    order = np.lexsort((c.index[row, usable], ~own, ~free))
    return usable[order][:needed].astype(np.int64)
