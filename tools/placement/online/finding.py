"""The best node for a class, compiled: by points, and of equals the first that nothing refuses. Called by `questions`.

What endures is in the kinds of the pool. What moves with every replica is asked of a node when its turn comes, and the
node passed over where it refuses: devices that the class accepts, one NVLink domain, the rack's power, other tenants.
What somebody else has worked out is in `Guard.barred` and `Asked.lead`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tools.placement.online.guards import admits, take
from tools.placement.packing.deciding import fits, weigh
from tools.placement.packing.pools import HIGH, NONE


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
        take(pool, guard, demand, asked, node)
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
    if node < 0 or admits(pool, guard, demand, asked, node):
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
        if admits(pool, guard, demand, asked, node):
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
        if point > best and admits(pool, guard, demand, asked, node):
            best, found = point, np.int32(node)
    return found


@njit(cache=True, nogil=True)
def likely(pool, guard, weights, demand, asked, rows, first, found):
    """Nodes that may be the best if `first` is not: it, then others, better ones mostly earlier; how many."""
    found[0], count = first, 1
    for node in rows:
        worth = _worth(pool, weights, demand, asked, np.int64(pool.state[node]))
        if count < len(found) and node != first and worth >= 0 and admits(pool, guard, demand, asked, node):
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
        if node != found[0] and admits(pool, guard, demand, asked, node):
            found[count] = node
            count += 1
        for child in (pool.right[node], pool.left[node]):
            if child >= 0:
                guard.stack[size] = child
                size += 1
    return count
