"""What one more unit of each scarce thing is worth, in accelerators at work, and how far the fleet is from its bounds.

Called by `accounts` where a report asks for it: it solves two linear programmes and one more for each scarce thing, so
that a large fleet takes seconds. A worth is the price of what waits now; each is asked again with a whole unit more,
and the words tell both where they differ. Accelerators come in machines: a unit of them is a part of one machine more
like those that stand there, which draws its idle watts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from estate.ids import RackId
from estate.records import Model
from estate.snapshots import Snapshot
from tools.placement.columns import Columns, Flags
from tools.placement.fleets.worth import goods, markets, pricing
from tools.placement.fleets.worth.goods import Sort
from tools.placement.fleets.worth.grounds import seats, waiting
from tools.placement.fleets.worth.markets import Market
from tools.placement.fleets.worth.pricing import More, Prices, Programme, scaled

_MOST_SEATS: Final = 400_000
"""Seats that are solved again for one report, in all: as many scarce things as that allows are asked again."""
_MOST_AGAIN: Final = 40
_NOTHING: Final = 1e-6
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
    """What a fleet could do beyond what it does. Bounds are proved, and may lie a little above what can be had."""

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


def worth(snapshot: Snapshot, columns: Columns, rows: Flags) -> Worth:
    """The worth of these rows of a fleet."""
    now = markets.as_it_stands(snapshot, columns, rows)
    problem = pricing.programme(now)
    value = pricing.solved(problem)
    prices = pricing.solved(problem, pricing.hair(now, problem))
    at_work = sum(len(s.binding.accelerators) for s in seats(snapshot, columns, rows))
    could, staying = markets.as_it_could_be(snapshot, columns, rows)
    anew = pricing.programme(could)
    if_moved = max(staying + pricing.proved(anew, pricing.solved(anew)), at_work)
    wanted = ((snapshot.workload(name), len(replicas)) for name, replicas in waiting(snapshot).items())
    return Worth(
        at_work=at_work,
        waited_for=sum(n * w.contract.accelerators_per_replica for w, n in wanted if w is not None),
        as_it_stands=min(at_work + pricing.proved(problem, value), if_moved),
        if_moved=if_moved,
        gap_permille=1000 * (if_moved - at_work) // max(if_moved, 1),
        goods=tuple(_goods(problem, value.value, prices, units(snapshot, now))),
    )


def _goods(problem: Programme, value: float, prices: Prices, offered: Iterable[_Unit]) -> list[Good]:
    priced = ((prices.worth(unit.more), unit) for unit in offered)
    scarce = sorted(((p, u) for p, u in priced if p > _NOTHING), key=lambda pair: (-pair[0], pair[1].sort, pair[1].of))
    again = min(_MOST_AGAIN, _MOST_SEATS // max(len(problem.most), 1) + 1)
    found = list[Good]()
    for place, (price, unit) in enumerate(scarce):
        more = pricing.gained(problem, value, scaled(unit.more, unit.whole)) if place < again else None
        found.append(_good(unit, price, None if more is None else more / unit.whole))
    return sorted(found, key=lambda g: (g.solved_milli is None, -(g.solved_milli or 0)))


def _good(unit: _Unit, price: float, gained: float | None) -> Good:
    by_price, by_solving = round(1000 * price), None if gained is None else round(1000 * gained)
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
    has, most = len(market.first) + len(market.classes), len(market.of)
    rows = has + len(market.limits) + len(market.shares)
    for place, limit in enumerate(market.limits):
        one = More(np.zeros(rows), np.zeros(most))
        one.has[has + place] = _WATTS
        yield _Unit(limit.sort, " and ".join(f"{ref.kind}/{ref.id}" for ref in limit.of), one)
    for place, share in enumerate(market.shares):
        one = More(np.zeros(rows), np.zeros(most))
        one.has[has + len(market.limits) + place] = 1.0
        yield _Unit(Sort.QUOTA, f"{share.bound.tenant} ({share.bound.scope})", one)
    yield from _machines(market, goods.heights(snapshot))


def _machines(market: Market, heights: Mapping[RackId, tuple[int, int]]) -> Iterator[_Unit]:
    """A machine more like one that stands there, by its accelerators; by its rack units where too few are left."""
    c, each = market.columns, market.each
    for group in np.flatnonzero(market.like >= 0).tolist():
        row = int(market.like[group])
        rack, full = int(c.rack[row]), int(c.exists[row].sum())
        machine = _machine(market, group, np.where(market.at == group, each, 0).astype(float))
        model, name = c.models[int(c.model[row, int(c.exists[row].argmax())])], c.names.racks[rack]
        yield _Unit(Sort.ACCELERATOR, f"{model} in rack/{name}", scaled(machine, 1 / full), float(full))
        left, height = heights.get(name, (0, 0))
        if height and left < height:
            of = f"rack/{name}, for a machine of {model}"
            yield _Unit(Sort.RACK_UNIT, of, scaled(machine, 1 / height), float(height))


def _machine(market: Market, group: int, seats: pricing.Floats) -> More:
    """What one more of that machine brings, its seats among it, and draws while it is idle."""
    c, row = market.columns, int(market.first[group])
    has = np.zeros(len(market.classes) + len(market.first) + len(market.limits) + len(market.shares))
    has[len(market.classes) + group] = float(c.free[row].sum())
    idle = min(int(c.idle[row]), int(c.cap[row]))
    for place, limit in enumerate(market.limits):
        if among := int(limit.shared[c.rack[row]]):
            has[len(market.classes) + len(market.first) + place] = -idle / among
    return More(has, seats)
