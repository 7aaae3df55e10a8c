"""Every accelerator booked to exactly one cause: what it does, or why it does nothing. Pure; on the columns.

Called by `accounts`. What waits is seated first, as the engine would: what it takes is only not bound yet. Each
accelerator that is left free is booked to what keeps the work that comes nearest to it away: of everything that
waits, the obstacle that is easiest to lift, and of the obstacles of one workload the hardest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np

from estate import reserving
from estate.fabrics.storage import Copy, Storage
from estate.hardware import Health
from estate.ids import DatasetId, SiteId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from tools.placement import reserved
from tools.placement.columns import HEALTHS, UNKNOWN_TENANT, Columns, Flags, Ints
from tools.placement.constraints.kinds import AXES, Constraint, Masks
from tools.placement.constraints.table import moving, standing
from tools.placement.fleets.likes import Enduring, alike
from tools.placement.port import Ask
from tools.placement.rooms import Room
from tools.placement.searching import search
from tools.placement.wishes import Wish


class Cause(StrEnum):
    """What an hour of an accelerator went into."""

    USEFUL = "useful"
    DATA_WAIT = "data wait"
    """Held by work whose data is not whole at its site yet, or kept free by data that is not near enough."""
    UNHEALTHY = "unhealthy"
    """It, or its node, has failed, is fenced or cordoned."""
    UNBOUND = "not bound yet"
    """Something waits that would fit here."""
    RESERVED = "reserved"
    """Kept for somebody who does not use it, be it that nothing else may, or that what waits may not."""
    FRAGMENTATION = "fragmentation"
    """Something waits that needs more of them together."""
    NO_POWER = "no power"
    NO_COOLING = "no cooling"
    QUOTA = "quota"
    LAW = "law"
    """Sovereignty, isolation, a namespace, a place that no fact knows."""
    NO_DEMAND = "no demand"
    """Nothing waits that could use one of its kind."""


CAUSES: Final = tuple(Cause)
_EASY: Final = tuple(
    CAUSES.index(c)
    for c in (
        Cause.FRAGMENTATION,
        Cause.RESERVED,
        Cause.DATA_WAIT,
        Cause.NO_POWER,
        Cause.NO_COOLING,
        Cause.QUOTA,
        Cause.LAW,
        Cause.NO_DEMAND,
    )
)
"""Obstacles, the easiest to lift first."""
_BY_CONSTRAINT: Final[Mapping[Constraint, Cause]] = {
    Constraint.RESERVED: Cause.RESERVED,
    Constraint.FREE: Cause.FRAGMENTATION,
    Constraint.NVLINK: Cause.FRAGMENTATION,
    Constraint.TOGETHER: Cause.FRAGMENTATION,
    Constraint.SPREAD: Cause.FRAGMENTATION,
    Constraint.AVAILABILITY: Cause.FRAGMENTATION,
    Constraint.STAGES: Cause.FRAGMENTATION,
    **dict.fromkeys((Constraint.POWER, Constraint.FEED, Constraint.CONNECTION), Cause.NO_POWER),
    Constraint.QUOTA: Cause.QUOTA,
    **dict.fromkeys((Constraint.COOLING, Constraint.COOLANT, Constraint.LOOP), Cause.NO_COOLING),
    Constraint.DATA: Cause.DATA_WAIT,
    Constraint.STORAGE: Cause.DATA_WAIT,
    Constraint.ISOLATION: Cause.LAW,
    Constraint.NAMESPACE: Cause.LAW,
    Constraint.ATTACHED: Cause.LAW,
    Constraint.PLACED: Cause.LAW,
    **dict.fromkeys(AXES.values(), Cause.LAW),
}
"""All others mean that this work wants no such node."""


@dataclass(frozen=True, slots=True)
class Booked:
    """The cause of each device as its position in `CAUSES`, -1 where no device is."""

    columns: Columns
    cause: Ints

    def totals(self, rows: Flags | None = None) -> dict[str, int]:
        """How many devices are booked to each cause, all or those of some nodes."""
        chosen = self.cause if rows is None else self.cause[rows]
        counts = np.bincount(chosen[chosen >= 0], minlength=len(CAUSES))
        return {cause.value: int(n) for cause, n in zip(CAUSES, counts, strict=True)}


def book(snapshot: Snapshot, columns: Columns, at: datetime | None = None) -> Booked:
    """Every device of the fleet. Without `at` nothing that is reserved has begun."""
    cause = np.full(columns.exists.shape, -1, dtype=np.int64)
    cause[columns.exists] = CAUSES.index(Cause.USEFUL)
    for row, slots in _hungry(snapshot, columns):
        cause[row, slots] = CAUSES.index(Cause.DATA_WAIT)
    broken = np.isin(columns.health, [HEALTHS.index(h) for h in (Health.FAILED, Health.UNKNOWN)])
    closed = columns.cordoned | ~columns.fit | _fenced(columns)
    unhealthy = (columns.exists & ~columns.healthy) | (columns.exists & broken[:, None])
    unhealthy |= columns.free & closed[:, None]
    cause[unhealthy] = CAUSES.index(Cause.UNHEALTHY)
    left = columns.free & ~unhealthy
    running, seen, known = columns, snapshot, Enduring()
    waiting, hopeless = list[Workload](), set[object]()
    for workload in _waiting(snapshot):
        wish = known.knowing(_wish(snapshot, seen, running, workload, at))
        kind = (alike(wish), workload.bindings)
        attempt = None if kind in hopeless else search(wish)
        if attempt is None or not attempt.complete or attempt.room is None:
            waiting.append(workload)
            if attempt is not None and not attempt.bindings and wish.contract.availability is None:
                hopeless.add(kind)  # for not even one is there a seat, and less and less is free
            continue
        taken = running.free & ~attempt.room.free
        cause[taken & left] = CAUSES.index(Cause.UNBOUND)
        left &= ~taken
        running = _seated(running, workload, attempt.room, attempt.rows)
        seen = seen.with_workload(_bound(workload, attempt.bindings))
    idle = left & kept_free(snapshot, columns, at)
    cause[idle] = CAUSES.index(Cause.RESERVED)
    left &= ~idle
    obstacle = _obstacle((snapshot, seen), running, waiting, known, at)
    cause[left] = np.broadcast_to(obstacle[:, None], left.shape)[left]
    beside = left & (cause == CAUSES.index(Cause.RESERVED)) & ~_reserved(snapshot, columns, at)
    cause[beside] = CAUSES.index(Cause.FRAGMENTATION)
    return Booked(columns, cause)


def kept_free(snapshot: Snapshot, columns: Columns, at: datetime | None) -> Flags:
    """The devices that are kept free for whoever reserved them."""
    held = (r.terms for r in reserving.every(snapshot) if reserving.withholds(r.terms, at))
    return reserved.devices(columns, held) & columns.free


def _reserved(snapshot: Snapshot, columns: Columns, at: datetime | None) -> Flags:
    """The devices that are reserved for some time that is not over."""
    every = (r.terms for r in reserving.every(snapshot) if at is None or at < r.terms.end)
    return reserved.devices(columns, every)


def _waiting(snapshot: Snapshot) -> list[Workload]:
    """What waits, the largest replicas first."""
    found = [w for w in snapshot.workloads() if len(w.bindings) < w.replicas]
    wanted = [w for w in found if w.contract.accelerators_per_replica]
    return sorted(wanted, key=lambda w: (-w.contract.accelerators_per_replica, -w.replicas, w.id))


def _wish(snapshot: Snapshot, counted: Snapshot, columns: Columns, workload: Workload, at: datetime | None) -> Wish:
    bound = {b.replica for b in workload.bindings}
    ask = Ask(workload.id, tuple(r for r in range(workload.replicas) if r not in bound), at=at)
    return Wish(snapshot, columns, ask, workload, counted=counted)


def _seated(columns: Columns, workload: Workload, room: Room, rows: list[int]) -> Columns:
    present = columns.present.copy()
    names = columns.names.tenants
    present[names.index(workload.tenant) if workload.tenant in names else UNKNOWN_TENANT, rows] = True
    return room.columns(present)


def _bound(workload: Workload, bindings: Sequence[Binding]) -> Workload:
    return workload.model_copy(update={"bindings": (*workload.bindings, *bindings)})


def _obstacle(
    seen: tuple[Snapshot, Snapshot],
    columns: Columns,
    waiting: list[Workload],
    known: Enduring,
    at: datetime | None,
) -> Ints:
    """Of each node what keeps the nearest waiting work away; `seen`: the estate, and as quotas count it now."""
    best = np.full(len(columns.ids), len(_EASY) - 1, dtype=np.int64)
    kinds = set[object]()
    for workload in waiting:
        wish = _wish(*seen, columns, workload, at)
        kind = (alike(wish), workload.bindings)
        if kind not in kinds:
            kinds.add(kind)
            best = np.minimum(best, _hardest(known.knowing(wish)))
    return np.array(_EASY, dtype=np.int64)[best]


def _hardest(wish: Wish) -> Ints:
    """Of each node the hardest obstacle to one workload; where none is, its parts do not fit together."""
    # Each replica by itself: what the others would take is a matter of fragmentation.
    alone = replace(wish, ask=replace(wish.ask, replicas=wish.ask.replicas[:1]))
    found = _refused(alone)
    rank = np.zeros(len(wish.columns.ids), dtype=np.int64)
    for constraint, refused in found.items():
        place = _EASY.index(CAUSES.index(_BY_CONSTRAINT.get(constraint, Cause.NO_DEMAND)))
        rank = np.where(refused, np.maximum(rank, place), rank)
    return rank


def _refused(wish: Wish) -> Masks:
    """What refuses its first replica where."""
    if wish.contract.availability is not None:
        return search(wish).first
    return standing(wish) | moving(wish, Room(wish), None)


def _fenced(columns: Columns) -> Flags:
    own = np.array([any(t.own for t in taints) for taints in columns.taints] or [False], dtype=np.bool_)
    found: Flags = own[columns.taint]
    return found


def _hungry(snapshot: Snapshot, columns: Columns) -> Iterator[tuple[int, Ints]]:
    """The devices of work that has at its site no whole copy of data of which a part is there."""
    partial = _partial(snapshot)
    for workload in snapshot.workloads() if partial else ():
        for binding in workload.bindings:
            row, site = columns.rows.get(binding.node), snapshot.site_of(binding.node)
            if row is not None and any((d, site) in partial for d in workload.datasets):
                held = np.isin(columns.index[row], binding.accelerators) & columns.exists[row]
                yield row, np.flatnonzero(held)


def _partial(snapshot: Snapshot) -> set[tuple[DatasetId, SiteId]]:
    whole, part = Counter[tuple[DatasetId, SiteId]](), set[tuple[DatasetId, SiteId]]()
    for copy in snapshot.stock.all("copy"):
        store = snapshot.stock.get(Ref("storage", copy.storage)) if isinstance(copy, Copy) else None
        if isinstance(copy, Copy) and isinstance(store, Storage):
            key = (copy.dataset, store.site)
            whole[key] += copy.complete is True
            part |= {key} if copy.complete is False else set()
    return {key for key in part if not whole[key]}
