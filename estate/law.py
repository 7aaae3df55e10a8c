"""The law base: signed facts about who owns, runs and can compel what. Author, basis and expiry on the whole.

Unknown is written as an absent or empty field, and means deny. These facts come only from a file that a person
signed; nothing observed on a cluster, and no proposer, ever writes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from estate.ids import ClusterId, Country, DatasetId, EntityId, NodeId, RackId, SiteId, TenantId, Uid
from estate.records import Model, Record, Time, doubled
from estate.units import Watts


class LegalEntity(Model):
    """A legal person. `parents` are every entity that controls it (shares, golden share, contract)."""

    id: EntityId
    name: str
    seat: Country
    parents: tuple[EntityId, ...] = ()
    compelled_by: tuple[Country, ...] = ()
    """Countries beyond the seat whose authorities can compel it."""


class Site(Model):
    """A place with walls. Countries are where bytes of this site come to rest."""

    id: SiteId
    country: Country
    owner: EntityId
    replicas_in: tuple[Country, ...] = ()
    backups_in: tuple[Country, ...] = ()
    telemetry_in: tuple[Country, ...] = ()


class Rack(Model):
    """A rack, its power budget, and the nodes that stand in it by signed fact."""

    id: RackId
    site: SiteId
    power_budget_watts: Watts
    power_feed: str = "a"
    leaf_switch: str = ""
    nodes: tuple[NodeId, ...] = ()


class Cluster(Model):
    """A control plane: who operates it, who can act on it, who holds its keys."""

    id: ClusterId
    uid: Uid
    site: SiteId
    operator: EntityId
    key_holder: EntityId
    update_authority: EntityId
    stop_authority: EntityId
    subprocessors: tuple[EntityId, ...] = ()
    admins_in: tuple[Country, ...] = ()
    support_in: tuple[Country, ...] = ()


class Isolation(StrEnum):
    """How far a tenant's workloads must stand from any other tenant's."""

    SHARED_NODE = "shared-node"
    DEDICATED_NODE = "dedicated-node"
    DEDICATED_RACK = "dedicated-rack"
    DEDICATED_CLUSTER = "dedicated-cluster"


class Residency(Model):
    """Where something may be, on three axes. Empty means nowhere: an unknown limit denies."""

    geographic: tuple[Country, ...] = ()
    legal: tuple[Country, ...] = ()
    operational: tuple[Country, ...] = ()


class Namespace(Model):
    """A Kubernetes namespace that belongs to a tenant."""

    cluster: ClusterId
    name: str


class DisruptionConsent(StrEnum):
    """What it takes to disturb a tenant's running workload."""

    AUTOMATIC = "automatic"
    APPROVAL = "approval"


class Tenant(Model):
    """Somebody whose workloads, data and people must stay apart from everybody else's."""

    id: TenantId
    name: str
    entity: EntityId
    residency: Residency
    isolation: Isolation = Isolation.SHARED_NODE
    apart_from: tuple[TenantId, ...] = ()
    disruption: DisruptionConsent = DisruptionConsent.AUTOMATIC
    namespaces: tuple[Namespace, ...] = ()


class Dataset(Model):
    """Data or weights with limits of its own; a workload that uses it inherits them."""

    id: DatasetId
    tenant: TenantId
    personal: bool
    residency: Residency


