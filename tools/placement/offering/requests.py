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
from estate.errors import BadInput
from estate.ids import ClusterId, DatasetId, SiteId, TenantId, Uid, WorkloadId
from estate.law import Residency
from estate.records import Model, Time
from estate.snapshots import Snapshot
from estate.units import Mebibytes, MegabitsPerSecond, MicroUsdPerHour, Millicores, MilliGpu, Watts
from estate.workloads import (
    PROFILE,
    BandwidthClass,
    Locality,
    Requirement,
    Span,
    Workload,
    WorkloadContract,
    WorkloadKind,
)
from tools.kubernetes import power
from tools.placement.assurance.domains import Word
from tools.placement.columns import Columns
from tools.placement.offering.explaining import check_sites

NAME = WorkloadId("request")
_ALIKE = (
    *("memory_mebibytes", "bandwidth", "together", "spread", "cost_ceiling", "deadline", "residency"),
    *("share", "profile", "limit_watts", "millicores", "host_mebibytes", "locality", "rails", "rail_speed"),
)
"""Fields that mean the same in a request and in a contract."""


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
    outlives: tuple[Word, ...] = ("node", "rack")
    """What of it must have a second home when one of these is lost, for the offer to be guaranteed."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.accelerators and (self.models or self.vendors or self.memory_mebibytes):
            raise ValueError("accelerators: 0 are asked for, and yet their model, maker or memory; leave those out")
        if self.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and self.accelerators == 1:
            raise ValueError("bandwidth: one accelerator has nobody to be connected with; leave it out")
        self.contract()
        return self

    def contract(self) -> WorkloadContract:
        """What it would be promised. Raises ValueError where the request contradicts itself."""
        return WorkloadContract(
            accelerators_per_replica=self.accelerators,
            models=tuple(sorted(self.models)),
            vendors=tuple(sorted(self.vendors)),
            min_available=self.replicas,
            software=tuple(sorted(self.software, key=lambda r: r.name)),
            **{name: getattr(self, name) for name in _ALIKE},
        )


def pending(snapshot: Snapshot, columns: Columns, request: Request, now: datetime) -> Workload:
    """The workload that it would be, with every replica waiting.

    Raises:
        BadInput: it names what is not there, or is too late.
    """
    _check(snapshot, columns, request, now)
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
        watts_per_accelerator=_watts(columns, request, contract),
        datasets=request.datasets,
    )


def _check(snapshot: Snapshot, columns: Columns, request: Request, now: datetime) -> None:
    facts = snapshot.facts
    if request.tenant not in facts.tenant:
        raise BadInput(f"tenant: no tenant `{request.tenant}`; there are {', '.join(sorted(facts.tenant))}")
    if not columns.ids:
        raise BadInput("the estate has no nodes; wait for the inventory, or see `placet doctor`")
    for model in request.models:
        if model not in columns.models:
            raise BadInput(f"models: nobody here has a `{model}`; there are {', '.join(sorted(columns.models))}")
    for name in request.datasets:
        if name not in facts.dataset:
            raise BadInput(f"datasets: no dataset `{name}` in the signed facts; have it added first")
    spaces = {n.name for n in facts.tenant[request.tenant].namespaces}
    if request.namespace and request.namespace not in spaces:
        raise BadInput(
            f"namespace: `{request.namespace}` is not one of `{request.tenant}`; there are {', '.join(sorted(spaces))}"
        )
    if request.deadline is not None and request.deadline <= now:
        raise BadInput(f"deadline: `{request.deadline:%FT%TZ}` has passed; name a later one")
    check_sites(snapshot, request.sites)


def _usual(names: list[str]) -> str:
    return Counter(names).most_common(1)[0][0] if names else ""


def _watts(columns: Columns, request: Request, contract: WorkloadContract) -> Watts:
    if request.watts_per_accelerator is not None:
        return request.watts_per_accelerator
    makers = zip(columns.models, columns.makers, strict=True)
    return Watts(max((power.draw(m).device for m, v in makers if contract.accepts(m, v)), default=0))
