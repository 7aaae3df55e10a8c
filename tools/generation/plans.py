"""A plan: what of a generated estate a person fixes (law, racks, work), so that only the rest is made up.

Read by `placet estate generate --plan`, by the demo, whose story needs names and seats of its own, by benchmarks and by
evals. Whether the fixed work is lawful, or within its racks' budgets, is its author's affair: a plan may show a fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from estate.ids import ClusterId, DatasetId, NodeId, RackId, SiteId, TenantId, Uid, WorkloadId
from estate.law import Cluster, Dataset, Facts, Grant, LegalEntity, Site, Tenant
from estate.law.agreeing import check
from estate.records import Model, Record, doubled
from estate.units import Mebibytes, Watts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from tools.generation import legal, naming
from tools.generation.layouts import Layout, Odds, Planned
from tools.generation.products import PRODUCTS, Product
from tools.kubernetes.naming import workload_id

_PRODUCTS = {p.name: p for p in PRODUCTS}
_MOST_RACKS = 10_000
_SLUG = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?")


class Racks(Model):
    """Racks with one product in each, of one cluster: named, or counted."""

    cluster: ClusterId
    product: str
    names: tuple[RackId, ...] = Field(default=(), max_length=_MOST_RACKS)
    count: int = Field(default=0, ge=0, le=_MOST_RACKS)
    """How many that nobody names."""
    nodes_each: int | None = Field(default=None, ge=1, le=99)
    """None: as many as the product has in a rack."""
    nodes_named: str = Field(default="", max_length=100)
    """A pattern, say `{rack}{number}`; empty: `eu-a-n01`, …"""
    budget_watts: Watts | None = None
    """What each may draw; None: the usual share of what its machines could."""

    @field_validator("product")
    @classmethod
    def _is_known(cls, product: str) -> str:
        if product not in _PRODUCTS:
            raise ValueError(f"`{product}` is none of {', '.join(f'`{p}`' for p in _PRODUCTS)}")
        return product

    @field_validator("nodes_named")
    @classmethod
    def _tells_nodes_apart(cls, pattern: str) -> str:
        if not pattern:
            return pattern
        if naming.RACK not in pattern or naming.NUMBER not in pattern:
            raise ValueError(f"`{pattern}` would name two nodes alike; write {naming.RACK} and {naming.NUMBER} in it")
        (example,) = naming.nodes(RackId("a"), 1, pattern)
        if not _SLUG.fullmatch(example):
            raise ValueError(
                f"`{pattern}` makes names like `{example}`; use lower-case letters, digits, dots and hyphens"
            )
        return pattern

    @model_validator(mode="after")
    def _are_some(self) -> Self:
        if bool(self.names) == bool(self.count):
            raise ValueError("which racks: write `names` or `count`, and not both")
        return self

    def machine(self) -> Product:
        """What is in each."""
        found = _PRODUCTS[self.product]
        return found if self.nodes_each is None else replace(found, nodes_per_rack=self.nodes_each)


class Seat(Model):
    """Where one replica runs."""

    node: NodeId
    accelerators: tuple[int, ...] = ()


class Work(Model):
    """A workload with a seat for each replica, which tells its cluster and what it is promised."""

    id: WorkloadId | None = None
    """None: what a cluster's inventory would call it."""
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?$")
    tenant: TenantId
    kind: WorkloadKind
    seats: tuple[Seat, ...] = Field(min_length=1, max_length=10_000)
    min_available: int = Field(default=0, ge=0)
    datasets: tuple[DatasetId, ...] = ()


