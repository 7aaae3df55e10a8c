"""Cost: what all replicas come to in an hour, within the ceiling. A price that nobody states is above every ceiling."""

from __future__ import annotations

import numpy as np

from estate.ids import SiteId
from estate.units import MicroUsdPerHour
from estate.verdicts import Dimension
from policies import promises
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.rooms import Room
from tools.placement.wishes import FAR, Wish


def moving(wish: Wish, room: Room, _without: Constraint | None) -> Masks:
    """Where one more replica would leave too little for those that still wait, at the cheapest that there is."""
    ceiling = wish.contract.cost_ceiling
    if ceiling is None or not wish.needed:
        return {}
    price = hourly(wish)
    waiting = len(wish.ask.replicas) - (len(room.seated) - len(wish.stays())) - 1
    owed = int(price.min(initial=FAR)) * max(waiting, 0)
    spent = sum(int(price[r]) for r in room.seated)
    return {Constraint.COST: price > ceiling - min(owed + spent, FAR)}


def hourly(wish: Wish) -> Ints:
    """Micro-dollars an hour that one replica costs on each node, on the dearest devices that would do; or `FAR`."""
    return wish.measured("micro-dollars an hour", _hourly, of_kind=True)


def _hourly(wish: Wish) -> Ints:
    c, known = wish.columns, promises.Prices.of(wish.snapshot, wish.ask.at)
    if not wish.needed:
        return np.zeros(len(c.ids), dtype=np.int64)
    by_kind = np.full((len(c.names.sites) + 1, len(c.models) + 1), FAR // 64, dtype=np.int64)
    sites: list[SiteId | None] = [*c.names.sites, None]
    for site, place in enumerate(sites):
        for model, name in enumerate(c.models):
            price = known.hour(place, name)
            by_kind[site, model] = FAR // 64 if price is None else price
    usable = c.exists & suitable(wish, None)[0]
    dearest = np.where(usable, by_kind[c.site[:, None], c.model], 0).max(axis=1, initial=0)
    found: Ints = np.where(usable.any(axis=1), np.minimum(dearest * wish.needed, FAR), FAR)
    return np.where(dearest >= FAR // 64, FAR, found)


def _words(by: Refused) -> Words:
    price = hourly(by.wish)
    cheapest = int(price[by.refused].min())
    found = "nobody states a price" if cheapest >= FAR else f"{cheapest} for each of {by.wish.workload.replicas}"
    needed = f"{by.wish.contract.cost_ceiling} micro-dollars an hour at most"
    return needed, found, "choose cheaper devices or fewer replicas, or raise the contract's ceiling"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    price = hourly(wish)
    total = sum(int(price[r]) for r in (*wish.stays(), *attempt.rows))
    if total >= FAR:
        return Easing({"cost_ceiling": None}, "do without a ceiling: nobody states what it costs")
    says = f"accept {total} instead of {wish.contract.cost_ceiling} micro-dollars an hour"
    return Easing({"cost_ceiling": MicroUsdPerHour(total)}, says)


RULES = (promise(Constraint.COST, _words, _eased, "a place within your cost ceiling", Dimension.COST, hourly),)
