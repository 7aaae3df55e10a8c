"""What a provider offers as machines that could be rented, or why it is none: of the market, not of the law.

An offer whose price, number, end or place nobody tells is turned down. Whether a workload may run there is judged apart
(`judging`), by the rules that judge every other place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from estate.ids import ClusterId, EntityId
from estate.snapshots import Snapshot
from estate.uses.clusters import GroupSort, MachineGroup
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
    cluster, pool = _pool(snapshot, clusters)
    return Hire(offer, provider, cluster, pool, machines, hourly)


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


def _pool(snapshot: Snapshot, clusters: list[ClusterId]) -> tuple[ClusterId, MachineGroup | None]:
    """The first cluster with a group of workers that can be made larger, else the first."""
    groups = (g for g in snapshot.stock.all("machine-group") if isinstance(g, MachineGroup))
    workers = {g.cluster: g for g in groups if g.sort is GroupSort.WORKERS and g.wanted is not None}
    return next(((c, workers[c]) for c in clusters if c in workers), (clusters[0], None))


def usd(micro: int) -> str:
    """An amount for people."""
    return f"{micro / 1_000_000:.2f} USD"
