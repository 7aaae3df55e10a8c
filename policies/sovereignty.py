"""Sovereignty on its axes, as pure functions over the law base: who and where a cluster exposes a workload to.

Gate (as typed context for Cedar), placement (as masks) and explanations use this. The kernel does not: it is the
second opinion and has code of its own (`policies.kernel`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from estate.ids import ClusterId, Country, DatasetId, EntityId, SiteId, TenantId
from estate.law import Facts, Residency
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import lineages

AXES = (Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL, Dimension.KEY)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of exposure against its limit. Empty on either side means unknown, and unknown denies."""

    dimension: Dimension
    allowed: frozenset[Country]
    found: frozenset[Country]
    unknown: tuple[str, ...] = ()
    """Facts that are missing, by their path in the facts file."""

    @property
    def outside(self) -> frozenset[Country]:
        """The countries found that the limit does not allow."""
        return self.found - self.allowed

    @property
    def holds(self) -> bool:
        """Whether everything is known and inside."""
        return bool(self.allowed and self.found) and not self.outside and not self.unknown


@dataclass(frozen=True, slots=True)
class Reach:
    """What a cluster exposes everything on it to: countries per axis, and the facts that are missing."""

    geographic: frozenset[Country]
    legal: frozenset[Country]
    operational: frozenset[Country]
    key: frozenset[Country]
    unknown: tuple[tuple[Dimension, str], ...]


def reached(facts: Facts, cluster: ClusterId) -> frozenset[Country]:
    """Every country that a cluster exposes something to, on whatever axis."""
    found = reach(facts, cluster)
    return found.geographic | found.legal | found.operational


def reach(facts: Facts, cluster: ClusterId) -> Reach:
    """The exposure of a cluster; computed once per facts and cluster."""
    return _reach(facts.facts_digest, _Held(facts), cluster)


class Bounds(NamedTuple):
    """By whom and what the countries of something are limited."""

    tenant: TenantId
    datasets: tuple[DatasetId, ...] = ()
    residency: Residency | None = None
    """Its own contract's, where it has one."""

    @classmethod
    def of(cls, workload: Workload) -> Bounds:
        """Of a workload."""
        return cls(workload.tenant, workload.datasets, workload.contract.residency)


@dataclass(frozen=True, slots=True)
class Limits:
    """The countries allowed to something."""

    residency: Residency
    keys_limited: bool
    """Whether anybody limits the holders of its keys beyond the legal axis, on which they stand as well."""


def limits(facts: Facts, bounds: Bounds) -> Limits:
    """What its tenant, its own contract, and every dataset allow together, with all that those were made from."""
    tenant = facts.tenant.get(bounds.tenant)
    datasets = [facts.dataset.get(name) for name in lineages.bound_by(facts, bounds.datasets)]
    parts = [holder.residency if holder else Residency() for holder in (tenant, *datasets)]
    if bounds.residency is not None:
        parts.append(bounds.residency)
    keys = [p.key for p in parts if p.key] + [()] * (tenant is None or None in datasets)
    residency = Residency(
        geographic=_meet(p.geographic for p in parts),
        legal=_meet(p.legal for p in parts),
        operational=_meet(p.operational for p in parts),
        key=_meet(keys) if keys else (),
    )
    return Limits(residency, keys_limited=bool(keys))


def exposure(facts: Facts, workload: Workload, cluster: ClusterId) -> tuple[Axis, ...]:
    """The axes of putting `workload` on `cluster`, in the order of `AXES`."""
    return exposure_of(facts, Bounds.of(workload), cluster)


def exposure_of(facts: Facts, bounds: Bounds, cluster: ClusterId) -> tuple[Axis, ...]:
    """As `exposure`, of whatever is bound so."""
    return _axes(limits(facts, bounds), reach(facts, cluster))


def exposure_of_tenant(facts: Facts, name: TenantId | None, cluster: ClusterId) -> tuple[Axis, ...]:
    """The axes of putting something of a tenant, and of no dataset, into `cluster`."""
    tenant = facts.tenant.get(name) if name is not None else None
    allowed = tenant.residency if tenant else Residency()
    return _axes(Limits(allowed, keys_limited=bool(allowed.key)), reach(facts, cluster))


