"""What moves with every replica, asked of one node when its turn comes; and the devices to take there. Compiled.

Called by `finding`. What endures is in the kinds of the pool.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.placement.columns import NOBODY
from tools.placement.packing.pools import NONE


class Guard(NamedTuple):
    """What a node is asked, by node unless something else is said."""

    barred: NDArray[np.bool_]
    """Not to be used in this question."""
    rack: NDArray[np.int64]
    idle: NDArray[np.int64]
    load: NDArray[np.int64]
    cap: NDArray[np.int64]
    domain: NDArray[np.int64]
    """Node × device: its NVLink domain, or -1."""
    called: NDArray[np.int64]
    """Node × device: its index."""
    sharer: NDArray[np.int64]
    """Node × device: whose it is where it is shared, or `NOBODY`; see `columns`."""
    drawn: NDArray[np.int64]
    """By rack, as the budget."""
    budget: NDArray[np.int64]
    present: NDArray[np.bool_]
    """Tenant × node."""
    crowd: NDArray[np.int64]
    """Tenant × rack: on how many of its nodes it has work."""
    cluster: NDArray[np.int64]
    """By kind."""
    taken: NDArray[np.int64]
    """The slots of the devices that were chosen, as many as are needed."""
    stack: NDArray[np.int32]
    """Scratch, as long as the fleet and one more."""


class Asked(NamedTuple):
    """A class, and what its replicas take, draw and keep away from."""

    number: int
    cluster: int
    watts: int
    joined: bool
    """All devices in one NVLink domain."""
    shared: bool
    """Each takes a share of one device,"""
    payer: int
    """for this tenant."""
    slots: NDArray[np.int64]
    """By kind, the devices that it accepts, as bits."""
    near: NDArray[np.int64]
    """The tenants that it keeps off its node,"""
    far: NDArray[np.int64]
    """and those that it keeps off its rack."""
    lead: NDArray[np.int64]
    """By kind, what counts before points, more is better; less than none where it may not be used."""


@njit(cache=True)
def _powered(guard, asked, node):
    rack = guard.rack[node]
    if rack < 0 or not len(guard.budget):
        return True
    before = min(guard.idle[node] + guard.load[node], guard.cap[node])
    after = min(guard.idle[node] + guard.load[node] + asked.watts, guard.cap[node])
    return guard.drawn[rack] + after - before <= guard.budget[rack]


@njit(cache=True)
def _apart(guard, asked, node):
    rack = guard.rack[node]
    for tenant in asked.near:
        if guard.present[tenant, node]:
            return False
    for tenant in asked.far:
        if guard.present[tenant, node] or (rack >= 0 and guard.crowd[tenant, rack] > 0):
            return False
    return True


@njit(cache=True)
def usable(pool, guard, asked, milli, node, slot):
    if not (asked.slots[pool.kind[node]] >> slot) & 1 or pool.free[node, slot] < milli:
        return False
    return not asked.shared or guard.sharer[node, slot] == NOBODY or guard.sharer[node, slot] == asked.payer


@njit(cache=True)
def _equipped(pool, guard, asked, needed, milli, node):
    """Whether it has as many devices that the class accepts, where that matters in one domain."""
    count = 0
    for slot in range(pool.free.shape[1]):
        if usable(pool, guard, asked, milli, node, slot):
            count += 1
    if count < needed:
        return False
    if not asked.joined or needed < 2:
        return True
    return tightest(pool, guard, asked, needed, milli, node) >= 0


@njit(cache=True)
def tightest(pool, guard, asked, needed, milli, node):
    """The NVLink domain with the fewest usable devices that has as many as are needed; or none."""
    best, fewest = NONE, pool.free.shape[1] + 1
    for slot in range(pool.free.shape[1]):
        domain = guard.domain[node, slot]
        if domain < 0:
            continue
        count = 0
        for other in range(pool.free.shape[1]):
            if guard.domain[node, other] == domain and usable(pool, guard, asked, milli, node, other):
                count += 1
        if count >= needed and count > 0 and (count < fewest or (count == fewest and domain < best)):
            best, fewest = domain, count
    return best


@njit(cache=True)
def admits(pool, guard, demand, asked, node):
    if guard.barred[node] or not _powered(guard, asked, node) or not _apart(guard, asked, node):
        return False
    return _equipped(pool, guard, asked, demand.devices[asked.number], demand.milli[asked.number], node)


@njit(cache=True)
def take(pool, guard, demand, asked, node):
    """The devices to take of a node: in the tightest NVLink domain that has as many, else wherever; by their index."""
    needed, milli = demand.devices[asked.number], demand.milli[asked.number]
    if asked.shared:
        guard.taken[0] = _least(pool, guard, asked, milli, node)
        return
    domain = tightest(pool, guard, asked, needed, milli, node) if needed else NONE
    last = np.int64(-2)
    for place in range(needed):
        chosen = NONE
        for slot in range(pool.free.shape[1]):
            index = guard.called[node, slot]
            if not usable(pool, guard, asked, milli, node, slot) or index <= last:
                continue
            inside = domain < 0 or guard.domain[node, slot] == domain
            if inside and (chosen < 0 or index < guard.called[node, chosen]):
                chosen = slot
        guard.taken[place], last = chosen, guard.called[node, chosen]


@njit(cache=True)
def _least(pool, guard, asked, milli, node):
    """The device with the least to spare, and of equals the first by index."""
    chosen = NONE
    for slot in range(pool.free.shape[1]):
        if not usable(pool, guard, asked, milli, node, slot):
            continue
        free, best = pool.free[node, slot], pool.free[node, chosen]
        if chosen < 0 or free < best or (free == best and guard.called[node, slot] < guard.called[node, chosen]):
            chosen = slot
    return chosen
