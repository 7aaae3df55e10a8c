"""What one more unit of each scarce thing is worth, in accelerators at work, and how far the fleet is from its bounds.

Called by `accounts` where a report asks for it: it solves three linear programmes and a small one for each scarce
thing, so that a large fleet takes seconds. A worth is the price of what waits now; each is asked again with a whole
unit more, and the words tell both where they differ. Accelerators come in machines: a unit of them is a part of one
machine more like those that stand there, which draws its idle watts too. A share counts as its part of a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from estate.ids import RackId
from estate.records import Model
from estate.snapshots import Snapshot
from estate.workloads import WHOLE
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.fleets.worth import markets, programmes, solving
from tools.placement.fleets.worth.goods import Sort, heights
from tools.placement.fleets.worth.grounds import seats, waiting
from tools.placement.fleets.worth.markets import Market
from tools.placement.fleets.worth.programmes import More, Programme, Rows
from tools.placement.fleets.worth.proving import proved
from tools.placement.fleets.worth.solving import Again, Prices

_MOST_AGAIN: Final = 150
"""As many scarce things are asked again for one report, the dearest first."""
_NOTHING: Final = 1e-3
"""Thousandths of an accelerator."""
_WATTS: Final = 1000


class Good(Model):
    """A scarce thing, and what one more unit of it would put to work."""

    sort: Sort
    of: str
    """Which: a rack, feed, site, CDU or loop; a model in a rack; a tenant's quota."""
    price_milli: int
    """What a little of it is worth for each unit, in thousandths of an accelerator at work."""
    solved_milli: int | None
    """By how much more is at work with a whole unit more; null where it was not asked again."""
    says: str


