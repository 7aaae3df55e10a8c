"""Storage: megabytes a second for each replica, of what the storage in reach has left.

Storages that serve a cluster in common are one pool, with what all of them read together; from it goes what every
running replica of their clusters was promised. Storage whose speed nobody states gives nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from estate import pledges
from estate.fabrics.storage import Storage
from estate.ids import ClusterId
from estate.itemkinds import State
from estate.units import MegabytesPerSecond
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where too little is left for one more replica."""
    if not wish.contract.storage or without is Constraint.STORAGE:
        return {}
    return {Constraint.STORAGE: _left(wish, room) < wish.contract.storage}


def _left(wish: Wish, room: Room) -> Ints:
    """Megabytes a second that are left at each node, its own seated replicas served."""
    pool = wish.measured("pool of storage", _pools, of_kind=True)
    offered = wish.measured("storage left by others", _offered, of_kind=True)
    own = np.bincount(pool[room.seated], minlength=int(pool.max(initial=0)) + 1) if room.seated else None
    used = own[pool] * wish.contract.storage if own is not None else 0
    found: Ints = np.where(pool == 0, 0, offered - used)
    return found


def _pools(wish: Wish) -> Ints:
    """The number of the pool that each node's cluster is served by; 0 where none is."""
    numbers = {c: n for n, members in enumerate(_pooled(wish), start=1) for c in members}
    return np.array([numbers.get(c, 0) for c in wish.columns.names.clusters], dtype=np.int64)[wish.columns.cluster]


def _offered(wish: Wish) -> Ints:
    """What each pool gives, without what others than this workload were promised of it."""
    left: dict[ClusterId, int] = {}
    for members, speed in _pooled(wish).items():
        left |= dict.fromkeys(members, speed - sum(_promised(wish, c) for c in members))
    return np.array([left.get(c, 0) for c in wish.columns.names.clusters], dtype=np.int64)[wish.columns.cluster]


def _pooled(wish: Wish) -> Mapping[frozenset[ClusterId], int]:
    """The clusters that share storage, with what it reads."""
    pools: dict[frozenset[ClusterId], int] = {}
    for item in wish.snapshot.stock.all("storage"):
        if not isinstance(item, Storage) or item.read is None or item.state in (State.FAILED, State.MAINTENANCE):
            continue
        at = (c.id for c in wish.facts.clusters if c.site == item.site)
        served, speed = frozenset(c for c in at if not item.clusters or c in item.clusters), int(item.read)
        for other in [p for p in pools if p & served]:
            served, speed = served | other, speed + pools.pop(other)
        if served:
            pools[served] = speed
    return pools


def _promised(wish: Wish, cluster: ClusterId) -> int:
    """What runs in a cluster was promised. A scan, and only where somebody asks for storage."""
    here = (w for w in wish.snapshot.workloads() if w.cluster == cluster and w.id != wish.workload.id and w.bindings)
    return sum(pledges.of(wish.snapshot, w, wish.ask.at).storage * len(w.bindings) for w in here)


def _words(by: Refused) -> Words:
    most = int(_left(by.wish, by.room)[by.refused].max(initial=0))
    needed = f"{by.wish.contract.storage} MB/s of storage for each replica"
    return needed, f"at most {max(most, 0)} MB/s left in reach", "read less from storage, or add some"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    """As much for each as all that were seated can have alike."""
    pool, offered = wish.measured("pool of storage", _pools), wish.measured("storage left by others", _offered)
    rows = np.array([*wish.stays(), *attempt.rows], dtype=np.int64)
    served = (int(offered[r]) // int((pool[rows] == pool[r]).sum()) if pool[r] else 0 for r in rows)
    each = max(min(served, default=0), 0)
    over = {"storage": MegabytesPerSecond(each)}
    return Easing(over, f"accept {each} instead of {wish.contract.storage} MB/s of storage for each replica")


RULES = (promise(Constraint.STORAGE, _words, _eased, "the throughput of storage that your contract asks for"),)
