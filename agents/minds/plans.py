"""What a mind may say: a diagnosis, and a plan of aims. Aims name things and places, never devices.

A mind is a runbook, a language model, or an attacker who owns the model: whatever it says is one of these, the case
graph turns it into a proposal, and the law judges that.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from estate.changes import Change
from estate.ids import ClusterId, NodeId, RackId, ReservationId, SiteId, WorkloadId
from estate.proposals import Evidence
from estate.records import Model
from estate.units import Watts

Line = Annotated[str, Field(max_length=2000)]


class Evacuate(Model):
    """Move every replica, of whatever tenant, off a node."""

    aim: Literal["evacuate"] = "evacuate"
    node: NodeId


class Relocate(Model):
    """Move a workload to a site, rack or cluster (one of them), lawful or not: the law answers, not the planner."""

    aim: Literal["relocate"] = "relocate"
    workload: WorkloadId
    site: SiteId | None = None
    rack: RackId | None = None
    cluster: ClusterId | None = None


class Restore(Model):
    """Have a workload stand where the law lets it; where there is no such place, not run at all."""

    aim: Literal["restore"] = "restore"
    workload: WorkloadId


class Rehome(Model):
    """Move the replicas of a workload whose place breaks a promise to where every one is kept."""

    aim: Literal["rehome"] = "rehome"
    workload: WorkloadId


class Seat(Model):
    """Give every replica of a workload that waits a home, in the cluster that it waits in."""

    aim: Literal["seat"] = "seat"
    workload: WorkloadId


class Rescale(Model):
    """Give a workload so many replicas."""

    aim: Literal["rescale"] = "rescale"
    workload: WorkloadId
    replicas: int = Field(ge=0, le=10_000)


class FenceOff(Model):
    """Let no new work onto a node."""

    aim: Literal["fence-off"] = "fence-off"
    node: NodeId
    reason: Line = ""


class Unfence(Model):
    """Let new work onto a node again."""

    aim: Literal["unfence"] = "unfence"
    node: NodeId


class Cap(Model):
    """Bound what a node may draw; None lifts the bound."""

    aim: Literal["cap"] = "cap"
    node: NodeId
    watts: Watts | None


class ReserveAgain(Model):
    """Make a reservation good that could not be kept as things are."""

    aim: Literal["reserve-again"] = "reserve-again"
    reservation: ReservationId


class Verbatim(Model):
    """These changes exactly, as a person wrote them."""

    aim: Literal["verbatim"] = "verbatim"
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


type Aim = Annotated[
    Evacuate | Relocate | Restore | Rehome | Seat | Rescale | FenceOff | Unfence | Cap | ReserveAgain | Verbatim,
    Field(discriminator="aim"),
]


class Plan(Model):
    """What to aim for and why."""

    answer: Literal["plan"] = "plan"
    summary: Line
    aims: tuple[Aim, ...] = Field(min_length=1, max_length=64)
    reason: Line = ""
    notes: tuple[Line, ...] = Field(default=(), max_length=32)


class NoPlan(Model):
    """Nothing that this mind knows to do, and what a person should look at."""

    answer: Literal["no-plan"] = "no-plan"
    reason: Line
    settled: bool = False
    """Nothing is left to do, as opposed to: nothing that this mind knows."""


type Answer = Annotated[Plan | NoPlan, Field(discriminator="answer")]


class Diagnosis(Model):
    """What is wrong, on which nodes, and what speaks for it."""

    cause: Line
    nodes: tuple[NodeId, ...] = Field(default=(), max_length=64)
    evidence: tuple[Evidence, ...] = Field(default=(), max_length=64)
    unlawful: tuple[WorkloadId, ...] = Field(default=(), max_length=64)
    """What stands where the law would not have let it."""
    unkept: tuple[ReservationId, ...] = Field(default=(), max_length=64)
    """Reservations that could not be kept as things are."""
    broken: tuple[WorkloadId, ...] = Field(default=(), max_length=64)
    """What stands where something that it was promised is not kept."""
    healed: tuple[NodeId, ...] = Field(default=(), max_length=64)
    """Nodes that are well again behind a fence."""
    waiting: tuple[WorkloadId, ...] = Field(default=(), max_length=64)
    """What waits until Placet has placed it."""


class Setback(Model):
    """An earlier attempt that came to nothing, and what the next one must stay away from."""

    attempt: int
    reasons: tuple[Line, ...] = ()
    nodes: tuple[NodeId, ...] = ()
    racks: tuple[RackId, ...] = ()
