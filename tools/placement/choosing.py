"""Which devices of a node one replica takes. Called by `searching`, and by quotas that count them by model."""

from __future__ import annotations

import numpy as np

from tools.placement.columns import Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.localities import groups
from tools.placement.wishes import Room, Wish


def devices(wish: Wish, room: Room, row: int, without: Constraint | None) -> Ints:
    """The slots to take: in the tightest part of the node that has all of it, where the contract names one."""
    usable = np.flatnonzero(room.devices[row] & suitable(wish, without).all[row])
    first = groups(wish, room, row, usable, without)[0]
    return _shared(wish, room, row, first) if wish.shared else _whole(wish, room, row, first)


def _shared(wish: Wish, room: Room, row: int, usable: Ints) -> Ints:
    """The device with the least to spare; one that is open before one that is not."""
    order = np.lexsort((wish.columns.index[row, usable], room.milli[row, usable], ~room.open[row, usable]))
    return usable[order][:1].astype(np.int64)


def _whole(wish: Wish, room: Room, row: int, usable: Ints) -> Ints:
    """From the tightest NVLink domain that holds them all, else wherever they may be.

    Free ones first: only a search without the constraint on free devices sees others.
    """
    c, needed = wish.columns, wish.needed
    domains, free = c.domain[row, usable], room.free[row, usable]
    fitting = [
        (-min(int(free[domains == d].sum()), needed), int((domains == d).sum()), int(d))
        for d in np.unique(domains[domains >= 0])
        if (domains == d).sum() >= needed
    ]
    if fitting:
        chosen = min(fitting)[2]
        usable, free = usable[domains == chosen], free[domains == chosen]
    order = np.lexsort((c.index[row, usable], ~free))
    return usable[order][:needed].astype(np.int64)