class Plan(Record):
    """What is fixed; the rest is made up."""

    kind: Literal["placet.plan"] = "placet.plan"
    v: Literal[1] = 1
    author: str = "generator"
    basis: str = "made up by `placet estate generate` from a plan: nobody's law"
    entities: tuple[LegalEntity, ...]
    sites: tuple[Site, ...] = Field(min_length=1)
    clusters: tuple[Cluster, ...] = Field(min_length=1)
    racks: tuple[Racks, ...] = Field(min_length=1)
    tenants: tuple[Tenant, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    grants: tuple[Grant, ...] = ()
    work: tuple[Work, ...] = ()
    busy: int = Field(default=600, ge=0, le=1000)
    """How many of a thousand machines work, in racks where no fixed work is."""
    failed: int = Field(default=2, ge=0, le=1000)
    """How many of a thousand devices have failed."""
    cordoned: int = Field(default=10, ge=0, le=1000)
    """How many of a thousand nodes are cordoned."""
    bare: bool = False
    """Machines as a cluster reports them: without ports, disks, sockets, serials, software, and NVLink within one."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        known = {c.id for c in self.clusters}
        for number, group in enumerate(self.racks):
            if group.cluster not in known:
                raise ValueError(f"racks.{number}.cluster: `{group.cluster}` is not among `clusters`; correct the name")
        check(Facts.model_construct(None, **self._facts(datetime.max.replace(tzinfo=UTC))))
        for number, work in enumerate(self.work):
            if fault := self._fault(work):
                raise ValueError(f"work.{number}.{fault}")
        self._check_devices()
        return self

    def layout(self, seed: int, valid_until: datetime) -> Layout:
        """The plan laid out. Another seed makes up another rest; the law ends at `valid_until`."""
        odds = Odds(self.busy, self.failed, self.cordoned)
        facts = Facts(**self._facts(valid_until))
        return Layout(facts, self._planned, seed, odds, tuple(map(self._workload, self.work)), self.bare)

    def _facts(self, valid_until: datetime) -> dict[str, Any]:
        given = ("author", "basis", "entities", "sites", "clusters", "tenants", "datasets", "grants")
        racks = tuple(map(legal.rack, self._planned))
        return {"version": 1, "valid_until": valid_until, "racks": racks} | {n: getattr(self, n) for n in given}

    @cached_property
    def _planned(self) -> tuple[Planned, ...]:
        return tuple(self._laid_out())

    @cached_property
    def _rack_of(self) -> dict[NodeId, Planned]:
        return {n: p for p in self._planned for n in p.nodes}

    def _laid_out(self) -> Iterator[Planned]:
        sites = {c.id: c.site for c in self.clusters}
        numbers: Counter[SiteId] = Counter()
        for group in self.racks:
            site, product = sites[group.cluster], group.machine()
            for name in group.names or (None,) * group.count:
                numbers[site] += 1
                rack = name or naming.rack(site, numbers[site])
                nodes = naming.nodes(rack, product.nodes_per_rack, group.nodes_named)
                yield Planned(site, group.cluster, numbers[site], product, rack, nodes, group.budget_watts)

    def _fault(self, work: Work) -> str:
        """What of this work cannot be; empty: nothing."""
        tenant = next((t for t in self.tenants if t.id == work.tenant), None)
        if tenant is None:
            return f"tenant: `{work.tenant}` is not among `tenants`; correct the name"
        homes = {p for s in work.seats if (p := self._rack_of.get(s.node)) is not None}
        if lost := [s.node for s in work.seats if s.node not in self._rack_of]:
            return f"seats: `{lost[0]}` is no node of the planned racks; correct the name"
        if len({(p.cluster, p.product.model) for p in homes}) > 1 or len({len(s.accelerators) for s in work.seats}) > 1:
            return "seats: replicas are equal; keep to one cluster, one product, and as many accelerators for each"
        if not any(n.cluster == self._rack_of[work.seats[0].node].cluster for n in tenant.namespaces):
            return f"tenant: `{work.tenant}` has no namespace in the cluster of its seats; add one to the tenant"
        if unknown := set(work.datasets) - {d.id for d in self.datasets}:
            return f"datasets: `{min(unknown)}` is not among `datasets`; correct the name"
        return ""

    def _check_devices(self) -> None:
        held = [(s.node, i) for w in self.work for s in w.seats for i in s.accelerators]
        for node, index in held:
            if not 0 <= index < (most := self._rack_of[node].product.devices):
                raise ValueError(f"work: `{node}` has no accelerator {index}; it has {most}, from 0")
        if twice := doubled([f"{node}/{index}" for node, index in held]):
            raise ValueError(f"work: accelerator `{twice[0]}` is held twice; give one replica another")
        if twice := doubled([str(w.id or f"{w.tenant}/{w.name}") for w in self.work]):
            raise ValueError(f"work: `{twice[0]}` is there twice; keep one")

    def _workload(self, work: Work) -> Workload:
        home = self._rack_of[work.seats[0].node]
        tenant = next(t for t in self.tenants if t.id == work.tenant)
        namespace = next(n.name for n in tenant.namespaces if n.cluster == home.cluster)
        return Workload(
            id=work.id or workload_id(home.cluster, namespace, "Deployment", work.name),
            uid=Uid(f"uid-{home.cluster}-{namespace}-{work.name}"),
            tenant=work.tenant,
            cluster=home.cluster,
            namespace=namespace,
            name=work.name,
            kind=work.kind,
            contract=WorkloadContract(
                accelerators_per_replica=len(work.seats[0].accelerators),
                models=(home.product.model,),
                memory_mebibytes=Mebibytes(home.product.memory * 9 // 10),
                min_available=work.min_available,
            ),
            replicas=len(work.seats),
            watts_per_accelerator=home.product.device_watts,
            datasets=work.datasets,
            bindings=tuple(
                Binding(replica=number, node=seat.node, accelerators=seat.accelerators)
                for number, seat in enumerate(work.seats)
            ),
        )
