"""What the placement engine is asked and what it answers: where, why there, why not elsewhere, what would help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from estate.ids import NodeId, SiteId, WorkloadId
from estate.records import Model
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


class Reason(Model):
    """So many nodes refused for one constraint, needed against found, and what would change it."""

    dimension: Dimension | None
    """None for plain capacity and topology."""
    constraint: str
    nodes: int
    needed: str
    found: str
    remedy: str


class Term(Model):
    """One term of a score, in its unit; lower is better."""

    name: str
    value: int


class Placement(Model):
    """Homes for all the replicas asked for, with the terms of the score and the runner-up."""

    bindings: tuple[Binding, ...]
    score: tuple[Term, ...]
    runner_up: NodeId | None = None
    refused: tuple[Reason, ...] = ()


class NoPlacement(Model):
    """No home: the few reasons a person can read, most nodes first, and the smallest change that would help."""

    refused: tuple[Reason, ...]
    nearest: str
    """The smallest relaxation found that would admit it, in words; computed, never guessed."""


class Engine(Protocol):
    """Contract and snapshot in, placement with reasons out. Pure: the same snapshot gives the same answer."""

    def place(self, snapshot: Snapshot, ask: Ask) -> Placement | NoPlacement:
        """Homes for the replicas, all or none."""

    def seats(self, snapshot: Snapshot, ask: Ask) -> tuple[Binding, ...] | None:
        """The same homes without a reason, or None; many times as quick."""

    def columns_of(self, snapshot: Snapshot) -> Columns:
        """The columns that it searches: for explanations and reports, which read the same."""