class Worth(Model):
    """What a fleet could do beyond what it does. Bounds are proved, and may lie a little above what can be had. Shares
    count as their parts of accelerators; what is left of one is rounded down, in bounds up.
    """

    at_work: int
    """Accelerators that work holds."""
    waited_for: int
    as_it_stands: int
    """No more can be at work while nothing that runs is moved."""
    if_moved: int
    """No more can be at work at all, of what runs and waits now, within law, power, cooling and quotas."""
    gap_permille: int
    """Of that, what is missing."""
    goods: tuple[Good, ...]
    """The most worth first; what is not here is not scarce."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """One more of something: what it changes, and the least that can be had at once, in units."""

    sort: Sort
    of: str
    more: More
    whole: float = 1.0


def worth(snapshot: Snapshot, columns: Columns, rows: Flags, at: datetime | None = None) -> Worth:
    """The worth of these rows of a fleet. What is reserved by then is for its holders alone."""
    at_work = sum(s.held for s in seats(snapshot, columns, rows))
    could, staying = markets.as_it_could_be(snapshot, columns, rows, at)
    anew = programmes.programme(could)
    with ThreadPoolExecutor(1, "worth") as aside:  # the solver holds no lock of the interpreter
        best = aside.submit(solving.solved, anew)
        now = markets.as_it_stands(snapshot, columns, rows, at)
        problem = programmes.programme(now)
        value = solving.solved(problem)
        goods = tuple(_goods(problem, value, now, snapshot))
        if_moved = max(staying + proved(anew, best.result()), at_work)
    return Worth(
        at_work=at_work // WHOLE,
        waited_for=_waited_for(snapshot) // WHOLE,
        as_it_stands=-(-min(at_work + proved(problem, value), if_moved) // WHOLE),
        if_moved=-(-if_moved // WHOLE),
        gap_permille=1000 * (if_moved - at_work) // max(if_moved, 1),
        goods=goods,
    )


def _waited_for(snapshot: Snapshot) -> int:
    wanted = ((snapshot.workload(name), len(replicas)) for name, replicas in waiting(snapshot).items())
    return sum(n * w.contract.accelerators_per_replica * w.contract.milli for w, n in wanted if w is not None)


def _goods(problem: Programme, value: Prices, now: Market, snapshot: Snapshot) -> list[Good]:
    prices = solving.solved(problem, programmes.hair(now, problem))
    priced = ((prices.worth(unit.more), unit) for unit in units(snapshot, now))
    scarce = sorted(((p, u) for p, u in priced if p > _NOTHING), key=lambda pair: (-pair[0], pair[1].sort, pair[1].of))
    again, found = Again(problem, value, prices), list[Good]()
    for place, (price, unit) in enumerate(scarce):
        more = again.gained(unit.more.scaled(unit.whole)) if place < _MOST_AGAIN else None
        found.append(_good(unit, price, None if more is None else more / unit.whole))
    return sorted(found, key=lambda g: (g.solved_milli is None, -(g.solved_milli or 0)))


def _good(unit: _Unit, price: float, gained: float | None) -> Good:
    by_price, by_solving = round(price), None if gained is None else round(gained)
    return Good(
        sort=unit.sort,
        of=unit.of,
        price_milli=by_price,
        solved_milli=by_solving,
        says=_said(unit, by_price, by_solving),
    )


def _said(unit: _Unit, price: int, gained: int | None) -> str:
    lasts = f"one {unit.sort.value} more of {unit.of}"
    if gained is None:
        return f"{lasts}: {_accelerators(price)} by its price; not solved again"
    if abs(price - gained) <= 1:
        return f"{lasts}: {_accelerators(gained)}"
    if not gained:
        return f"{lasts}: nothing by itself, {price / 1000:g} by the price of a little: something else is as short"
    until = f"something else runs out before {'it' if unit.whole == 1 else 'a whole machine'} is used up"
    both = f"{_accelerators(gained)} when solved again with it, {price / 1000:g} by the price of a little"
    return f"{lasts}: {both}: {until}"


def _accelerators(milli: int) -> str:
    return f"{milli / 1000:g} accelerator{'' if milli == 1000 else 's'} more at work"


def units(snapshot: Snapshot, market: Market) -> Iterator[_Unit]:
    """One more of each thing that a market could be short of; of accelerators of a model in each rack."""
    rows = Rows.of(market)
    for place, limit in enumerate(market.limits):
        of = " and ".join(f"{ref.kind}/{ref.id}" for ref in limit.of)
        yield _Unit(limit.sort, of, More.of_row(rows.watts + place, _WATTS))
    for place, share in enumerate(market.shares):
        yield _Unit(Sort.QUOTA, f"{share.bound.tenant} ({share.bound.scope})", More.of_row(rows.quotas + place, 1.0))
    yield from _machines(market, heights(snapshot))


def _machines(market: Market, units: Mapping[RackId, tuple[int, int]]) -> Iterator[_Unit]:
    """A machine more like one that stands there, by its accelerators; by its rack units where too few are left."""
    c, among = market.columns, np.array([limit.shared for limit in market.limits])
    order = np.argsort(market.at, kind="stable")
    ends = np.searchsorted(market.at[order], np.arange(len(market.first) + 1))
    for group in np.flatnonzero(market.like >= 0).tolist():
        row = int(market.like[group])
        rack, full = int(c.rack[row]), int(c.exists[row].sum())
        shared = among[:, rack] if len(among) else np.zeros(0, dtype=np.int64)
        machine = _machine(market, group, shared, order[ends[group] : ends[group + 1]])
        model, name = c.models[int(c.model[row, int(c.exists[row].argmax())])], c.names.racks[rack]
        yield _Unit(Sort.ACCELERATOR, f"{model} in rack/{name}", machine.scaled(1 / full), float(full))
        left, height = units.get(name, (0, 0))
        if height and left < height:
            of = f"rack/{name}, for a machine of {model}"
            yield _Unit(Sort.RACK_UNIT, of, machine.scaled(1 / height), float(height))


def _machine(market: Market, group: int, shared: Ints, seats: Ints) -> More:
    """What one more of that machine brings, its seats among it, and draws while it is idle; `shared` by limit."""
    c, row, rows = market.columns, int(market.first[group]), Rows.of(market)
    idle, limits = min(int(c.idle[row]), int(c.cap[row])), np.flatnonzero(shared)
    return More(
        rows=np.concatenate([[rows.devices + group, rows.whole + group], rows.watts + limits]),
        has=np.concatenate([[float(market.devices[group]), float(market.whole[group])], -idle / shared[limits]]),
        seats=seats,
        most=market.each[seats].astype(np.float64),
    )
