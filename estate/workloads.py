"""Workloads: what runs, for whom, under which promise, and on which devices."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from estate.attachments import Attachment
from estate.devices import Vendor
from estate.hardware import Node, Taint, TaintEffect
from estate.ids import ClusterId, DatasetId, GangId, NodeId, Slug, TenantId, Uid, WorkloadId
from estate.law import Residency
from estate.machines import Software, SoftwareName
from estate.records import Model, Time, doubled, later
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

WHOLE: Final = 1000
"""Thousandths of one accelerator."""
PROFILE: Final = r"^([a-z0-9][a-z0-9.+\-]{0,62})?$"
_MOST_AVAILABLE: Final = 999


class WorkloadKind(StrEnum):
    """What a workload does, which decides what it optimises."""

    TRAINING = "training"
    FINE_TUNING = "fine-tuning"
    INFERENCE = "inference"
    AGENT = "agent"
    BATCH = "batch"


class BandwidthClass(StrEnum):
    """How close the members of one replica must be to each other."""

    ANY = "any"
    SAME_NODE = "same-node"
    SAME_NVLINK_DOMAIN = "same-nvlink-domain"


class Span(StrEnum):
    """A domain that replicas stand in together, or apart; from the smallest."""

    NODE = "node"
    RACK = "rack"
    LEAF = "leaf"
    """Under one leaf switch, by signed fact."""
    FEED = "feed"
    """On one power feed, by signed fact."""
    SITE = "site"


class Stage(Model):
    """One stage of several that work on the same items, one feeding the next."""

    beside: tuple[WorkloadId, ...] = Field(min_length=1, max_length=16)
    """The other stages."""
    near: Span = Span.SITE
    """All stages stand in one of these."""


class Locality(StrEnum):
    """A part of a node whose devices reach each other without leaving it."""

    NUMA = "numa"
    """The processors and memory of one NUMA node, and what hangs on them."""
    PCIE = "pcie-switch"
    """What hangs on one PCIe switch; processors and memory are the node's."""


class Requirement(Model):
    """Something that must be installed, in a version or a later one."""

    name: SoftwareName
    at_least: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,7}$")]
    """Numbers with dots: `580.65`. What is installed counts up to its first word that is no number."""

    def met_by(self, installed: Iterable[Software]) -> bool:
        """Whether one of these is it, and new enough."""
        wanted = tuple(map(int, self.at_least.split(".")))
        return any(s.name == self.name and s.numbers >= wanted for s in installed)


