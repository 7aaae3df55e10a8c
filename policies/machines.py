"""What the law reads of machines that are ordered or given back: facts that are missing, how many, for how much. Pure.

Called by `context`. Prices and offers are claims of whoever states them: of several the dearest counts, and where a
ceiling stands, one that nobody states is beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from estate import pooling
from estate.changes import ScaleMachineGroup
from estate.ids import SiteId, TenantId
from estate.law import Facts, Pool
from estate.snapshots import Snapshot
from estate.uses.offers import Offer
from policies.profiles import Profile
from policies.promises import Prices


def missing(facts: Facts, change: ScaleMachineGroup) -> set[str]:
    """The facts without which nobody can say whose machines come, and where to."""
    pool, home = facts.pool.get(change.group), pooling.home(change.group)
    if pool is None:
        return {f"pools.{change.group}"}
    gaps = set() if home is None or home.cluster in facts.cluster else {f"clusters.{home.cluster}"}
    cluster = facts.cluster.get(pool.cluster)
    if cluster is None:
        return gaps | {f"clusters.{pool.cluster}"}
    owner = facts.site[cluster.site].owner
    if pool.provider not in {owner, cluster.operator, *cluster.subprocessors}:
        gaps.add(f"clusters.{cluster.id}.subprocessors: {pool.provider}, who provides machines of {pool.id}")
    if pool.provider == owner and not pool.racks:
        gaps.add(f"pools.{pool.id}.racks: {owner} owns the site, so its machines stand in racks of it")
    return gaps


def added(base: Snapshot, after: Snapshot) -> int:
    """Machines that all groups gain together."""
    grown = ((pooling.found(base, p.id), g.wanted or 0) for p, g in pooling.pools(after))
    return sum(max(wanted - ((was.wanted or 0) if was is not None else 0), 0) for was, wanted in grown)


def ordered(base: Snapshot, after: Snapshot, change: ScaleMachineGroup) -> int:
    """Accelerators that the group gains."""
    was, now, pool = (*(pooling.found(s, change.group) for s in (base, after)), after.facts.pool.get(change.group))
    if was is None or now is None or pool is None:
        return 0
    return max((now.wanted or 0) - (was.wanted or 0), 0) * pool.accelerators_each


def offered(snapshot: Snapshot, change: ScaleMachineGroup, now: datetime) -> int | None:
    """Accelerators that the provider says it has for a group, within what may be rented; None where nobody says."""
    pool = snapshot.facts.pool.get(change.group)
    lefts = [_left(o) for o in _offers(snapshot, pool, now)] if pool is not None else []
    told = [left for left in lefts if left is not None]
    return sum(told) if told else None


@dataclass(frozen=True, slots=True)
class Spent:
    """What machines cost in an hour, in micro-dollars, and the most that they may."""

    cost: int | None
    """None: of some nobody says."""
    ceiling: int


def spent(snapshot: Snapshot, change: ScaleMachineGroup, profile: Profile, now: datetime) -> Spent | None:
    """Against the ceiling that is nearest, the installation's or the tenant's; None where none stands."""
    found = [Spent(_cost(snapshot, owner, now), most) for owner, most in _ceilings(snapshot.facts, change, profile)]
    unknown = [s for s in found if s.cost is None]
    return next(iter(unknown or sorted(found, key=lambda s: s.ceiling - (s.cost or 0))), None)


def _ceilings(facts: Facts, change: ScaleMachineGroup, profile: Profile) -> Iterator[tuple[TenantId | None, int]]:
    if profile.machines.hourly is not None:
        yield None, int(profile.machines.hourly)
    pool = facts.pool.get(change.group)
    owner = pool.tenant if pool is not None else None
    for ceiling in profile.ceilings if owner is not None else ():
        if ceiling.machines_hourly is not None and ceiling.tenant in (None, owner):
            yield owner, int(ceiling.machines_hourly)


def _cost(snapshot: Snapshot, owner: TenantId | None, now: datetime) -> int | None:
    """Of all machines that the owner's groups shall have (None: of all groups)."""
    prices, total = Prices.of(snapshot, now), 0
    for pool, group in pooling.pools(snapshot):
        if owner in (None, pool.tenant):
            each = _hourly(snapshot, pool, prices, now)
            if each is None or group.wanted is None:
                return None
            total += each * group.wanted
    return total


def _hourly(snapshot: Snapshot, pool: Pool, prices: Prices, now: datetime) -> int | None:
    if pool.hourly_each is not None:
        return int(pool.hourly_each)
    if not pool.accelerators_each:
        return None
    listed = prices.hour(_site(snapshot.facts, pool), pool.model)
    asked = [int(o.hourly) for o in _offers(snapshot, pool, now) if o.hourly is not None]
    known = [*asked, *([listed] if listed is not None else [])]
    return max(known) * pool.accelerators_each if known else None


def _offers(snapshot: Snapshot, pool: Pool, now: datetime) -> Iterator[Offer]:
    """Those in force of that provider, for that model at that site."""
    site, entity = _site(snapshot.facts, pool), snapshot.facts.entity.get(pool.provider)
    names = (pool.provider, entity.name if entity is not None else "")
    for offer in snapshot.stock.all("offer"):
        if not isinstance(offer, Offer) or offer.valid_until <= now or offer.site != site:
            continue
        if offer.provider in names and offer.model == pool.model:
            yield offer


def _site(facts: Facts, pool: Pool) -> SiteId | None:
    cluster = facts.cluster.get(pool.cluster)
    return cluster.site if cluster is not None else None


def _left(offer: Offer) -> int | None:
    if offer.available is None:
        return None
    quota = offer.available if offer.quota is None else offer.quota - (offer.rented or 0)
    return max(min(offer.available, quota), 0)
