"""The best node for a class, compiled: by points, and of equals the first that nothing refuses. Called by `questions`.

What endures is in the kinds of the pool. What moves with every replica is asked of a node when its turn comes, and the
node passed over where it refuses: devices that the class accepts, one NVLink domain, the rack's power, other tenants.
What somebody else has worked out is in `Guard.barred` and `Asked.lead`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.placement.columns import NOBODY
from tools.placement.online.valuing import ENOUGH
from tools.placement.packing.deciding import fits, weigh
from tools.placement.packing.demands import WHOLE
from tools.placement.packing.pools import HIGH, NONE, join, leave


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
    shut: NDArray[np.bool_]
    """Node × device: kept for others in this question."""
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
def _usable(pool, guard, asked, milli, node, slot):
    if not (asked.slots[pool.kind[node]] >> slot) & 1 or pool.free[node, slot] < milli:
        return False
    if guard.shut[node, slot]:
        return False
    return not asked.shared or guard.sharer[node, slot] == NOBODY or guard.sharer[node, slot] == asked.payer


@njit(cache=True)
def _equipped(pool, guard, asked, needed, milli, node):
    """Whether it has as many devices that the class accepts, where that matters in one domain."""
    count = 0
    for slot in range(pool.free.shape[1]):
        if _usable(pool, guard, asked, milli, node, slot):
            count += 1
    if count < needed:
        return False
    if not asked.joined or needed < 2:
        return True
    return _tightest(pool, guard, asked, needed, milli, node) >= 0


@njit(cache=True)
def _tightest(pool, guard, asked, needed, milli, node):
    """The NVLink domain with the fewest usable devices that has as many as are needed; or none."""
    best, fewest = NONE, pool.free.shape[1] + 1
    for slot in range(pool.free.shape[1]):
        domain = guard.domain[node, slot]
        if domain < 0:
            continue
        count = 0
        for other in range(pool.free.shape[1]):
            if guard.domain[node, other] == domain and _usable(pool, guard, asked, milli, node, other):
                count += 1
        if count >= needed and count > 0 and (count < fewest or (count == fewest and domain < best)):
            best, fewest = domain, count
    return best


@njit(cache=True)
def _open(pool, guard, demand, asked, node):
    if guard.barred[node] or not _powered(guard, asked, node) or not _apart(guard, asked, node):
        return False
    return _equipped(pool, guard, asked, demand.devices[asked.number], demand.milli[asked.number], node)


@njit(cache=True, inline="always")
def _points(pool, weights, demand, asked, state):
    """The points of a state for the class, remembered; less than none where it does not fit, or is elsewhere."""
    number, scores = asked.number, pool.score[asked.number]
    if scores[state] >> 8 != pool.born[state]:
        point = np.int64(-1)
        if fits(pool, demand, number, state):
            point = weigh(pool, weights, demand, number, state)[0]
        scores[state] = pool.born[state] << 8 | (point + 1)
    return (scores[state] & 255) - 1


@njit(cache=True, inline="always")
def _worth(pool, weights, demand, asked, state):
    """What counts before points, then points; less than none where it may not be used."""
    lead = asked.lead[pool.of_kind[state]]
    if lead < 0:
        return np.int64(-1)
    point = _points(pool, weights, demand, asked, state)
    return point if point < 0 else lead << 8 | point


@njit(cache=True, nogil=True)
def find(pool, guard, weights, demand, asked, rows):
    """The best node in the cluster (of these rows, where there are some), or none; and devices, in `guard.taken`."""
    node = (
        _among(pool, guard, weights, demand, asked, rows) if len(rows) else _best(pool, guard, weights, demand, asked)
    )
    if node >= 0:
        _take(pool, guard, demand, asked, node)
    return node


@njit(cache=True)
def _best(pool, guard, weights, demand, asked):
    best, node = np.int64(-1), np.int32(NONE)
    first = pool.first
    for state in range(pool.marks[HIGH]):
        if first[state] < 0 or guard.cluster[pool.of_kind[state]] != asked.cluster:
            continue
        point = _worth(pool, weights, demand, asked, state)
        if point > best or (point == best and best >= 0 and first[state] < node):
            best, node = point, first[state]
    if node < 0 or _open(pool, guard, demand, asked, node):
        return node
    return _next(pool, guard, weights, demand, asked, best)


@njit(cache=True)
def _next(pool, guard, weights, demand, asked, level):
    """The same where the first of the best is refused: down from this level of worth."""
    while level >= 0:
        found, lower = np.int32(NONE), np.int64(-1)
        for state in range(pool.marks[HIGH]):
            if pool.first[state] < 0 or guard.cluster[pool.of_kind[state]] != asked.cluster:
                continue
            point = _worth(pool, weights, demand, asked, state)
            if point == level:
                found = _first_open(pool, guard, demand, asked, state, found)
            elif lower < point < level:
                lower = point
        if found >= 0:
            return found
        level = lower
    return np.int32(NONE)


@njit(cache=True)
def _first_open(pool, guard, demand, asked, state, found):
    """The first node of a state that is open, if it comes before the one that was found."""
    guard.stack[0], size = pool.first[state], 1
    while size:
        size -= 1
        node = guard.stack[size]
        if found >= 0 and node > found:  # as is everything below it in the heap
            continue
        if _open(pool, guard, demand, asked, node):
            found = node
            continue
        for child in (pool.left[node], pool.right[node]):
            if child >= 0:
                guard.stack[size] = child
                size += 1
    return found


@njit(cache=True)
def _among(pool, guard, weights, demand, asked, rows):
    """The best of these nodes, which are in order; or none."""
    best, found = np.int64(-1), np.int32(NONE)
    for node in rows:
        if guard.cluster[pool.kind[node]] != asked.cluster:
            continue
        point = _worth(pool, weights, demand, asked, np.int64(pool.state[node]))
        if point > best and _open(pool, guard, demand, asked, node):
            best, found = point, np.int32(node)
    return found


@njit(cache=True, nogil=True)
def likely(pool, guard, weights, demand, asked, rows, first, found):
    """Nodes that may be the best if `first` is not: it, then others, better ones mostly earlier; how many."""
    found[0], count = first, 1
    for node in rows:
        worth = _worth(pool, weights, demand, asked, np.int64(pool.state[node]))
        if count < len(found) and node != first and worth >= 0 and _open(pool, guard, demand, asked, node):
            found[count] = node
            count += 1
    level = np.int64(-1) if len(rows) else _worth(pool, weights, demand, asked, np.int64(pool.state[first]))
    while level >= 0 and count < len(found):
        lower = np.int64(-1)
        for state in range(pool.marks[HIGH]):
            if pool.first[state] < 0 or guard.cluster[pool.of_kind[state]] != asked.cluster:
                continue
            worth = _worth(pool, weights, demand, asked, state)
            if worth == level:
                count = _gather(pool, guard, demand, asked, state, found, count)
            elif lower < worth < level:
                lower = worth
        level = lower
    return count


@njit(cache=True)
def _gather(pool, guard, demand, asked, state, found, count):
    """Open nodes of a state, as many as there is room for; the first of `found` is there already."""
    guard.stack[0], size = pool.first[state], 1
    while size and count < len(found):
        size -= 1
        node = guard.stack[size]
        if node != found[0] and _open(pool, guard, demand, asked, node):
            found[count] = node
            count += 1
        for child in (pool.right[node], pool.left[node]):
            if child >= 0:
                guard.stack[size] = child
                size += 1
    return count


@njit(cache=True)
def _take(pool, guard, demand, asked, node):
    """The devices to take of a node: in the tightest NVLink domain that has as many, else wherever; by their index."""
    needed, milli = demand.devices[asked.number], demand.milli[asked.number]
    if asked.shared:
        guard.taken[0] = _least(pool, guard, asked, milli, node)
        return
    domain = _tightest(pool, guard, asked, needed, milli, node) if needed else NONE
    last = np.int64(-2)
    for place in range(needed):
        chosen = NONE
        for slot in range(pool.free.shape[1]):
            index = guard.called[node, slot]
            if not _usable(pool, guard, asked, milli, node, slot) or index <= last:
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
        if not _usable(pool, guard, asked, milli, node, slot):
            continue
        free, best = pool.free[node, slot], pool.free[node, chosen]
        if chosen < 0 or free < best or (free == best and guard.called[node, slot] < guard.called[node, chosen]):
            chosen = slot
    return chosen


@njit(cache=True)
def write(pool, guard, node, kind, sizes, free, sharer, present):
    """All that moves of a node, as it is now; `sizes`: CPU, memory, idle, load, cap. Of one state, it stays in it."""
    guard.idle[node], guard.load[node], guard.cap[node] = sizes[2], sizes[3], sizes[4]
    same = pool.kind[node] == kind and pool.cpu[node] == sizes[0] and pool.memory[node] == sizes[1]
    for slot in range(len(free)):
        guard.sharer[node, slot] = sharer[slot]
        same &= pool.free[node, slot] == free[slot]
    if not same:
        leave(pool, node)
        pool.kind[node], pool.cpu[node], pool.memory[node] = kind, sizes[0], sizes[1]
        for slot in range(len(free)):
            pool.free[node, slot] = free[slot]
        join(pool, node)
    rack = guard.rack[node]
    for tenant in range(len(present)):
        if present[tenant] != guard.present[tenant, node]:
            if rack >= 0:
                guard.crowd[tenant, rack] += 1 if present[tenant] else -1
            guard.present[tenant, node] = present[tenant]


@njit(cache=True)
def shift(pool, guard, node, slots, milli, cpu, memory, watts):
    """Free these devices of a node (or take them, if negative) with CPU and memory, and add to its load."""
    leave(pool, node)
    pool.cpu[node] += cpu if pool.cpu[node] < ENOUGH else 0
    pool.memory[node] += memory if pool.memory[node] < ENOUGH else 0
    for slot in slots:
        pool.free[node, slot] += milli
    join(pool, node)
    before = min(guard.idle[node] + guard.load[node], guard.cap[node])
    guard.load[node] += watts
    after = min(guard.idle[node] + guard.load[node], guard.cap[node])
    if guard.rack[node] >= 0:
        guard.drawn[guard.rack[node]] += after - before


@njit(cache=True, nogil=True)
def spare(pool, guard, milli, payer, shared, rows):
    """How many devices each of these nodes has wholly free, or how many shares of that size it has to give."""
    found = np.zeros(len(rows), dtype=np.int64)
    for at in range(len(rows)):
        node = rows[at]
        for slot in range(pool.free.shape[1]):
            free, whose = pool.free[node, slot], guard.sharer[node, slot]
            if guard.shut[node, slot]:
                continue
            if not shared:
                found[at] += free == WHOLE
            elif free >= milli and whose in (NOBODY, payer):
                found[at] += free // milli
    return found
