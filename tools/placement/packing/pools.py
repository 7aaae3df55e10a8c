"""What is free on every node, and the nodes that are alike, kept together.

Two nodes of one kind with the same CPU, memory and devices free are one *state*: a class is scored once for a state,
however many nodes are in it, and a decision looks at states alone. The nodes of a state lie in a heap (skew, with
parents, so that any may leave), so the first in order is at hand. Written by the kernels here only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = -1
HIGH, SPARE, BIRTHS = 0, 1, 2
"""Places in `Pool.marks`: states ever used, unused ones among them, and births of what is remembered."""


class Pool(NamedTuple):
    """Columns by node, then columns by state; see the module."""

    kind: NDArray[np.int32]
    cpu: NDArray[np.int64]
    memory: NDArray[np.int64]
    free: NDArray[np.int64]
    """Node × device, in milli-GPU."""
    state: NDArray[np.int32]
    above: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    first: NDArray[np.int32]
    """By state, as all that follow: its first node, or none if no node is in it."""
    of_kind: NDArray[np.int32]
    of_cpu: NDArray[np.int64]
    of_memory: NDArray[np.int64]
    of_free: NDArray[np.int64]
    """State × device, most free first."""
    useful: NDArray[np.int64]
    """Negative where it is not known."""
    after: NDArray[np.int32]
    """The next state of the same bucket."""
    buckets: NDArray[np.int32]
    spare: NDArray[np.int32]
    marks: NDArray[np.int64]
    born: NDArray[np.int64]
    """The birth since when what is remembered of a state holds."""
    score: NDArray[np.int64]
    """Class × state: the birth of the state when it was scored, then eight bits of the score; see `deciding`."""


@njit(cache=True)
def _bucket(pool, kind, cpu, memory, levels):
    h = np.uint64(kind) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ np.uint64(cpu)) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(29)) ^ np.uint64(memory)) * np.uint64(0x94D049BB133111EB)
    for level in levels:
        h = (h ^ (h >> np.uint64(31)) ^ np.uint64(level)) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((h ^ (h >> np.uint64(32))) % np.uint64(len(pool.buckets)))


@njit(cache=True)
def _meld(pool, a, b):
    """Two heaps as one; the smaller number on top."""
    if a < 0:
        return b
    if b < 0:
        return a
    if b < a:
        a, b = b, a
    top, at = a, a
    while True:
        a = pool.right[at]
        pool.right[at] = pool.left[at]
        if a < 0:
            pool.left[at] = b
            pool.above[b] = at
            return top
        if b < a:
            a, b = b, a
        pool.left[at] = a
        pool.above[a] = at
        at = a


@njit(cache=True)
def leave(pool, node):
    """Take a node out of its state; a state without nodes is given up."""
    state, up = pool.state[node], pool.above[node]
    rest = _meld(pool, pool.left[node], pool.right[node])
    if rest >= 0:
        pool.above[rest] = up
    if up < 0:
        pool.first[state] = rest
        if rest < 0:
            _give_up(pool, state)
    elif pool.left[up] == node:
        pool.left[up] = rest
    else:
        pool.right[up] = rest
    pool.left[node], pool.right[node], pool.above[node] = NONE, NONE, NONE


@njit(cache=True)
def _give_up(pool, state):
    bucket = _bucket(pool, pool.of_kind[state], pool.of_cpu[state], pool.of_memory[state], pool.of_free[state])
    at = pool.buckets[bucket]
    if at == state:
        pool.buckets[bucket] = pool.after[state]
    else:
        while pool.after[at] != state:
            at = pool.after[at]
        pool.after[at] = pool.after[state]
    pool.spare[pool.marks[SPARE]] = state
    pool.marks[SPARE] += 1


@njit(cache=True)
def _sorted(free):
    """Most free first. By insertion: a node has a handful, and numba takes seconds to compile a general sort."""
    levels = np.empty_like(free)
    for count in range(len(free)):
        at = count
        while at > 0 and levels[at - 1] < free[count]:
            levels[at] = levels[at - 1]
            at -= 1
        levels[at] = free[count]
    return levels


@njit(cache=True)
def _same(one, other):
    for at in range(len(one)):
        if one[at] != other[at]:
            return False
    return True


@njit(cache=True)
def join(pool, node):
    """Put a node, which is in no state, into the state of what it has free."""
    levels = _sorted(pool.free[node])
    kind, cpu, memory = pool.kind[node], pool.cpu[node], pool.memory[node]
    bucket = _bucket(pool, kind, cpu, memory, levels)
    at = pool.buckets[bucket]
    while at >= 0:
        alike = pool.of_cpu[at] == cpu and pool.of_memory[at] == memory and pool.of_kind[at] == kind
        if alike and _same(pool.of_free[at], levels):
            break
        at = pool.after[at]
    if at < 0:
        at = _new(pool, bucket)
        pool.of_kind[at], pool.of_cpu[at], pool.of_memory[at] = kind, cpu, memory
        for place in range(len(levels)):
            pool.of_free[at, place] = levels[place]
    pool.first[at] = _meld(pool, pool.first[at], node)
    pool.above[pool.first[at]] = NONE
    pool.state[node] = at


@njit(cache=True)
def _new(pool, bucket):
    if pool.marks[SPARE]:
        pool.marks[SPARE] -= 1
        at = pool.spare[pool.marks[SPARE]]
    else:
        at = np.int32(pool.marks[HIGH])
        pool.marks[HIGH] += 1
    pool.first[at] = NONE
    _bear(pool, at)
    pool.after[at] = pool.buckets[bucket]
    pool.buckets[bucket] = at
    return at


@njit(cache=True)
def _bear(pool, state):
    pool.marks[BIRTHS] += 1
    pool.born[state] = pool.marks[BIRTHS]
    pool.useful[state] = NONE


@njit(cache=True)
def change(pool, node, cpu, memory, devices, milli):
    """Add to what a node has free (or take, if negative), on these devices."""
    leave(pool, node)
    pool.cpu[node] += cpu
    pool.memory[node] += memory
    for device in devices:
        pool.free[node, device] += milli
    join(pool, node)


@njit(cache=True, nogil=True)
def _join_all(pool):
    for node in range(len(pool.kind) - 1, -1, -1):
        join(pool, np.int32(node))


@njit(cache=True)
def forget(pool):
    """Every score and every use: the weights have changed."""
    for state in range(pool.marks[HIGH]):
        _bear(pool, state)


def pool_of(
    kind: NDArray[np.int32], cpu: NDArray[np.int64], memory: NDArray[np.int64], free: NDArray[np.int64], classes: int
) -> Pool:
    """A pool of these nodes, with room for the scores of so many classes."""
    nodes, devices = free.shape
    states = nodes + 1  # a node joins its new state after it left the old one, and no other is without nodes

    def numbers(size: int) -> NDArray[np.int32]:
        return np.full(size, NONE, dtype=np.int32)

    pool = Pool(
        kind=kind.astype(np.int32),
        cpu=cpu.astype(np.int64),
        memory=memory.astype(np.int64),
        free=free.astype(np.int64),
        state=numbers(nodes),
        above=numbers(nodes),
        left=numbers(nodes),
        right=numbers(nodes),
        first=numbers(states),
        of_kind=numbers(states),
        of_cpu=np.zeros(states, dtype=np.int64),
        of_memory=np.zeros(states, dtype=np.int64),
        of_free=np.zeros((states, devices), dtype=np.int64),
        useful=np.full(states, NONE, dtype=np.int64),
        after=numbers(states),
        buckets=numbers(2 * nodes + 1),
        spare=numbers(states),
        marks=np.zeros(3, dtype=np.int64),
        born=np.zeros(states, dtype=np.int64),
        score=np.zeros((classes, states), dtype=np.int64),
    )
    _join_all(pool)
    return pool


def widened(pool: Pool, classes: int) -> Pool:
    """The same pool with room for the scores of more classes."""
    score = np.zeros((classes, pool.score.shape[1]), dtype=np.int64)
    score[: len(pool.score)] = pool.score
    return pool._replace(score=score)