def exposure_of_cluster(facts: Facts, cluster: ClusterId) -> tuple[Axis, ...]:
    """The axes of making `cluster` larger: whatever any tenant of it allows, because any may come to run there."""
    residents = [t.residency for t in facts.tenants if any(n.cluster == cluster for n in t.namespaces)] or [Residency()]
    keys = [r.key for r in residents if r.key]
    allowed = Residency(
        geographic=_meet(r.geographic for r in residents),
        legal=_meet(r.legal for r in residents),
        operational=_meet(r.operational for r in residents),
        key=_meet(keys) if keys else (),
    )
    return _axes(Limits(allowed, keys_limited=bool(keys)), reach(facts, cluster))


def sites_open_to(facts: Facts, dataset: DatasetId) -> frozenset[SiteId]:
    """Where a dataset may lie: the sites with a cluster that keeps its limits. Computed once per facts and dataset."""
    return _sites_open_to(facts.facts_digest, _Held(facts), dataset)


def _axes(limits: Limits, found: Reach) -> tuple[Axis, ...]:
    """Where nobody limits the holders of keys, whoever they are is allowed on that axis."""
    limited = [axis for axis in AXES if axis is not Dimension.KEY or limits.keys_limited]
    return tuple(
        Axis(
            dimension=axis,
            allowed=frozenset(getattr(limits.residency if axis in limited else found, axis.value)),
            found=getattr(found, axis.value),
            unknown=tuple(path for dimension, path in found.unknown if dimension is axis),
        )
        for axis in AXES
    )


class _Held:
    """Facts as an argument that the cache ignores: the digest beside it is the key."""

    __slots__ = ("facts",)

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)


@lru_cache(maxsize=4096)
def _reach(_digest: str, held: _Held, cluster_id: ClusterId) -> Reach:
    facts = held.facts
    cluster = facts.cluster.get(cluster_id)
    if cluster is None:
        gone = tuple((axis, f"clusters.{cluster_id}") for axis in AXES)
        return Reach(frozenset(), frozenset(), frozenset(), frozenset(), gone)
    site = facts.site[cluster.site]
    unknown: list[tuple[Dimension, str]] = []
    for field in ("replicas_in", "backups_in", "telemetry_in"):
        if not getattr(site, field):
            unknown.append((Dimension.GEOGRAPHIC, f"sites.{site.id}.{field}"))
    for field in ("admins_in", "support_in"):
        if not getattr(cluster, field):
            unknown.append((Dimension.OPERATIONAL, f"clusters.{cluster.id}.{field}"))
    owners = (site.owner, cluster.operator, cluster.key_holder, cluster.update_authority, *cluster.subprocessors)
    actors = (cluster.update_authority, cluster.stop_authority)
    return Reach(
        geographic=frozenset(
            (site.country, *site.replicas_in, *site.backups_in, *site.telemetry_in, *cluster.control_plane_in)
        ),
        legal=compelling(facts, owners),
        operational=frozenset((*cluster.admins_in, *cluster.support_in, *(facts.entity[a].seat for a in actors))),
        key=compelling(facts, (cluster.key_holder,)),
        unknown=tuple(unknown),
    )


@lru_cache(maxsize=4096)
def _sites_open_to(_digest: str, held: _Held, dataset: DatasetId) -> frozenset[SiteId]:
    facts, known = held.facts, held.facts.dataset.get(dataset)
    if known is None:
        return frozenset()
    bounds = Bounds(known.tenant, (dataset,))
    return frozenset(c.site for c in facts.clusters if all(a.holds for a in exposure_of(facts, bounds, c.id)))


def compelling(facts: Facts, entities: Iterable[EntityId]) -> frozenset[Country]:
    """Every country that can compel one of these entities or anyone who controls it."""
    seen: set[EntityId] = set()
    waiting = list(entities)
    countries: set[Country] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        entity = facts.entity[name]
        countries.update((entity.seat, *entity.compelled_by))
        waiting.extend(entity.parents)
    return frozenset(countries)


def _meet(sets: Iterable[tuple[Country, ...]]) -> tuple[Country, ...]:
    first, *rest = (frozenset(s) for s in sets)
    return tuple(sorted(first.intersection(*rest)))
