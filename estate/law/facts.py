"""`Facts`: the whole law base of an installation as one record, with what engines look up in it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from estate.ids import ClusterId, ComponentId, DatasetId, EntityId, MachineGroupId, NodeId, RackId, SiteId, TenantId
from estate.law.agreeing import check
from estate.law.belongings import Belonging, Network, Volume
from estate.law.clusters import Cluster
from estate.law.datasets import Dataset, Grant
from estate.law.entities import LegalEntity
from estate.law.places import Rack, Site
from estate.law.pools import Pool
from estate.law.registrations import Registration
from estate.law.tenants import Tenant
from estate.records import Record, Time, later


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
    grants: tuple[Grant, ...] = later((), max_length=10_000)
    """Which tenants may use whose data."""
    registrations: tuple[Registration, ...] = later((), max_length=10_000)
    """The agents, models and tools that may run here."""
    volumes: tuple[Volume, ...] = later((), max_length=100_000)
    """Storage that lies in no namespace, or that its namespace's tenant shares, by whose it is."""
    networks: tuple[Network, ...] = later((), max_length=100_000)
    """Networks, likewise."""
    pools: tuple[Pool, ...] = later((), max_length=10_000)
    """Groups of machines whose number may be changed."""
    jurisdictions: str | None = later()
    """By which version of the lists the groups in it (`EU`, `EEA`, `adequate`) were expanded; None: it named none."""

    @model_validator(mode="after")
    def _refers_only_to_what_it_names(self) -> Facts:
        check(self)
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
    def pool(self) -> dict[MachineGroupId, Pool]:
        """Pools by the id of their group."""
        return {p.id: p for p in self.pools}

    @cached_property
    def registration(self) -> dict[ComponentId, Registration]:
        """Registrations by id."""
        return {r.id: r for r in self.registrations}

    @cached_property
    def grants_to(self) -> dict[tuple[TenantId, DatasetId], tuple[Grant, ...]]:
        """The grants by who may use what."""
        found: dict[tuple[TenantId, DatasetId], tuple[Grant, ...]] = {}
        for grant in self.grants:
            key = (grant.to, grant.dataset)
            found[key] = (*found.get(key, ()), grant)
        return found

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
    def nodes_on_feed(self) -> dict[str, int]:
        """How many nodes facts place on each power feed."""
        return {f: sum(len(self.rack[r].nodes) for r in racks) for f, racks in self.racks_on_feed.items()}

    @cached_property
    def nodes_on_leaf(self) -> dict[str, int]:
        """How many nodes facts place under each leaf switch."""
        return {s: sum(len(self.rack[r].nodes) for r in racks) for s, racks in self.racks_on_leaf.items()}

    @cached_property
    def tenant_of(self) -> dict[tuple[ClusterId, str], TenantId]:
        """The tenant of each (cluster, namespace)."""
        return {(n.cluster, n.name): t.id for t in self.tenants for n in t.namespaces}

    @cached_property
    def belongings(self) -> dict[tuple[ClusterId, str], tuple[Belonging, ...]]:
        """What facts say of each volume or network by what its cluster calls it."""
        found: dict[tuple[ClusterId, str], tuple[Belonging, ...]] = {}
        for belonging in (*self.volumes, *self.networks):
            for name in belonging.names:
                key = name.cluster, name.name
                found[key] = (*found.get(key, ()), belonging)
        return found

    @cached_property
    def networks_on(self) -> dict[NodeId, tuple[Network, ...]]:
        """The networks that facts join each machine to."""
        found: dict[NodeId, tuple[Network, ...]] = {}
        for network in self.networks:
            for node in network.nodes:
                found[node] = (*found.get(node, ()), network)
        return found

    @cached_property
    def tenants_below(self) -> dict[TenantId, frozenset[TenantId]]:
        """Each tenant with all that stand under it in the tree, itself included."""
        below: dict[TenantId, set[TenantId]] = {t.id: {t.id} for t in self.tenants}
        for tenant in self.tenants:
            over = tenant.parent
            while over is not None:
                below[over].add(tenant.id)
                over = self.tenant[over].parent
        return {name: frozenset(members) for name, members in below.items()}

    @cached_property
    def facts_digest(self) -> str:
        """The digest of the canonical form, computed once."""
        return self.digest


def _grouped(pairs: Iterable[tuple[str, RackId]]) -> dict[str, tuple[RackId, ...]]:
    groups: dict[str, list[RackId]] = {}
    for name, rack in pairs:
        groups.setdefault(name, []).append(rack)
    return {name: tuple(racks) for name, racks in groups.items()}
