"""Verdicts: what the gate answers, with every failed dimension."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.identities import Role
from estate.ids import Digest, IncidentId, InstallationId, PolicyId, SiteId, TenantId
from estate.modes import Mode
from estate.obligations import Obligation
from estate.proposals import Lane
from estate.records import Model, Record, Time, later
from estate.snapshots import SnapshotVersion


class Decision(StrEnum):
    """The three answers."""

    PERMIT = "permit"
    FORBID = "forbid"
    NEEDS_APPROVAL = "needs-approval"


class Dimension(StrEnum):
    """The closed set of what can fail."""

    GEOGRAPHIC = "geographic"
    LEGAL = "legal"
    OPERATIONAL = "operational"
    KEY = "key"
    TENANT = "tenant"
    POWER = "power"
    COOLING = "cooling"
    BLAST_RADIUS = "blast-radius"
    FREEZE = "freeze"
    WINDOW = "window"
    CONTRACT = "contract"
    COST = "cost"
    APPROVAL = "approval"
    MODEL_REACH = "model-reach"
    FACTS = "facts"


class Failure(Model):
    """One failed dimension: the policy, what it is about, needed against found, and what would make it permissible."""

    dimension: Dimension
    policy: PolicyId
    about: str
    needed: str
    found: str
    remedy: str
    reason: str
    """The policy's own reason for people, one line."""
    tenant: TenantId | None = None
    obligation: str = later("", max_length=500)
    """The duties that the rule serves, e.g. `GDPR art. 44; DORA art. 30(2)(b)`."""


class Lifted(Model):
    """A rule that would have forbidden it, and the exception or broken glass that lifted it."""

    policy: PolicyId
    about: str
    by: Digest


class Requirement(Model):
    """An approval that the rules ask for: so many distinct humans with a role (for a tenant, where it names one)."""

    policy: PolicyId
    role: Role
    count: int
    tenant: TenantId | None = None
    reason: str

    def describe(self) -> str:
        """In words: how many, of whom, by which policy, and why."""
        whom = f"{self.role.value}{f' of {self.tenant}' if self.tenant else ''}"
        return f"{self.count} × {whom} must approve ({self.policy}): {self.reason}"


class Verdict(Record):
    """The gate's decision on one proposal at one snapshot under one bundle and one law base."""

    kind: Literal["placet.verdict"] = "placet.verdict"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    site: SiteId
    lane: Lane
    decision: Decision
    policies: tuple[PolicyId, ...]
    """The deciding policies: the permits of a permit, the forbids of anything else."""
    failures: tuple[Failure, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    """The approvals that the rules ask for; in a forbid, those that would be asked for once the rest is mended."""
    approvals: tuple[Digest, ...] = ()
    """The approvals that counted."""
    mode: Mode
    snapshot: SnapshotVersion
    bundle: Digest
    facts: Digest
    read_set: Digest
    decided_at: Time
    diff: Digest | None = None
    """The digest of the diff that an approver must have been shown."""
    lifted: tuple[Lifted, ...] = later(())
    """What gave way to exceptions and broken glass."""
    obligations: tuple[Obligation, ...] = later(())
    """What is owed beside the steps, by the profile and the risk."""
    approve_by: Time | None = later()
    """Until when the approvals that it asks for may be given."""
    execute_within_seconds: int | None = later()
    """How long after the last of them its execution may begin its steps; a canary's soak is added."""
