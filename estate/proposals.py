"""Proposals: ordered changes with evidence and rehearsal, known by the digest of their canonical form."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from estate.effects import Step
from estate.identities import Subject
from estate.ids import ComponentId, IncidentId, InstallationId, RackId, SiteId, TenantId, WorkloadId
from estate.records import Model, Record, Time, later
from estate.snapshots import SnapshotVersion
from estate.units import Watts
from estate.uses.running import Maker


class Lane(StrEnum):
    """Which streams carry it. Containment has its own, so that no backlog of cases delays a fence."""

    CONTAINMENT = "containment"
    CASE = "case"


class Evidence(Model):
    """One thing that a proposer found: evidence for people, never input to the gate."""

    source: str
    claim: str


class RackForecast(Model):
    """Predicted draw of a rack against its budget, after the whole proposal."""

    rack: RackId
    drawn_watts: Watts
    budget_watts: Watts


class Rehearsal(Model):
    """What the twin predicts: predicted against required."""

    feasible: bool
    contracts_kept: tuple[WorkloadId, ...] = ()
    contracts_broken: tuple[WorkloadId, ...] = ()
    racks: tuple[RackForecast, ...] = ()
    stranded_accelerators: int = 0
    tenants: tuple[TenantId, ...] = ()
    refusal: str = ""


class Proposal(Record):
    """What somebody wants done. Installation, incident, attempt, snapshot and time make no two of them equal."""

    kind: Literal["placet.proposal"] = "placet.proposal"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    attempt: int = Field(ge=0)
    lane: Lane
    site: SiteId
    snapshot: SnapshotVersion
    created_at: Time
    proposer: Subject
    on_behalf_of: Subject | None = None
    for_tenants: tuple[TenantId, ...] = ()
    """The tenants that the person behind it speaks for; empty for an incident, which speaks for none."""
    summary: str
    steps: tuple[Step, ...] = Field(min_length=1, max_length=256)
    evidence: tuple[Evidence, ...] = ()
    rehearsal: Rehearsal | None = None
    mind: ComponentId | None = later()
    """The model that planned it, as its proposer says, by its registration; None: the runbook or a person."""
    made_by: tuple[Maker, ...] = later((), max_length=256)
    """Who had a part in it, as its proposer says: the agent and its duty, the mind, each tool that evidence came from.
    Empty in proposals of before this was asked: whoever made those says nothing of itself."""
