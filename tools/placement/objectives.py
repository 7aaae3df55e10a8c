"""What each kind of work is after, as terms of a score: a number for each node that is open, lower is better.

Called by `searching` for every replica, before the terms that all work shares (the tightest fit, the rack's draw). The
terms come in the order in which they count. Before them all: whoever has a reservation goes there. Training wants its
members near each other and an early end; inference the least cost of a request, its latency being a hard limit already;
agents and batch fill gaps, so that whole machines stay whole. A term that would be the same everywhere is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, assert_never

import numpy as np

from estate.workloads import BandwidthClass, Span, WorkloadKind
from tools.placement import deliveries
from tools.placement.columns import Flags, Ints
from tools.placement.constraints import costs, times
from tools.placement.constraints.company import span
from tools.placement.constraints.devices import suitable
from tools.placement.rooms import Room
from tools.placement.wishes import FAR, Wish

_NEARER: Final = (Span.NODE, Span.RACK, Span.LEAF, Span.SITE)
_NEAR: Final = (WorkloadKind.TRAINING, WorkloadKind.FINE_TUNING)
_GAPS: Final = (WorkloadKind.AGENT, WorkloadKind.BATCH)
_REQUESTS: Final = 1000


class Aim(NamedTuple):
    """One term, of the rows that were asked about."""

    name: str
    values: Ints


def terms(wish: Wish, room: Room, rows: Ints) -> tuple[Aim, ...]:
    """The terms of seating the next replica on each of these rows."""
    kind = wish.workload.kind
    found = tuple(Aim(aim.name, aim.values[rows]) for aim in of_kinds(wish))
    if kind in _NEAR:
        found = (Aim("steps_to_its_others", _steps(wish, room, rows)), *found)
    if kind in _GAPS and wish.points is None:  # points are about the gaps
        found = (*found, Aim("whole_machines_broken", _broken(wish, room, rows)))
    found = (*_reserved(wish, room, rows), *found)
    return tuple(aim for aim in found if aim.values.size and (aim.values != aim.values[0]).any())


def of_kinds(wish: Wish) -> tuple[Aim, ...]:
    """The terms of all nodes that those of one kind (`online.kinds`) have in common. They come after nearness."""
    if not tells_kinds(wish):
        return ()
    match wish.workload.kind:
        case WorkloadKind.TRAINING | WorkloadKind.FINE_TUNING:
            return (Aim("seconds_until_done", _done(wish)),)
        case WorkloadKind.INFERENCE:
            cheap = wish.measured("micro-dollars of requests", _priced)
            return (Aim("seconds_of_data", deliveries.seconds(wish)), Aim("micro_usd_of_requests", cheap))
        case WorkloadKind.AGENT | WorkloadKind.BATCH:
            return (Aim("seconds_of_data", deliveries.seconds(wish)),)
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


def tells_kinds(wish: Wish) -> bool:
    """Whether any of these could differ."""
    kind = wish.workload.kind
    if wish.workload.datasets or (kind in _NEAR and _paced(wish)):
        return True
    return kind is WorkloadKind.INFERENCE and next(wish.snapshot.stock.all("price"), None) is not None


def nearest(wish: Wish, seated: Sequence[int]) -> Iterator[tuple[int, Span, int]]:
    """For work that wants its replicas near: the domains that hold all those seated, the nearest first, with steps."""
    if wish.workload.kind not in _NEAR or not seated:
        return
    for steps, over in enumerate(_NEARER):
        others = set(span(wish, over)[list(seated)].tolist())
        if len(others) == 1 and (domain := others.pop()) >= 0:
            yield steps, over, domain


def _steps(wish: Wish, room: Room, rows: Ints) -> Ints:
    """How far the nearest domain reaches that holds a node and all of its seated replicas: 0 the node itself."""
    found = np.full(len(rows), len(_NEARER), dtype=np.int64)
    for steps, over, domain in reversed([*nearest(wish, room.seated)]):
        found[span(wish, over)[rows] == domain] = steps
    return found


def _done(wish: Wish) -> Ints:
    """Until it is done where its pace is stated, else until its data is there."""
    return times.lasts(wish) if _paced(wish) else deliveries.seconds(wish)


def _paced(wish: Wish) -> bool:
    return any(p.run_time is not None for p in wish.contract.paces)


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
