"""What somebody asks for before there is a workload: a contract with its tenant, checked against the estate. Pure.

Called by `offers`. A request that contradicts itself, or names what is not there, is a BadInput that names the field;
one that merely does not fit is answered.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from estate.devices import Vendor
from estate.ids import ClusterId, DatasetId, SiteId, Slug, TenantId, Uid, WorkloadId
from estate.law import Residency
from estate.records import Model, Time, doubled
from estate.snapshots import Snapshot
from estate.terms import Pace, Supply
from estate.units import (
    Mebibytes,
    MegabitsPerSecond,
    MegabytesPerSecond,
    MicroUsd,
    MicroUsdPerHour,
    Millicores,
    MilliGpu,
    Milliseconds,
    PerMille,
    Seconds,
    Watts,
)
from estate.workloads import (
    PROFILE,
    BandwidthClass,
    Locality,
    Requirement,
    Span,
    Stage,
    Workload,
    WorkloadContract,
    WorkloadKind,
)
from tools.kubernetes import contracts, power
from tools.placement import staging
from tools.placement.assurance.domains import Word
from tools.placement.columns import Columns
from tools.placement.offering.checking import check

NAME = WorkloadId("request")
_ALIKE = (
    *("memory_mebibytes", "bandwidth", "together", "spread", "cost_ceiling", "deadline", "residency"),
    *("share", "profile", "limit_watts", "millicores", "host_mebibytes", "locality", "rails", "rail_speed"),
)
"""Fields that mean the same in a request and in a contract."""


class Feeder(Model):
    """A stage before the one that is asked for: what it works through, the other takes up."""

    name: Slug
    kind: WorkloadKind = WorkloadKind.BATCH
    accelerators: int = Field(default=0, ge=0, le=64)
    """Of each replica; how many replicas there are follows from the rates."""
    models: tuple[str, ...] = Field(default=(), max_length=64)
    items_per_hour: int = Field(ge=1, le=10**15)
    """What one of its replicas works through."""


class Request(Model):
    """Accelerators for one tenant."""

    tenant: TenantId
    kind: WorkloadKind = WorkloadKind.TRAINING
    replicas: int = Field(default=1, ge=1, le=1000)
    accelerators: int = Field(ge=0, le=64)
    """Of each replica."""
    models: tuple[str, ...] = Field(default=(), max_length=64)
    """Any of them will do; none named: every model."""
    vendors: tuple[Vendor, ...] = ()
    memory_mebibytes: Mebibytes = Field(default=Mebibytes(0), ge=0, le=10_000_000)
    """Least memory of each accelerator."""
    share: MilliGpu | None = Field(default=None, gt=0, lt=1000)
    """Of the one accelerator of each replica, in thousandths."""
    profile: str = Field(default="", pattern=PROFILE)
    """The size of slice that each accelerator is to be, as its maker calls it: `1g.10gb`."""
    limit_watts: Watts = Field(default=Watts(0), ge=0, le=10_000)
    """Least power limit of each accelerator."""
    millicores: Millicores = Field(default=Millicores(0), ge=0, le=10_000_000)
    """Processors of each replica."""
    host_mebibytes: Mebibytes = Field(default=Mebibytes(0), ge=0, le=100_000_000)
    """Memory of each replica beside its accelerators'."""
    locality: Locality | None = None
    """Within which part of a node all of that is."""
    rails: int = Field(default=0, ge=0, le=64)
    """RDMA ports of its own for each replica."""
    rail_speed: MegabitsPerSecond = Field(default=MegabitsPerSecond(0), ge=0)
    software: tuple[Requirement, ...] = Field(default=(), max_length=16)
    """What must be installed."""
    bandwidth: BandwidthClass = BandwidthClass.SAME_NODE
    together: Span | None = None
    """All replicas in one of these."""
    spread: Span | None = None
    """No two replicas in one of these."""
    sites: tuple[SiteId, ...] = Field(default=(), max_length=64)
    residency: Residency | None = None
    """Narrower limits than the tenant's own."""
    datasets: tuple[DatasetId, ...] = Field(default=(), max_length=256)
    namespace: str = Field(default="", max_length=63)
    """Empty: the tenant's own."""
    watts_per_accelerator: Watts | None = Field(default=None, ge=0, le=10_000)
    """None: what the hungriest model that will do draws at most, by its maker."""
    cost_ceiling: MicroUsdPerHour | None = Field(default=None, ge=0)
    """Of all replicas together, in millionths of a US dollar an hour."""
    deadline: Time | None = None
    start: Time | None = None
    """It is not wanted before."""
    paces: tuple[Pace, ...] = Field(default=(), max_length=64)
    """How long it runs, and how much a replica handles in an hour, by model; an empty model is any other."""
    latency: Milliseconds | None = None
    """To each of `users`."""
    users: tuple[Slug, ...] = Field(default=(), max_length=64)
    """Sites or regions."""
    availability: PerMille | None = None
    """The share of time in which `min_available` replicas run."""
    min_available: int | None = Field(default=None, ge=1)
    """None: every replica; one, where an availability is asked for."""
    ready_within: Seconds | None = None
    """The longest that bringing its data may take."""
    data_cost_ceiling: MicroUsd | None = None
    """What bringing its data may cost, once."""
    storage: MegabytesPerSecond = MegabytesPerSecond(0)
    """What each replica reads."""
    supply: Supply | None = None
    """Least class of the power supply."""
    priority: int = Field(default=0, ge=-(10**9), le=2 * 10**9)
    preemptible: bool = False
    fed_by: tuple[Feeder, ...] = Field(default=(), max_length=8)
    """Stages before it, in as many replicas as keep up with it; all are placed together or none is."""
    near: Span = Span.SITE
    """All stages stand in one of these."""
    outlives: tuple[Word, ...] = ("node", "rack")
    """What of it must have a second home when one of these is lost, for the offer to be guaranteed."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.accelerators and (self.models or self.vendors or self.memory_mebibytes):
            raise ValueError("accelerators: 0 are asked for, and yet their model, maker or memory; leave those out")
        if self.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and self.accelerators == 1:
            raise ValueError("bandwidth: one accelerator has nobody to be connected with; leave it out")
        if self.min_available is not None and self.min_available > self.replicas:
            raise ValueError(f"min_available: {self.min_available} of {self.replicas} replicas; ask for more of them")
        if self.fed_by and not self.items_per_hour:
            raise ValueError("fed_by: how much a replica takes up is not said; name `items_per_hour` in `paces`")
        if twice := doubled([f.name for f in self.fed_by]):
            raise ValueError(f"fed_by: `{twice[0]}` is there twice; keep one")
        self.contract()
        return self

    @property
    def items_per_hour(self) -> int:
        """What all replicas together take up at most, on the model on which they are fastest; 0 where nobody says."""
        return self.replicas * max((p.items_per_hour or 0 for p in self.paces), default=0)

    def contract(self) -> WorkloadContract:
        """What it would be promised. Raises ValueError where that contradicts itself."""
        every = 1 if self.availability is not None else self.replicas
        terms = {name: getattr(self, name) for name in contracts.TERMS if name in type(self).model_fields}
        return WorkloadContract(
            **terms,
            accelerators_per_replica=self.accelerators,
            models=tuple(sorted(self.models)),
            vendors=tuple(sorted(self.vendors)),
            min_available=self.min_available or every,
            software=tuple(sorted(self.software, key=lambda r: r.name)),
            **{name: getattr(self, name) for name in _ALIKE if name not in terms},
            stage=Stage(beside=tuple(stage_name(f) for f in self.fed_by), near=self.near) if self.fed_by else None,
        )


def pending(snapshot: Snapshot, columns: Columns, request: Request, now: datetime) -> Workload:
    """The workload that it would be, with every replica waiting.

    Raises:
        BadInput: it names what is not there, or is too late.
    """
    check(snapshot, columns, request, now)
    tenant = snapshot.facts.tenant[request.tenant]
    space = request.namespace or _usual([n.name for n in tenant.namespaces])
    cluster = next((n.cluster for n in tenant.namespaces if n.name == space), ClusterId(""))
    contract = request.contract()
    return Workload(
        id=NAME,
        uid=Uid("request"),
        tenant=request.tenant,
        cluster=cluster,
        namespace=space,
        name="request",
        kind=request.kind,
        contract=contract,
        replicas=request.replicas,
        watts_per_accelerator=_watts(columns, request.watts_per_accelerator, contract),
        datasets=request.datasets,
    )


def feeders(columns: Columns, request: Request, fed: Workload) -> tuple[Workload, ...]:
    """The stages before it, in as many replicas as keep up with it."""
    return tuple(_feeder(columns, request, fed, f) for f in request.fed_by)


def stage_name(feeder: Feeder) -> WorkloadId:
    """What a stage of a request is called."""
    return WorkloadId(f"{NAME}-{feeder.name}")


def _feeder(columns: Columns, request: Request, fed: Workload, feeder: Feeder) -> Workload:
    others = (NAME, *(stage_name(f) for f in request.fed_by if f.name != feeder.name))
    replicas = staging.replicas_for(request.items_per_hour, feeder.items_per_hour)
    contract = WorkloadContract(
        accelerators_per_replica=feeder.accelerators,
        min_available=replicas,
        models=tuple(sorted(feeder.models)),
        residency=request.residency,
        priority=request.priority,
        preemptible=request.preemptible,
        stage=Stage(beside=others, near=request.near),
    )
    over = {
        "id": stage_name(feeder),
        "name": f"{fed.name}-{feeder.name}",
        "kind": feeder.kind,
        "contract": contract,
        "replicas": replicas,
        "watts_per_accelerator": _watts(columns, None, contract),
    }
    return fed.model_copy(update=over)


def _usual(names: list[str]) -> str:
    return Counter(names).most_common(1)[0][0] if names else ""


def _watts(columns: Columns, stated: Watts | None, contract: WorkloadContract) -> Watts:
    if stated is not None:
        return stated
    makers = zip(columns.models, columns.makers, strict=True)
    return Watts(max((power.draw(m).device for m, v in makers if contract.accepts(m, v)), default=0))