class Facts(Record):
    """The whole law base of an installation, as one person signed it. Its digest stands in every verdict."""

    kind: Literal["placet.facts"] = "placet.facts"
    v: Literal[1] = 1
    version: int = Field(ge=1)
    author: str
    basis: str
    valid_until: Time
    entities: tuple[LegalEntity, ...]
    sites: tuple[Site, ...]
    racks: tuple[Rack, ...]
    clusters: tuple[Cluster, ...]
    tenants: tuple[Tenant, ...]
    datasets: tuple[Dataset, ...] = ()

    @model_validator(mode="after")
    def _refers_only_to_what_it_names(self) -> Facts:
        _check_references(self)
        return self

    @cached_property
    def entity(self) -> dict[EntityId, LegalEntity]:
        """Entities by id."""
        return {e.id: e for e in self.entities}

    @cached_property
    def site(self) -> dict[SiteId, Site]:
        """Sites by id."""
        return {s.id: s for s in self.sites}

    @cached_property
    def rack(self) -> dict[RackId, Rack]:
        """Racks by id."""
        return {r.id: r for r in self.racks}

    @cached_property
    def cluster(self) -> dict[ClusterId, Cluster]:
        """Clusters by id."""
        return {c.id: c for c in self.clusters}

    @cached_property
    def tenant(self) -> dict[TenantId, Tenant]:
        """Tenants by id."""
        return {t.id: t for t in self.tenants}

    @cached_property
    def dataset(self) -> dict[DatasetId, Dataset]:
        """Datasets by id."""
        return {d.id: d for d in self.datasets}

    @cached_property
    def rack_of(self) -> dict[NodeId, RackId]:
        """The rack of each node that a fact places."""
        return {n: r.id for r in self.racks for n in r.nodes}

    @cached_property
    def nodes_at(self) -> dict[SiteId, int]:
        """How many nodes facts place at each site."""
        return {s.id: sum(len(r.nodes) for r in self.racks if r.site == s.id) for s in self.sites}

    @cached_property
    def racks_at(self) -> dict[SiteId, tuple[RackId, ...]]:
        """The racks of each site."""
        return {s.id: tuple(r.id for r in self.racks if r.site == s.id) for s in self.sites}

    @cached_property
    def racks_on_feed(self) -> dict[str, tuple[RackId, ...]]:
        """The racks on each power feed that a fact names."""
        return _grouped((r.power_feed, r.id) for r in self.racks)

    @cached_property
    def racks_on_leaf(self) -> dict[str, tuple[RackId, ...]]:
        """The racks on each leaf switch that a fact names."""
        return _grouped((r.leaf_switch, r.id) for r in self.racks)

    @cached_property
    def tenant_of(self) -> dict[tuple[ClusterId, str], TenantId]:
        """The tenant of each (cluster, namespace)."""
        return {(n.cluster, n.name): t.id for t in self.tenants for n in t.namespaces}

    @cached_property
    def facts_digest(self) -> str:
        """The digest of the canonical form, computed once."""
        return self.digest


def _grouped(pairs: Iterable[tuple[str, RackId]]) -> dict[str, tuple[RackId, ...]]:
    groups: dict[str, list[RackId]] = {}
    for name, rack in pairs:
        groups.setdefault(name, []).append(rack)
    return {name: tuple(racks) for name, racks in groups.items()}


def _check_references(facts: Facts) -> None:
    _check_unique(facts)
    for site in facts.sites:
        _known(site.owner, facts.entity, f"sites.{site.id}.owner")
    for rack in facts.racks:
        _known(rack.site, facts.site, f"racks.{rack.id}.site")
    for cluster in facts.clusters:
        _known(cluster.site, facts.site, f"clusters.{cluster.id}.site")
        for role in ("operator", "key_holder", "update_authority", "stop_authority"):
            _known(getattr(cluster, role), facts.entity, f"clusters.{cluster.id}.{role}")
        for entity in cluster.subprocessors:
            _known(entity, facts.entity, f"clusters.{cluster.id}.subprocessors")
    for tenant in facts.tenants:
        _known(tenant.entity, facts.entity, f"tenants.{tenant.id}.entity")
    for dataset in facts.datasets:
        _known(dataset.tenant, facts.tenant, f"datasets.{dataset.id}.tenant")
    for person in facts.entities:
        for parent in person.parents:
            _known(parent, facts.entity, f"entities.{person.id}.parents")


def _check_unique(facts: Facts) -> None:
    for field in ("entities", "sites", "racks", "clusters", "tenants", "datasets"):
        ids = [item.id for item in getattr(facts, field)]
        if twice := doubled(ids):
            raise ValueError(f"{field}: `{twice[0]}` is there twice; keep one")
    placed = [n for r in facts.racks for n in r.nodes]
    if len(placed) != len(set(placed)):
        raise ValueError("racks: a node stands in two racks; keep one")
    if claimed := doubled([f"{n.cluster}/{n.name}" for t in facts.tenants for n in t.namespaces]):
        raise ValueError(f"tenants: namespace `{claimed[0]}` is claimed twice; it belongs to one tenant")


def _known(
    value: str, known: dict[EntityId, LegalEntity] | dict[SiteId, Site] | dict[TenantId, Tenant], at: str
) -> None:
    if value not in known:
        raise ValueError(f"{at}: `{value}` is not defined in this file; add it or correct the name")
