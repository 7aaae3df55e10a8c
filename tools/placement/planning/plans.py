"""What is asked of the planner and what it answers: a goal, and moves in order with their reasons, gain and bound.

A plan is evidence, and changes for a proposal of somebody's; the gate decides what it comes to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from estate.changes import Change, CordonNode, ScaleMachineGroup
from estate.ids import ClusterId, EntityId, MachineGroupId, NodeId, OfferId, SiteId, TenantId, WorkloadId
from estate.records import Model, Time, later
from estate.units import MicroUsdPerHour
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


class Takes(Model):
    """How long moves of one workload take, as somebody states who knows: pods that load for an hour, say."""

    workload: WorkloadId
    minutes: int = Field(ge=1, le=7 * 24 * 60)


class _Goal(Model):
    moves: int = Field(default=MOST_MOVES, ge=0, le=MOST_MOVES)
    """The most running replicas that may be disturbed, whole gangs counted."""
    by: Time | None = None
    """When it must be done; no move is planned that would end later."""
    minutes_per_move: int = Field(default=MINUTES, ge=1, le=24 * 60)
    """How long one move is taken to last: they are executed one after another."""
    takes: tuple[Takes, ...] = Field(default=(), max_length=MOST_MOVES)
    """Of which workloads one is known to last otherwise."""

    def minutes_of(self, workload: WorkloadId) -> int:
        """How long a move of that workload is taken to last."""
        return next((t.minutes for t in self.takes if t.workload == workload), self.minutes_per_move)


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


class Burst(_Goal):
    """Rent what is lacking: for a wish, for one workload, or for all that waits (of a tenant) and fits nowhere here."""

    goal: Literal["burst"] = "burst"
    ceiling: MicroUsdPerHour = Field(le=10**12)
    """The most that all of it may cost in an hour, in millionths of a dollar."""
    hours: int = Field(default=24, ge=1, le=24 * 366)
    """How long it is needed: an offer must last as long."""
    spot: bool = False
    """Whether machines will do that their provider may take back."""
    site: SiteId | None = None
    tenant: TenantId | None = None
    accelerators: int = Field(default=0, ge=0, le=10_000)
    each: int = Field(default=1, ge=1, le=64)
    models: tuple[str, ...] = Field(default=(), max_length=32)
    workload: WorkloadId | None = None

    @model_validator(mode="after")
    def _says_for_whom(self) -> Self:
        if self.workload is not None and (self.tenant is not None or self.accelerators):
            raise ValueError("workload: it has a tenant and a size of its own; leave those out")
        if self.accelerators and (self.tenant is None or self.accelerators % self.each):
            raise ValueError(f"accelerators: name their tenant, and a multiple of `each` ({self.each})")
        if self.accelerators // self.each > MOST_HOMES:
            raise ValueError(f"accelerators: more than {MOST_HOMES} homes; raise `each`, or ask in parts")
        return self


type Goal = Annotated[Repack | Free | Evacuate | Fill | Burst, Field(discriminator="goal")]


class Gain(Model):
    """What the plan is for, in numbers."""

    of: str
    before: int
    after: int
    bound: int
    """No plan within the budget of moves comes to more; proved for the places and replicas that were considered."""
    gap: int = 0
    """What is missing to the bound."""

    @classmethod
    def told(cls, of: str, before: int, after: int, bound: int) -> Self:
        """With its gap."""
        return cls(of=of, before=before, after=after, bound=bound, gap=max(bound - after, 0))


class Move(Model):
    """One step: replicas of one workload from where they run to where they shall run."""

    number: int
    workload: WorkloadId
    replicas: tuple[int, ...]
    sources: tuple[NodeId, ...]
    targets: tuple[NodeId, ...]
    accelerators: int
    reason: str
    ends_after: int
    """Minutes after the beginning by which it is done, all before it included."""
    changes: tuple[Change, ...]


class Late(Model):
    """What can be had, but not by the time that was asked for."""

    count: int
    of: str
    minutes: int
    """After the beginning."""
    at: Time


class Left(Model):
    """What stays where it is although the goal would have it moved, and why."""

    workload: WorkloadId
    replicas: tuple[int, ...]
    reason: str


class Seated(Model):
    """One replica on one of the machines that are rented."""

    workload: WorkloadId
    replica: int
    machine: int


class Rental(Model):
    """What to rent under one offer, what for, at which cost, and what to ask of whom."""

    offer: OfferId
    provider: EntityId
    site: SiteId
    cluster: ClusterId
    model: str
    machines: int
    accelerators: int
    used: int
    hourly: MicroUsdPerHour
    until: Time
    """When the offer ends."""
    pool: MachineGroupId | None
    ask: str
    homes: tuple[Seated, ...]


class Turned(Model):
    """An offer that is not used, by anybody or by one workload, and why."""

    offer: OfferId
    workload: WorkloadId | None = None
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
    fences: tuple[CordonNode, ...] = ()
    """What is shut before anything moves, so that nothing lands there meanwhile. Nothing here lifts it again."""
    late: tuple[Late, ...] = ()
    """What would come after the time that was asked for, and when."""
    homes: tuple[Binding, ...] = ()
    """Where that fits which room was made for."""
    consent: tuple[TenantId, ...] = ()
    """Tenants who want to be asked before they are disturbed."""
    minutes: int
    """Until the last step is done, by the times that were stated."""
    done: Time | None = later()
    """When that is, where somebody tells the time."""
    considered: str
    rentals: tuple[Rental, ...] = ()
    """What to rent, where that was asked."""
    orders: tuple[ScaleMachineGroup, ...] = ()
    """The changes that rent it, where a group of machines is there to be made larger."""
    hourly: MicroUsdPerHour = MicroUsdPerHour(0)
    """What all of it costs in an hour."""
    least_hourly: MicroUsdPerHour = MicroUsdPerHour(0)
    """No plan of the same gain costs less: proved, where it is above 0."""
    turned: tuple[Turned, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes in order, as a proposal takes them: fences first."""
        return (*self.fences, *(c for m in self.moves for c in m.changes), *self.orders)
