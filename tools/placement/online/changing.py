"""What changes in a pool and its guard: a node as it is now, and what a question supposes of it. Compiled.

Called by `frames`, `supposing` and `questions`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tools.placement.columns import NOBODY
from tools.placement.online.valuing import ENOUGH
from tools.placement.packing.demands import WHOLE
from tools.placement.packing.pools import join, leave


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
            if not shared:
                found[at] += free == WHOLE
            elif free >= milli and whose in (NOBODY, payer):
                found[at] += free // milli
    return found
