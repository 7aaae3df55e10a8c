"""Events: past-tense facts from outside, resolved to things of the estate."""

from __future__ import annotations

from typing import Literal

from estate import canonical
from estate.changes import Change
from estate.evidence import Evidence
from estate.identities import Subject
from estate.ids import ChannelId, ClusterId, Digest, EventId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.observations import EventType, Severity
from estate.records import Model, Record, Time, later


class Place(Model):
    """Where it happened, resolved on a snapshot. Unset fields could not be resolved or do not apply."""

    site: SiteId | None = None
    cluster: ClusterId | None = None
    rack: RackId | None = None
    node: NodeId | None = None
    accelerator: int | None = None
    workload: WorkloadId | None = None
    unresolved: tuple[str, ...] = ()
    """What the sender named and nothing in the estate answers to."""


class Request(Model):
    """What a person asked for in words, as the signed command carried it."""

    text: str
    requester: Subject
    tenants: tuple[TenantId, ...]
    """The tenants the requester speaks for, by enrolment."""


class DirectProposal(Model):
    """Changes that a person wrote themselves (`placet propose -f`)."""

    summary: str
    changes: tuple[Change, ...]
    requester: Subject
    tenants: tuple[TenantId, ...]


class Event(Record):
    """One fact. `id` is the digest of (channel, source, sender's id), so two senders never swallow each other."""

    kind: Literal["placet.event"] = "placet.event"
    v: Literal[1] = 1
    id: EventId
    type: EventType
    severity: Severity
    channel: ChannelId
    source: str
    sender_id: str
    occurred_at: Time | None
    received_at: Time
    place: Place
    tenant: TenantId | None = None
    """The channel's tenant by its credential; never from the payload."""
    code: str = ""
    message: str = ""
    resolved: bool = False
    raw: Digest | None = None
    """The digest of the body as received."""
    unknown_fields: int = 0
    request: Request | None = None
    proposal: DirectProposal | None = None
    evidence: Evidence | None = later()
    """What the sender measured: a claim of its channel, as all the rest."""


def event_id(channel: ChannelId, source: str, sender_id: str) -> EventId:
    """The identity of an event: SHA-256 over the canonical form of channel, source and sender's id."""
    return EventId(canonical.digest_of([channel, source, sender_id]))