class WorkloadContract(Model):
    """What a workload was promised. `None` promises nothing on that point."""

    accelerators_per_replica: int = Field(ge=0, le=64)
    models: tuple[str, ...] = ()
    """Acceptable accelerator models; empty accepts any."""
    memory_mebibytes: Mebibytes = Mebibytes(0)
    """Least memory of each accelerator."""
    bandwidth: BandwidthClass = BandwidthClass.SAME_NODE
    min_available: int = Field(default=0, ge=0)
    """Replicas that must be running at any time: the disruption budget."""
    latency: Milliseconds | None = None
    cost_ceiling: MicroUsdPerHour | None = None
    deadline: Time | None = None
    residency: Residency | None = None
    """Narrower limits than the tenant's own; never wider (the intersection holds)."""
    vendors: tuple[Vendor, ...] = later(())
    """Whose accelerators it runs on, sorted; empty accepts anybody's. Of a device whose maker nobody tells, the model
    alone decides."""
    together: Span | None = later()
    """All replicas in one of these: how close its members must be to each other."""
    spread: Span | None = later()
    """No two replicas in one of these: what one failure may take at most."""
    users: tuple[Slug, ...] = later((), max_length=64)
    """The sites or regions where its users are: `latency` holds to each of them."""
    ready_within: Seconds | None = later()
    """The longest that bringing its data to where it runs may take."""
    data_cost_ceiling: MicroUsd | None = later()
    """What bringing its data may cost, once."""
    storage: MegabytesPerSecond = later(MegabytesPerSecond(0))
    """What each replica reads from storage."""
    availability: PerMille | None = later()
    """The share of time in which `min_available` of its replicas run, and one at least."""
    supply: Supply | None = later()
    """Least class of the power supply of every rack that it stands in."""
    priority: int = later(0, ge=-(10**9), le=2 * 10**9)
    """Whoever has more may ask those with less that are preemptible to yield."""
    preemptible: bool = later(default=False)
    """It may be stopped for work of a higher priority, whosever that is."""
    start: Time | None = later()
    """It is not wanted before."""
    paces: tuple[Pace, ...] = later((), max_length=64)
    """How long it runs, and how much a replica handles, by model."""
    stage: Stage | None = later()
    """It is one of several stages that are of use near each other."""
    fault: str = later("", max_length=1000)
    """What is wrong with how it is written; as long as something is, it is placed nowhere."""

    millicores: Millicores = later(Millicores(0))
    """Processors of each replica, as its pods request them."""
    host_mebibytes: Mebibytes = later(Mebibytes(0))
    """Memory of each replica beside that of its accelerators."""
    share: MilliGpu | None = later(None, gt=0, lt=WHOLE)
    """What each replica takes of one accelerator that its tenant's own replicas share; None: of each the whole."""
    profile: Annotated[str, StringConstraints(pattern=PROFILE)] = later("")
    """By which name its accelerators are asked for where they are slices of one (`1g.10gb`); empty: whole ones."""

    limit_watts: Watts = later(Watts(0))
    """Least power limit of each accelerator: one that is held below its maker's is a slower one."""
    software: tuple[Requirement, ...] = later((), max_length=16)
    """What must be installed on its nodes, sorted by name."""
    locality: Locality | None = later()
    """Within which part of a node each replica has its accelerators, processors, memory and rails."""
    rails: int = later(0, ge=0, le=64)
    """RDMA ports that each replica has for itself, in the same part of the node."""
    rail_speed: MegabitsPerSecond = later(MegabitsPerSecond(0))
    """What each of them must have to spare."""

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if twice := doubled([p.model for p in self.paces]):
            raise ValueError(f"paces: two for model `{twice[0]}`; keep one")
        if self.users and self.latency is None:
            raise ValueError("users: named, and no `latency` that would hold to them; add it")
        if self.availability is not None and self.availability > _MOST_AVAILABLE:
            raise ValueError(f"availability: nothing is up for {self.availability} ‰ of the time; ask for less")
        if self.deadline is None:
            return self
        times = [p.run_time for p in self.paces if p.run_time is not None]
        done = (self.start or self.deadline) + timedelta(seconds=min(times, default=0) if self.start else 0)
        if done > self.deadline:
            raise ValueError(f"deadline: `{self.deadline:%FT%TZ}` is before its run could end; give it more time")
        return self

    @property
    def milli(self) -> int:
        """What each replica takes of each of its accelerators, in thousandths."""
        return WHOLE if self.share is None else self.share

    @model_validator(mode="after")
    def _shares_one_accelerator(self) -> Self:
        if self.share is not None and self.accelerators_per_replica != 1:
            asked = self.accelerators_per_replica
            raise ValueError(
                f"share: a part of one accelerator, and yet {asked} of them; ask for one, or for whole ones"
            )
        if self.profile and (self.share is not None or not self.accelerators_per_replica):
            raise ValueError(f"profile: `{self.profile}` needs at least one accelerator, and cannot be shared further")
        return self

    @model_validator(mode="after")
    def _has_something_to_be_near_to(self) -> Self:
        if self.locality is not None and not self.accelerators_per_replica:
            raise ValueError(f"locality: `{self.locality.value}` without accelerators; ask for some, or leave it out")
        if self.rail_speed and not self.rails:
            raise ValueError(f"rail_speed: {self.rail_speed} Mbit/s and no rails; say how many")
        return self

    @model_validator(mode="after")
    def _stands_together_within_what_it_is_spread_over(self) -> Self:
        if self.together is None or self.spread is None:
            return self
        order = list(Span)
        if order.index(self.spread) >= order.index(self.together):
            raise ValueError(f"spread: no two in one {self.spread.value}, and yet all in one {self.together.value}")
        return self

    def accepts(self, model: str, vendor: Vendor | None) -> bool:
        """Whether an accelerator of that model and maker will do."""
        made = not self.vendors or vendor is None or vendor in self.vendors
        board = (
            model.split("-MIG-", maxsplit=1)[0] if self.profile else model
        )  # a slice is of the model that it is cut from
        return made and (not self.models or model in self.models or board in self.models)

    def pace_on(self, model: str) -> Pace | None:
        """What is stated of its pace on a model."""
        found = {p.model: p for p in self.paces}
        return found.get(model, found.get(""))


