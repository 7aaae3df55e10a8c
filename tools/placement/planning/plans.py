"""What is asked of the planner and what it answers: a goal, and moves in order with their reasons, gain and bound.

A plan is evidence, and changes for a proposal of somebody's; the gate decides what it comes to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from estate.changes import Change
from estate.ids import NodeId, SiteId, TenantId, WorkloadId
from estate.records import Model, Time
from estate.workloads import Binding

MOST_MOVES = 200
MOST_HOMES = 400
MINUTES = 10


class AreaKind(StrEnum):
    """What may be evacuated."""

    NODE = "node"
    RACK = "rack"
    FEED = "feed"
    LEAF = "leaf"
    SITE = "site"


class _Goal(Model):
    moves: int = Field(default=MOST_MOVES, ge=0, le=MOST_MOVES)
    """The most running replicas that may be disturbed, whole gangs counted."""
    by: Time | None = None
    """When it must be done; the budget of moves shrinks to what fits until then."""
    minutes_per_move: int = Field(default=MINUTES, ge=1, le=24 * 60)
    """How long one move is taken to last: they are executed one after another."""


class Repack(_Goal):
    """Defragment: as many blocks of connected free accelerators as the budget of moves can give."""

    goal: Literal["repack"] = "repack"
    size: int = Field(default=8, ge=2, le=576)
    """Accelerators of one block, in one NVLink domain of one open node."""
    site: SiteId | None = None


class Free(_Goal):
    """Make room: for so many accelerators of a tenant, or for what a workload of the estate waits for."""

    goal: Literal["free"] = "free"
    site: SiteId | None = None
    tenant: TenantId | None = None
    accelerators: int = Field(default=0, ge=0, le=10_000)
    each: int = Field(default=1, ge=1, le=64)
    """How many of them on one node."""
    models: tuple[str, ...] = Field(default=(), max_length=32)
    workload: WorkloadId | None = None

    @model_validator(mode="after")
    def _says_for_whom(self) -> Self:
        if (self.workload is None) == (self.tenant is None):
            raise ValueError("tenant, workload: name one of them")
        if self.tenant is not None and (not self.accelerators or self.accelerators % self.each):
            raise ValueError(
                f"accelerators: `{self.accelerators}` is no multiple of `each` ({self.each}) above 0; correct one"
            )
        if self.accelerators // self.each > MOST_HOMES:
            raise ValueError(f"accelerators: more than {MOST_HOMES} homes; raise `each`, or ask in parts")
        return self


class Evacuate(_Goal):
    """Empty a failure domain."""

    goal: Literal["evacuate"] = "evacuate"
    area: AreaKind
    name: str = Field(min_length=1, max_length=128)
    across: bool = False
    """Whole workloads may go to another cluster, as a copy and a removal."""


class Fill(_Goal):
    """Fill a site again: what is pending first, then whole workloads from racks that are fuller than it."""

    goal: Literal["fill"] = "fill"
    site: SiteId


type Goal = Annotated[Repack | Free | Evacuate | Fill, Field(discriminator="goal")]


class Gain(Model):
    """What the plan is for, in numbers."""

    of: str
    before: int
    after: int
    bound: int
    """No plan within the budget of moves comes to more; proved for the places and replicas that were considered."""

    @property
    def gap(self) -> int:
        """What is missing to the bound."""
        return max(self.bound - self.after, 0)


class Move(Model):
    """One step: replicas of one workload from where they run to where they shall run."""

    number: int
    workload: WorkloadId
    replicas: tuple[int, ...]
    sources: tuple[NodeId, ...]
    targets: tuple[NodeId, ...]
    accelerators: int
    reason: str
    changes: tuple[Change, ...]


class Left(Model):
    """What stays where it is although the goal would have it moved, and why."""

    workload: WorkloadId
    replicas: tuple[int, ...]
    reason: str


class Plan(Model):
    """Moves in order: each is lawful, powered and within every promise on the estate that the one before leaves."""

    aim: str
    met: bool
    short: str = ""
    """What is missing, and what would help; empty where the goal is met."""
    gain: Gain
    moves: tuple[Move, ...]
    disturbed: int
    """Running replicas that are disturbed, whole gangs counted."""
    budget: int
    """The most that might have been."""
    left: tuple[Left, ...] = ()
    homes: tuple[Binding, ...] = ()
    """Where that fits which room was made for."""
    consent: tuple[TenantId, ...] = ()
    """Tenants who want to be asked before they are disturbed."""
    minutes: int
    considered: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes in order, as a proposal takes them."""
        return tuple(c for m in self.moves for c in m.changes)
