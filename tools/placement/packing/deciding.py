"""The decision: the best state that a class fits, its first node, and the devices there. Compiled; called by `engine`.

A score is a whole number, higher is better; equals go to the first node in order. Every rule but `RANDOM` is a score:

- `GRADIENT`: how much less of the devices becomes useless to what is expected (Weng et al., USENIX ATC 2023), less
  what the place is worth to others; through the paper's sigmoid, cut to whole points as its simulator does. All in
  whole numbers: `scoring` works out the same for many nodes at once, and the two may differ in nothing.
- `BEST`: least CPU and devices left, half and half, as the simulator's best fit.
- `FIRST`: all the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tools.placement.packing.pools import HIGH, NONE, change
from tools.placement.packing.steps import STEPS
from tools.placement.packing.weights import CERTAIN

FIRST, BEST, GRADIENT, RANDOM = 0, 1, 2, 3
_UNFIT = -1
_TRIES = 64
_WHOLE = 1000
_MOST_CPU, _MOST_MILLI = 128_000.0, 8_000.0
"""The largest node of the published comparison: what its best fit measures by."""


@njit(cache=True, inline="always")
def _useful(weights, kind, cpu, memory, levels):
    """The milli-GPU, expected over the classes, of devices on which the next one could run. `levels`: most first."""
    fit, free = 0, 0
    for level in levels:
        if level > 0:
            fit += 1
            free += level
    found = np.int64(0)
    for block in range(weights.block[kind], weights.block[kind + 1]):
        while fit > 0 and levels[fit - 1] < weights.milli[block]:
            fit -= 1
            free -= levels[fit]
        if fit == 0:
            break
        start, end = weights.start[block], weights.start[block + 1]
        cpus, memories = weights.cpu[start:end], weights.memory[start:end]
        devices, chances = weights.devices[start:end], weights.chance[start:end]
        chance = np.int32(0)
        for at in range(len(cpus)):
            if cpus[at] <= cpu and memories[at] <= memory and devices[at] <= fit:
                chance += chances[at]
        found += np.int64(chance) * free
    return found


@njit(cache=True)
def _measure(pool, weights, state):
    """What of a state is useful, remembered."""
    kind, cpu, memory = pool.of_kind[state], np.int32(pool.of_cpu[state]), np.int32(pool.of_memory[state])
    pool.useful[state] = _useful(weights, kind, cpu, memory, pool.of_free[state])


@njit(cache=True, inline="always")
def fits(pool, demand, number, state):
    """Whether a class fits a state."""
    if not demand.allowed[number, pool.of_kind[state]]:
        return False
    if demand.cpu[number] > max(pool.of_cpu[state], 0) or demand.memory[number] > max(pool.of_memory[state], 0):
        return False
    needed = demand.devices[number]
    return needed == 0 or (needed <= pool.of_free.shape[1] and pool.of_free[state, needed - 1] >= demand.milli[number])


@njit(cache=True, inline="always")
def _less(levels, at, milli):
    """Take from one level, and keep the order."""
    left = levels[at] - milli
    while at + 1 < len(levels) and levels[at + 1] > left:
        levels[at] = levels[at + 1]
        at += 1
    levels[at] = left


@njit(cache=True, inline="always")
def _point(gain):
    """How many steps a gain has reached."""
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        if STEPS[middle] <= gain:
            low = middle + 1
        else:
            high = middle
    return np.int64(low)


@njit(cache=True)
def weigh(pool, weights, demand, number, state):
    """The most points of a class for a state, and the place of the least free level to take. It fits."""
    if pool.useful[state] < 0:
        _measure(pool, weights, state)
    milli, needed, kind = demand.milli[number], demand.devices[number], pool.of_kind[state]
    cpu = np.int32(pool.of_cpu[state] - demand.cpu[number])
    memory = np.int32(pool.of_memory[state] - demand.memory[number])
    whole, shared = pool.of_free[state], needed == 1 and milli < _WHOLE
    before = pool.useful[state] + weights.price[number, kind] - needed * milli * CERTAIN
    levels, at = np.empty_like(whole), len(whole) - 1
    while needed > 0 and whole[at] < milli:
        at -= 1
    at = max(at - max(needed - 1, 0), 0)
    best, chosen = np.int64(_UNFIT), at
    while at >= 0:
        for place in range(len(whole)):
            levels[place] = whole[place]
        for place in range(at + needed - 1, at - 1, -1):
            _less(levels, place, milli)
        gain = _useful(weights, kind, cpu, memory, levels) - before
        if shared:
            gain -= weights.strain[weights.row[milli], whole[at]]
        point = _point(gain)
        if point > best:
            best, chosen = point, at
        if not shared:
            break
        level = whole[at]
        while at >= 0 and whole[at] == level:
            at -= 1
    return best, chosen


@njit(cache=True, inline="always")
def _score(pool, weights, demand, number, state, rule):
    if not fits(pool, demand, number, state):
        return np.int64(_UNFIT)
    if rule == GRADIENT:
        return weigh(pool, weights, demand, number, state)[0]
    if rule == BEST:
        cpu = (pool.of_cpu[state] - demand.cpu[number]) / _MOST_CPU
        left = (pool.of_free[state].sum() - demand.devices[number] * demand.milli[number]) / _MOST_MILLI
        return np.int64(max(1.0 - 0.5 * cpu - 0.5 * left, 0.0) * 100.0)
    return np.int64(0)


@njit(cache=True)
def choose(pool, weights, demand, number, rule):
    """The best node for a class, or none."""
    best, node = np.int64(_UNFIT), np.int32(NONE)
    scores, first, born = pool.score[number], pool.first, pool.born
    for state in range(pool.marks[HIGH]):
        if first[state] < 0:
            continue
        if scores[state] >> 8 != born[state]:
            scores[state] = born[state] << 8 | (_score(pool, weights, demand, number, state, rule) + 1)
        score = (scores[state] & 255) - 1
        if score > best or (score == best and best > _UNFIT and first[state] < node):
            best, node = score, first[state]
    return node


@njit(cache=True)
def choose_any(pool, demand, number, seed):
    """A node that a class fits, by the dice; the first, where so many throws found none; or none."""
    nodes, dice = len(pool.kind), np.uint64(seed)
    for _ in range(_TRIES):
        dice = dice * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        node = np.int64((dice >> np.uint64(33)) % np.uint64(nodes))
        if fits(pool, demand, number, pool.state[node]):
            return np.int32(node)
    for other in range(nodes):
        if fits(pool, demand, number, pool.state[other]):
            return np.int32(other)
    return np.int32(NONE)


@njit(cache=True)
def devices_of(pool, weights, demand, number, node, rule):
    """The devices of a node that a class should take: it fits."""
    milli, needed = demand.milli[number], demand.devices[number]
    taken = np.zeros(needed, dtype=np.int64)
    if needed == 0:
        return taken
    free, state = pool.free[node], np.int64(pool.state[node])
    lowest = milli
    if needed == 1 and milli < _WHOLE and rule == GRADIENT:
        lowest = pool.of_free[state, weigh(pool, weights, demand, number, state)[1]]
    for place in range(needed):
        least = _WHOLE + 1
        for device in range(len(free)):
            if lowest <= free[device] < least and not _among(taken[:place], device):
                least, taken[place] = free[device], device
    return taken


@njit(cache=True)
def _among(taken, device):
    for other in taken:
        if other == device:
            return True
    return False


@njit(cache=True)
def seat(pool, weights, demand, number, rule, seed):
    """Choose for a class and take what it needs there: the node (or none) and the devices."""
    node = choose_any(pool, demand, number, seed) if rule == RANDOM else choose(pool, weights, demand, number, rule)
    if node < 0:
        return node, np.zeros(0, dtype=np.int64)
    devices = devices_of(pool, weights, demand, number, node, rule)
    change(pool, node, -demand.cpu[number], -demand.memory[number], devices, -demand.milli[number])
    return node, devices


@njit(cache=True, nogil=True)
def play(pool, weights, demand, numbers, rule, seeds):
    """Seat these classes one after another: the node of each, or none."""
    nodes = np.full(len(numbers), NONE, dtype=np.int32)
    for at in range(len(numbers)):
        nodes[at], _ = seat(pool, weights, demand, numbers[at], rule, seeds[at])
    return nodes
