"""What the placement engine is asked and what it answers: where, why there, why not elsewhere, what would help."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from estate.changes import Change
from estate.ids import DatasetId, NodeId, SiteId, TenantId, WorkloadId
from estate.records import Model, Time, later
from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import Binding
from tools.placement.columns import Columns


@dataclass(frozen=True, slots=True)
class Ask:
    """Homes wanted for replicas of one workload."""

    workload: WorkloadId
    replicas: tuple[int, ...]
    sites: tuple[SiteId, ...] = ()
    """Only these sites; empty: any."""
    avoid: frozenset[NodeId] = field(default_factory=frozenset)
    """Nodes not to use (the failing one, those a gate refused)."""
    at: datetime | None = None
    """When it is asked. None: nobody tells the time, nothing has ended, no deadline is near, and work that may be moved
    again is not let onto devices that are reserved for later."""


class Reason(Model):
    """So many nodes refused for one constraint, needed against found, and what would change it."""

    dimension: Dimension | None
    """None for plain capacity and topology."""
    constraint: str
    nodes: int
    needed: str
    found: str
    remedy: str


class Miss(Model):
    """What one node lacks for one constraint."""

    node: NodeId
    constraint: str
    needed: str
    found: str


class Term(Model):
    """One term of a score, in its unit; lower is better."""

    name: str
    value: int


class Delivery(Model):
    """One dataset brought to one site. None: nobody can say."""

    dataset: DatasetId
    source: SiteId | None
    """None: no whole copy is known that may be taken."""
    seconds: int | None = None
    wan_permille: int | None = None
    """Of the line on the way that it fills most, while it lasts."""
    micro_usd: int | None = None
    """Egress."""

    @property
    def says(self) -> str:
        """In words."""
        if self.source is None:
            return f"nobody knows a whole copy of `{self.dataset}` that may be brought there"
        lasts = f"{self.seconds} s" if self.seconds is not None else "nobody knows how long"
        share = f", {self.wan_permille} ‰ of a line between sites" if self.wan_permille is not None else ""
        cost = f", {self.micro_usd} micro-dollars of egress" if self.micro_usd is not None else ""
        return f"`{self.dataset}` is brought from `{self.source}`: {lasts}{share}{cost}"


class Beside(Model):
    """Homes for another stage, that were found together with those that were asked for."""

    workload: WorkloadId
    bindings: tuple[Binding, ...]


class Placement(Model):
    """Homes for all the replicas asked for, with the terms of the score and the runner-up."""

    bindings: tuple[Binding, ...]
    score: tuple[Term, ...]
    runner_up: NodeId | None = None
    refused: tuple[Reason, ...] = ()
    deliveries: tuple[Delivery, ...] = later(())
    """Data that must be brought there first."""
    stages: tuple[Beside, ...] = later(())
    """Its other stages that waited as well."""
    begins: Time | None = later()
    """Not before, by its contract."""
    done: Time | None = later()
    """When it would be done, where its run time is stated."""


class Yield(Model):
    """Replicas of somebody's that would have to stop."""

    workload: WorkloadId
    tenant: TenantId
    priority: int
    replicas: tuple[int, ...]
    nodes: tuple[NodeId, ...]


class Preemption(Model):
    """Who would have to yield, and the homes that this would give. A change like every other: somebody proposes it."""

    yields: tuple[Yield, ...]
    bindings: tuple[Binding, ...]
    changes: tuple[Change, ...] = ()
    """What would be proposed: they stop, then it is seated. Empty where it would have to change its cluster too."""

    @property
    def says(self) -> str:
        """In the hardware's words."""
        parts = (
            f"`{y.workload}` ({len(y.replicas)} replica{'s' if len(y.replicas) > 1 else ''}, priority {y.priority})"
            f" on {', '.join(f'`{n}`' for n in y.nodes)}"
            for y in self.yields
        )
        return f"let {' and '.join(parts)} yield"


class NoPlacement(Model):
    """No home: the few reasons a person can read, most nodes first, and the smallest change that would help."""

    refused: tuple[Reason, ...]
    nearest: str
    """The smallest relaxation found that would admit it, in words; computed, never guessed."""
    preemption: Preemption | None = later()
    """Who of a lower priority could yield to it, where somebody could."""


class Engine(Protocol):
    """Contract and snapshot in, placement with reasons out. Pure: the same snapshot gives the same answer."""

    def place(self, snapshot: Snapshot, ask: Ask) -> Placement | NoPlacement:
        """Homes for the replicas, all or none."""

    def seats(self, snapshot: Snapshot, ask: Ask) -> tuple[Binding, ...] | None:
        """The same homes without a reason, or None; many times as quick."""

    def columns_of(self, snapshot: Snapshot) -> Columns:
        """The columns that it searches: for explanations and reports, which read the same."""
