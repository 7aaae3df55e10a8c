"""Facilities: what feeds and cools racks beyond their own budgets, weighed as the gate weighs it.

A feed (of a 2N pair either half must carry the load of both), a site's connection, the heat that a rack gives away by
itself, coolant units (a rack's heat shared by those that work) and the loops behind them. What has failed, or leaks,
takes nothing more. What draws more than it may already goes on, as long as no replica adds to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from estate import reserving
from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import Workload
from tools.placement import carriers, drawing, widening
from tools.placement.attempts import Attempt
from tools.placement.carriers import Carriers
from tools.placement.columns import UNCAPPED, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among
from tools.placement.margins import Margins
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

BY_SORT: Final = {
    "feed": Constraint.FEED,
    "site": Constraint.CONNECTION,
    "rack": Constraint.COOLING,
    "cdu": Constraint.COOLANT,
    "loop": Constraint.LOOP,
}
_NAMED: Final = 3
_MARGINS: Final = Margins()


def concerns(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether any part could refuse any of its replicas: it has less left than they may draw together."""
    least = _MARGINS.least(snapshot)
    if least < UNCAPPED and next(reserving.every(snapshot), None) is not None:
        return True  # what is reserved is drawn already
    return workload.replicas * workload.contract.accelerators_per_replica * workload.watts_per_accelerator > least


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where one more replica would be too much for something behind the rack."""
    behind = carriers.of(wish.snapshot, wish.columns)
    if behind is None:
        return {}
    headroom = behind.headroom(room.spoken_for, wish.spoken_for)
    added: Ints | None = None
    found: Masks = {}
    for sort, slots in behind.slots.items():
        left = headroom[:, slots].min(axis=1)
        refused = found[BY_SORT[sort]] = np.zeros(len(wish.columns.ids), dtype=np.bool_)
        near = np.flatnonzero(left < wish.watts)  # a replica adds no more than its watts
        if near.size:
            added = drawing.added(wish, room, without) if added is None else added
            rows = np.flatnonzero(among(len(left), near)[wish.columns.rack])
            refused[rows] = added[rows] > left[wish.columns.rack[rows]]
    return found


@dataclass(frozen=True, slots=True)
class _Short:
    """A part that refuses, and the watts that it has left for one of the refused racks."""

    place: int
    left: int


def _short(by: Refused, behind: Carriers, slots: slice) -> Iterator[_Short]:
    """Of the racks of the refused nodes the parts that refuse, the fewest watts first."""
    c, room = by.wish.columns, by.room
    racks = np.unique(c.rack[by.refused])
    left = behind.headroom(room.spoken_for, by.wish.spoken_for)[racks, slots]
    parts = behind.part[racks, slots]
    most = np.full(len(behind.most), -1, dtype=np.int64)
    refusing = left < by.wish.watts
    np.maximum.at(most, parts[refusing], left[refusing])
    yield from (_Short(int(p), int(most[p])) for p in np.unique(parts[refusing]).tolist())


def _words(sort: str, needed: str, remedy: str) -> Callable[[Refused], Words]:
    def words(by: Refused) -> Words:
        behind = carriers.of(by.wish.snapshot, by.wish.columns)
        assert behind is not None, "they refused it"
        short = sorted(_short(by, behind, behind.slots[sort]), key=lambda s: (-s.left, s.place))
        dead = [s for s in short if widening.is_out(by.wish.snapshot, behind.parts[s.place].ref)]
        names = [str(behind.parts[s.place].ref) for s in short]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        most = max((s.left for s in short), default=0)
        found = f"at most {most} W left in {', '.join(names[:_NAMED])}{more}"
        if dead:
            out = ", ".join(str(behind.parts[s.place].ref) for s in dead[:_NAMED])
            found = f"{out} failed or leaks" if len(dead) == len(short) else f"{found}; {out} failed or leaks"
        return f"{by.wish.watts} W {needed}", found, remedy

    return words


def _missing(sort: str) -> Callable[[Wish], Ints]:
    def missing(wish: Wish) -> Ints:
        behind, room = carriers.of(wish.snapshot, wish.columns), Room(wish)
        if behind is None or sort not in behind.slots:
            return np.zeros(len(wish.columns.ids), dtype=np.int64)
        left = behind.headroom(room.spoken_for, wish.spoken_for)[:, behind.slots[sort]].min(axis=1)
        more = drawing.added(wish, room, BY_SORT[sort]) - left[wish.columns.rack]
        found: Ints = np.where(wish.columns.rack >= 0, np.maximum(more, 0), 0)
        return found

    return missing


def _relaxed(sort: str) -> Callable[[Wish, Attempt], str]:
    return lambda wish, attempt: widening.widened(wish, attempt, sort).says


def _rule(sort: str, needed: str, remedy: str, plain: str) -> Rule:
    dimension = Dimension.POWER if sort in ("feed", "site") else Dimension.COOLING
    return Rule(BY_SORT[sort], _words(sort, needed, remedy), _relaxed(sort), plain, dimension, _missing(sort))


_FREE = "free power behind it, have it repaired or widened"
_COOL = "move heat away from it, have it repaired or widened"
RULES = (
    _rule("feed", "more from the rack's feed", f"choose racks on another feed, {_FREE}", "power to the accelerators"),
    _rule("site", "more from the site's connection", f"choose another site, {_FREE}", "power in the region"),
    _rule("rack", "more heat away from the rack", f"choose another rack, {_COOL}", "cooling for the accelerators"),
    _rule("cdu", "more heat into the rack's coolant", f"choose racks on another unit, {_COOL}", "coolant"),
    _rule("loop", "more heat into the loop", f"choose racks on another loop, {_COOL}", "cooling in the region"),
)
