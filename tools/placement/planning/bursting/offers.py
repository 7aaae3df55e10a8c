"""What a provider offers as machines that could be rented, or why it is none: of the market, not of the law.

An offer whose price, number, end or place nobody tells is turned down. Whether a workload may run there is judged apart
(`judging`), by the rules that judge every other place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from estate import pooling
from estate.ids import ClusterId, EntityId, TenantId
from estate.snapshots import Snapshot
from estate.uses.clusters import MachineGroup
from estate.uses.offers import Offer, Price, Unit
from tools.placement.planning.plans import Burst, Turned

MOST_MACHINES = 64
"""Of one offer that one plan looks at."""


@dataclass(frozen=True, slots=True)
class Hire:
    """Equal machines that could be rented, and the cluster that they would join."""

    offer: Offer
    provider: EntityId
    cluster: ClusterId
    pool: MachineGroup | None
    machines: int
    hourly: int
    """Millionths of a dollar, of one accelerator."""
    shut: str = ""
    """Why the group that is there is not made larger."""

    @property
    def machine_hourly(self) -> int:
        """Of one machine: it is rented whole."""
        return self.hourly * self.offer.accelerators_each


def hires(snapshot: Snapshot, goal: Burst, now: datetime) -> tuple[tuple[Hire, ...], tuple[Turned, ...]]:
    """What can be rented, by offer; and what cannot, with the reason."""
    found, turned = [], []
    for offer in (o for o in snapshot.stock.all("offer") if isinstance(o, Offer)):
        read = _read(snapshot, offer, goal, now)
        if isinstance(read, Hire):
            found.append(read)
        else:
            turned.append(Turned(offer=offer.id, reason=read))
    return tuple(found), tuple(turned)


def _read(snapshot: Snapshot, offer: Offer, goal: Burst, now: datetime) -> Hire | str:
    facts, hourly = snapshot.facts, _hourly(snapshot, offer, now)
    if why := _unusable(snapshot, offer, goal, now):
        return why
    provider = _entity(snapshot, offer.provider)
    if provider is None:
        return f"no fact names the legal entity `{offer.provider}`, so that nobody knows who can compel it"
    clusters = sorted(c.id for c in facts.clusters if c.site == offer.site)
    if not clusters:
        return f"no cluster of the facts stands at `{offer.site}`: who would operate it, and hold its keys, is unknown"
    if hourly is None:
        return "nobody says what an hour of it costs"
    machines = min(_left(offer), goal.ceiling // max(hourly * offer.accelerators_each, 1), MOST_MACHINES)
    if machines < 1:
        dear = _left(offer) >= 1
        return f"one machine costs {usd(hourly * offer.accelerators_each)} an hour" if dear else "none is left of it"
    cluster, pool, why = _pool(snapshot, clusters, offer, provider, goal)
    return Hire(offer, provider, cluster, pool, machines, hourly, why)


def _unusable(snapshot: Snapshot, offer: Offer, goal: Burst, now: datetime) -> str:
    """Why the market itself rules it out; empty where it does not."""
    if offer.site is None or offer.site not in snapshot.facts.site:
        return f"no fact knows its site (`{offer.site or offer.place or 'unknown'}`)"
    if offer.spot and not goal.spot:
        return "can be taken back at any time (spot), and that was not allowed"
    until = now + timedelta(hours=goal.hours)
    if offer.valid_until < until:
        return (
            f"is valid until {offer.valid_until:%Y-%m-%dT%H:%M:%SZ}, and it is needed until {until:%Y-%m-%dT%H:%M:%SZ}"
        )
    return "nobody says how many can be had now" if offer.available is None else ""


def _left(offer: Offer) -> int:
    """Whole machines that can be had now, within the quota."""
    open_to = offer.available or 0
    if offer.quota is not None:
        open_to = min(open_to, offer.quota - (offer.rented or 0))
    return max(open_to, 0) // offer.accelerators_each


def _hourly(snapshot: Snapshot, offer: Offer, now: datetime) -> int | None:
    """Its own price, else the cheapest that somebody states for that model, there and of that provider."""
    if offer.hourly is not None:
        return offer.hourly
    return min((p.amount for p in _prices(snapshot, offer, now)), default=None)


def _prices(snapshot: Snapshot, offer: Offer, now: datetime) -> Iterator[Price]:
    for price in snapshot.stock.all("price"):
        if isinstance(price, Price) and price.unit is Unit.GPU_HOUR and price.provider == offer.provider:
            holds = price.valid_until > now and (price.valid_from is None or price.valid_from <= now)
            if holds and price.model in ("", offer.model) and price.site == offer.site:
                yield price


def _entity(snapshot: Snapshot, provider: str) -> EntityId | None:
    """The legal entity that the provider is: by its id, or by its whole name."""
    return next((e.id for e in snapshot.facts.entities if provider in (e.id, e.name)), None)


def _pool(
    snapshot: Snapshot, clusters: list[ClusterId], offer: Offer, provider: EntityId, goal: Burst
) -> tuple[ClusterId, MachineGroup | None, str]:
    """The first cluster there with a group, by signed facts, of just such machines; else the first, and why not."""
    same = (provider, offer.model, offer.accelerators_each)
    found = [
        (pool, group)
        for pool, group in pooling.pools(snapshot)
        if pool.cluster in clusters and (pool.provider, pool.model, pool.accelerators_each) == same
    ]
    own = [(p, g) for p, g in found if p.tenant is None or p.tenant == _for_whom(snapshot, goal)]
    closed = [(g, why) for p, g in own if (why := pooling.shut(snapshot, p, g))]
    open_to = next(((p, g) for p, g in own if not pooling.shut(snapshot, p, g)), None)
    if open_to is not None:
        return open_to[0].cluster, open_to[1], ""
    told = f"`{closed[0][0].id}` {closed[0][1]}" if closed else "signed facts know no group of such machines for it"
    return clusters[0], None, told


def _for_whom(snapshot: Snapshot, goal: Burst) -> TenantId | None:
    workload = snapshot.workload(goal.workload) if goal.workload is not None else None
    return workload.tenant if workload is not None else goal.tenant


def usd(micro: int) -> str:
    """An amount for people."""
    return f"{micro / 1_000_000:.2f} USD"
