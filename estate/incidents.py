"""Incidents: the correlated events of one cause; one case, one graph thread."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.events import Event
from estate.ids import Digest, EventId, IncidentId, NodeId, SiteId, TenantId
from estate.outcomes import Outcome
from estate.records import Model, Record, Time, later
from estate.verdicts import Verdict


class Origin(StrEnum):
    """The way in; it decides the first node of the case graph and nothing else."""

    INCIDENT = "incident"
    REQUEST = "request"
    PROPOSAL = "proposal"


class CaseState(StrEnum):
    """Where a case stands, for people. The checkpoint, not this, decides what runs next."""

    OPEN = "open"
    PLANNING = "planning"
    AWAITING_VERDICT = "awaiting-verdict"
    AWAITING_APPROVAL = "awaiting-approval"
    EXECUTING = "executing"
    VERIFIED = "verified"
    ROLLED_BACK = "rolled-back"
    FORBIDDEN = "forbidden"
    DENIED = "denied"
    FAILED = "failed"
    HANDED_OVER = "handed-over"

    @property
    def ended(self) -> bool:
        """Whether the case is over."""
        return self in _ENDED


_ENDED = frozenset(
    {
        CaseState.VERIFIED,
        CaseState.ROLLED_BACK,
        CaseState.FORBIDDEN,
        CaseState.DENIED,
        CaseState.FAILED,
        CaseState.HANDED_OVER,
    }
)

EVENTS_KEPT = 64
"""Events an incident's record holds whole; beyond that they are counted, not kept."""


class Fence(Model):
    """The containment of this incident: the node and the proposal that fenced it."""

    node: NodeId
    proposal: Digest
    outcome: Outcome | None = None


class Incident(Record):
    """The durable record of a case: what came in and what was decided since. Nodes read it; nothing feeds a thread."""

    kind: Literal["placet.incident"] = "placet.incident"
    v: Literal[1] = 1
    id: IncidentId
    origin: Origin
    site: SiteId
    domain: str
    """The failure domain that events correlate by, e.g. `node/eu-a1`, or the event's own id for a request."""
    opened_at: Time
    updated_at: Time
    state: CaseState = CaseState.OPEN
    attempt: int = 0
    summary: str = ""
    tenants: tuple[TenantId, ...] = ()
    event_ids: tuple[EventId, ...] = ()
    events: tuple[Event, ...] = ()
    events_seen: int = 0
    fences: tuple[Fence, ...] = ()
    proposals: tuple[Digest, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    lapses: tuple[Outcome, ...] = later(())
    """Of what was verified, what a later check found not to have lasted."""

    def verdict_on(self, proposal: Digest) -> Verdict | None:
        """The newest verdict on that proposal."""
        return next((v for v in reversed(self.verdicts) if v.proposal == proposal), None)

    def outcome_of(self, proposal: Digest) -> Outcome | None:
        """The outcome of that proposal's execution."""
        return next((o for o in reversed(self.outcomes) if o.proposal == proposal), None)
