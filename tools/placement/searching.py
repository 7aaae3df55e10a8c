"""Seat replicas one after another: the best first, all in one cluster, all or none.

The best is what is reserved for it, then serves what its kind of work is after (`objectives`), then has most points
(`online.scoring`), and of equals it is the first by id. Where a search is given no points it is best fit: fewest free
accelerators left on the node, then least of its rack's budget drawn, then the first by id. Replicas seated earlier
count against later ones, devices and power alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from estate.workloads import Binding
from tools.placement import availabilities, choosing, objectives
from tools.placement.attempts import Attempt
from tools.placement.columns import Flags, Ints, counted, summed
from tools.placement.constraints.company import span
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.table import moving, standing
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

_RELAXED_INSIDE = frozenset({Constraint.FREE, Constraint.MODEL, Constraint.MEMORY, Constraint.SIZE, Constraint.LIMIT})
"""Left out by looking at more devices (`suitable`, `Room.devices`); even then there must be enough of them."""


def search(wish: Wish, without: Constraint | None = None, prefer: Ints | None = None) -> Attempt:
    """The first complete attempt over the clusters, or the one that seated the most.

    `prefer` is looked at before the score: a search without a constraint takes the node that misses it least.
    """
    if wish.contract.availability is None or without is Constraint.AVAILABILITY:
        return _search(wish, without, prefer)
    found = []
    for caps in availabilities.layouts(wish):
        found.append(_search(replace(wish, caps=caps), without, prefer))
        if found[-1].complete and _available(wish, found[-1]):
            return found[-1]
    return _unavailable(found)


def _available(wish: Wish, attempt: Attempt) -> bool:
    promised = wish.contract.availability
    return promised is None or availabilities.permille(wish, (*wish.stays(), *attempt.rows)) >= promised


def _unavailable(found: Sequence[Attempt]) -> Attempt:
    """The widest layout that could be seated and is still not enough, and so refuses everything; else the first."""
    seated = [a for a in found if a.complete]
    if not seated:
        return found[0]
    best = seated[-1]
    best.bindings, best.rows, best.left, best.fill = [], [], [], []
    best.last = {k: np.ones_like(v) if k is Constraint.AVAILABILITY else v for k, v in best.last.items()}
    best.first = best.last
    return best


def _search(wish: Wish, without: Constraint | None, prefer: Ints | None) -> Attempt:
    fixed = {k: v for k, v in standing(wish).items() if k is not without}
    begin, attempts = _left_open(wish, _room(wish, without), without), []
    for cluster in wish.clusters():
        for here in _grounds(wish, cluster, without):
            attempt = _within(wish, cluster, here, (fixed, begin), without, prefer)
            if attempt.complete:
                return attempt
            attempts.append(attempt)
    return max(attempts, key=lambda a: len(a.bindings)) if attempts else _nowhere(wish, fixed | begin)


def _room(wish: Wish, without: Constraint | None) -> Room:
    """What is left without that constraint."""
    taken, reserved = without is Constraint.FREE, without is Constraint.RESERVED
    return Room(wish, ignore_taken=taken, ignore_reserved=reserved)


def _nowhere(wish: Wish, masks: Masks) -> Attempt:
    return Attempt(cluster=-1, wanted=len(wish.ask.replicas), room=Room(wish), first=masks, last=masks)


def _grounds(wish: Wish, cluster: int, without: Constraint | None) -> Iterator[Flags]:
    """The nodes to search at a time: all of the cluster, or one domain after the other where all must stand together.

    The domain with the most of its reserved accelerators comes first, and of equals the one with the fewest free, so
    that the roomy ones are kept whole. Where none has enough for all, the whole cluster is searched, which tells what
    stands in the way.
    """
    here = wish.columns.cluster == cluster
    over = wish.contract.together
    room = _room(wish, without)
    if over is None or without is Constraint.TOGETHER or room.seated:
        yield here
        return
    where = span(wish, over)
    inside = here & (where >= 0)
    free = np.bincount(where[inside], weights=room.units(wish)[inside])
    seats = np.bincount(where[inside], weights=room.seats_on(wish)[inside])
    own = room.devices & wish.own if wish.own is not None else np.zeros_like(room.devices)
    mine = np.bincount(where[inside], weights=own.sum(axis=1)[inside])
    roomy = [d for d in np.lexsort((free, -mine)) if seats[d] >= len(wish.ask.replicas)]
    yield from (here & (where == d) for d in roomy if (here & (where == d)).any())
    if not roomy:
        yield here


def _within(
    wish: Wish, cluster: int, here: Flags, masks: tuple[Masks, Masks], without: Constraint | None, prefer: Ints | None
) -> Attempt:
    """`masks`: those that stay, and those before anybody is seated."""
    room, (fixed, begin) = _room(wish, without), masks
    attempt = Attempt(cluster=cluster, wanted=len(wish.ask.replicas), room=room)
    for replica in sorted(wish.ask.replicas):
        attempt.last = fixed | (_left_open(wish, room, without) if attempt.rows else begin)
        attempt.first = attempt.first or attempt.last
        row = _choose(wish, room, here & ~any_of(attempt.last, len(here)), prefer, attempt)
        if row is None:
            return attempt
        _seat(wish, room, attempt, replica, row, without)
    return attempt


def _left_open(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """What refuses the next replica, without that constraint."""
    return {k: v for k, v in moving(wish, room, without).items() if k is not without or k in _RELAXED_INSIDE}


def any_of(masks: Masks, rows: int) -> Flags:
    """The nodes that at least one mask refuses."""
    found: Flags = np.logical_or.reduce([np.zeros(rows, dtype=np.bool_), *masks.values()])
    return found


def _choose(wish: Wish, room: Room, open_rows: Flags, prefer: Ints | None, attempt: Attempt) -> int | None:
    rows = np.flatnonzero(open_rows)
    if not rows.size:
        return None
    left = _left(wish, room)[rows]
    fill = _fill(wish, room)[rows]
    ahead = np.zeros(len(rows), dtype=np.int64) if prefer is None else prefer[rows]
    aims = objectives.terms(wish, room, rows)
    points = None if wish.points is None else wish.points(room, rows)
    fit = (rows, fill, left) if points is None else (rows, -points)
    order = np.lexsort((*fit, *(a.values for a in reversed(aims)), ahead))
    best = order[0]
    if attempt.runner_up is None and not attempt.rows and rows.size > 1:
        attempt.runner_up = int(rows[order[1]])
    attempt.aims.update({a.name: int(a.values[best]) for a in aims})
    attempt.left.append(int(left[best]))
    attempt.fill.append(int(fill[best]))
    if points is not None:
        attempt.points.append(int(points[best]))
    return int(rows[best])


def _left(wish: Wish, room: Room) -> Ints:
    """What each node would have left of its devices: whole ones, or thousandths where shares are asked for."""
    if wish.shared:
        left: Ints = summed(room.milli) - wish.workload.contract.milli
        return left
    free: Ints = counted(room.devices) - wish.needed
    return free


def _fill(wish: Wish, room: Room) -> Ints:
    c = wish.columns
    if not c.rack_budget.size:
        return np.zeros(len(c.ids), dtype=np.int64)
    return room.rack_after(room.added(wish.watts)) * 1000 // np.maximum(c.rack_budget[c.rack], 1)


def _seat(wish: Wish, room: Room, attempt: Attempt, replica: int, row: int, without: Constraint | None) -> None:
    slots = choosing.devices(wish, room, row, without)
    indexes = tuple(sorted(int(i) for i in wish.columns.index[row, slots]))
    attempt.bindings.append(Binding(replica=replica, node=wish.columns.ids[row], accelerators=indexes))
    attempt.rows.append(row)
    room.seat(row, slots, wish.watts)