class Toleration(Model):
    """Taints that a workload's replicas put up with."""

    key: str = ""
    """Empty tolerates every key."""
    value: str | None = None
    """None tolerates every value (Kubernetes' operator `Exists`)."""
    effect: TaintEffect | None = None
    """None tolerates every effect."""

    def covers(self, taint: Taint) -> bool:
        """Whether it puts up with `taint`."""
        keys, values = self.key in ("", taint.key), self.value in (None, taint.value)
        return keys and values and self.effect in (None, taint.effect)


class Binding(Model):
    """One running replica: the node and the accelerator indexes it holds there."""

    replica: int = Field(ge=0)
    node: NodeId
    accelerators: tuple[int, ...] = ()


class Gang(Model):
    """Replicas that are of use only together: when one stops, all stop. See `estate.gangs`."""

    id: GangId
    """The same in every workload that has members of it."""
    replicas: tuple[int, ...] = ()
    """The members here; empty means every replica."""


class Workload(Model):
    """A set of equal replicas of one tenant in one cluster. A replica without a binding is pending."""

    id: WorkloadId
    uid: Uid
    tenant: TenantId
    cluster: ClusterId
    namespace: str
    name: str
    kind: WorkloadKind
    contract: WorkloadContract
    replicas: int = Field(ge=0, le=10_000)
    watts_per_accelerator: Watts = Watts(0)
    datasets: tuple[DatasetId, ...] = ()
    bindings: tuple[Binding, ...] = ()
    counted: bool = False
    """Its system counts: equal pods without numbers, devices allotted by number and not by name (a Deployment that asks
    for `nvidia.com/gpu: 4`). Replica numbers and device indexes are then the inventory's book-keeping, and conditions
    compare nodes and counts."""
    tolerations: tuple[Toleration, ...] = ()
    gangs: tuple[Gang, ...] = ()
    attachments: tuple[Attachment, ...] = later((), max_length=256)
    """The storage and networks that every replica is attached to, sorted."""
    gated: bool = later(False)
    """Replicas that wait are held back until Placet has placed them: its scheduling gate is on them."""

    @model_validator(mode="after")
    def _binds_each_replica_once(self) -> Self:
        seen = [b.replica for b in self.bindings]
        if len(seen) != len(set(seen)):
            raise ValueError("a replica is bound twice")
        if any(b.replica >= self.replicas for b in self.bindings):
            raise ValueError("a binding names a replica beyond `replicas`")
        return self

    @model_validator(mode="after")
    def _puts_each_replica_into_one_gang(self) -> Self:
        members = [r for g in self.gangs for r in g.replicas]
        if len(members) != len(set(members)) or (len(self.gangs) > 1 and not all(g.replicas for g in self.gangs)):
            raise ValueError("gangs: a replica is in two of them; name for each of several gangs its own replicas")
        return self

    def gang_of(self, replica: int) -> GangId | None:
        """The gang that this replica is in."""
        return next((g.id for g in self.gangs if not g.replicas or replica in g.replicas), None)

    def broken_by(self, kept: Collection[Binding]) -> tuple[Binding, ...]:
        """The running replicas that stop where only `kept` stay: those left out, and whoever is in a gang with one."""
        out = set(self.bindings).difference(kept)
        gangs = {self.gang_of(b.replica) for b in out} - {None}
        return tuple(b for b in self.bindings if b in out or self.gang_of(b.replica) in gangs)

    def repelled_by(self, node: Node) -> Taint | None:
        """The first taint that keeps new replicas off `node` for certain."""
        return next((t for t in node.closing_taints if not self.tolerates(t)), None)

    def tolerates(self, taint: Taint) -> bool:
        """Whether its replicas put up with `taint`."""
        return any(t.covers(taint) for t in self.tolerations)

    @property
    def at_once(self) -> int:
        """How many replicas may be under way together without breaking the promise of those that keep running."""
        return max(1, len(self.bindings) - self.contract.min_available)

    def without(self, bindings: Collection[Binding]) -> Self:
        """The workload once these replicas are pending."""
        return self.model_copy(update={"bindings": tuple(b for b in self.bindings if b not in bindings)})

    def on(self, node: NodeId) -> tuple[Binding, ...]:
        """The replicas that run on `node`."""
        return tuple(b for b in self.bindings if b.node == node)
