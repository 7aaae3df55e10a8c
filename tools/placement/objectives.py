"""What each kind of work is after, as terms of a score: a number for each node that is open, lower is better.

Called by `searching` for every replica, before the terms that all work shares (the tightest fit, the rack's draw). The
terms come in the order in which they count. Before them all: whoever has a reservation goes there. Training wants its
members near each other and an early end; inference the least cost of a request, its latency being a hard limit already;
agents and batch fill gaps, so that whole machines stay whole. A term that would be the same everywhere is left out.
"""

from __future__ import annotations

from typing import Final, NamedTuple, assert_never

import numpy as np

from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass, Span, Workload, WorkloadKind
from tools.placement import deliveries
from tools.placement.columns import Flags, Ints
from tools.placement.constraints import costs, times
from tools.placement.constraints.company import span
from tools.placement.constraints.devices import suitable
from tools.placement.wishes import FAR, Room, Wish

_NEARER: Final = (Span.NODE, Span.RACK, Span.LEAF, Span.SITE)
_REQUESTS: Final = 1000


class Aim(NamedTuple):
    """One term, of the rows that were asked about."""

    name: str
    values: Ints


def terms(wish: Wish, room: Room, rows: Ints) -> tuple[Aim, ...]:
    """The terms of seating the next replica on each of these rows."""
    found = (*_reserved(wish, room, rows), *_of_its_kind(wish, room, rows))
    return tuple(aim for aim in found if aim.values.size and (aim.values != aim.values[0]).any())


def _of_its_kind(wish: Wish, room: Room, rows: Ints) -> tuple[Aim, ...]:
    found: tuple[Aim, ...]
    match wish.workload.kind:
        case WorkloadKind.TRAINING | WorkloadKind.FINE_TUNING:
            near, soon = _steps(wish, room, rows), _done(wish)[rows]
            found = (Aim("steps_to_its_others", near), Aim("seconds_until_done", soon))
        case WorkloadKind.INFERENCE:
            cheap = wish.measured("micro-dollars of requests", _priced)[rows]
            found = (Aim("seconds_of_data", deliveries.seconds(wish)[rows]), Aim("micro_usd_of_requests", cheap))
        case WorkloadKind.AGENT | WorkloadKind.BATCH:
            found = (Aim("seconds_of_data", deliveries.seconds(wish)[rows]),)
            if wish.points is None:  # points are about the gaps
                found = (*found, Aim("whole_machines_broken", _broken(wish, room, rows)))
        case unreachable:
            assert_never(unreachable)
    return found


def concerns(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether what its kind of work is after could tell one open node from another. What is reserved concerns the
    masks anyway (`constraints.reservations.concerns`).
    """
    match workload.kind:
        case WorkloadKind.TRAINING | WorkloadKind.FINE_TUNING:
            return workload.replicas > 1 or bool(workload.datasets)
        case WorkloadKind.INFERENCE:
            return bool(workload.datasets) or next(snapshot.stock.all("price"), None) is not None
        case WorkloadKind.AGENT | WorkloadKind.BATCH:
            return bool(workload.datasets)
        case unreachable:
            assert_never(unreachable)


def _reserved(wish: Wish, room: Room, rows: Ints) -> tuple[Aim, ...]:
    """How many of its devices there would not be those that are reserved for it now."""
    if wish.own is None or not wish.needed:
        return ()
    usable = room.devices & suitable(wish, None).all
    return (Aim("accelerators_not_its_reserved", wish.needed - _most_own(wish, usable, wish.own)[rows]),)


def _most_own(wish: Wish, usable: Flags, own: Flags) -> Ints:
    """How many of its own a replica could have on each node, in one NVLink domain where it must be one."""
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and wish.needed > 1
    mine: Ints = (usable & own).sum(axis=1)
    if joined:
        mine = np.zeros_like(mine)
        for domain in range(int(wish.columns.domain.max(initial=-1)) + 1):
            here = usable & (wish.columns.domain == domain)
            mine = np.maximum(mine, np.where(here.sum(axis=1) >= wish.needed, (here & own).sum(axis=1), 0))
    return np.minimum(mine, wish.needed)


def _steps(wish: Wish, room: Room, rows: Ints) -> Ints:
    """How far the nearest domain reaches that holds a node and all of its seated replicas: 0 the node itself."""
    found = np.full(len(rows), len(_NEARER), dtype=np.int64)
    if not room.seated:
        return np.zeros_like(found)
    for steps in range(len(_NEARER) - 1, -1, -1):
        where = span(wish, _NEARER[steps])
        others = np.unique(where[room.seated])
        if others.size == 1 and others[0] >= 0:
            found[where[rows] == others[0]] = steps
    return found


def _done(wish: Wish) -> Ints:
    """Until it is done where its pace is stated, else until its data is there."""
    paced = any(p.run_time is not None for p in wish.contract.paces)
    return times.lasts(wish) if paced else deliveries.seconds(wish)


def _priced(wish: Wish) -> Ints:
    """Micro-dollars that a thousand requests cost, of an hour where no pace is stated."""
    c, hourly = wish.columns, costs.hourly(wish)
    paces = [wish.contract.pace_on(m) for m in c.models]
    if not any(p is not None and p.items_per_hour for p in paces) or not wish.needed:
        return hourly
    rates = [0 if p is None or p.items_per_hour is None else int(p.items_per_hour) for p in paces]
    usable = times.usable(wish)
    slowest = np.where(usable, np.array([*rates, 0], dtype=np.int64)[c.model], FAR).min(axis=1, initial=FAR)
    known = (hourly < FAR) & (slowest > 0) & (slowest < FAR)
    found: Ints = np.where(known, hourly.clip(max=2**50) * _REQUESTS // slowest.clip(min=1), FAR)
    return found


def _broken(wish: Wish, room: Room, rows: Ints) -> Ints:
    """1 where it would be the first on a machine that is whole and has room for more than it."""
    c = wish.columns
    healthy = c.healthy[rows].sum(axis=1)
    whole = (room.free[rows].sum(axis=1) == healthy) & (healthy > wish.needed)
    broken: Ints = whole.astype(np.int64)
    return broken
