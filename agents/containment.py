"""Containment: a fatal fault on a known node becomes one gated cordon, at once and without a mind.

The correlator calls it before the case is woken. The proposal that was decided on is reserved first, so that every
redelivery publishes the same bytes; the gate judges it like any other. It never lifts a fence.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents import folding
from agents.incidents import Incidents
from estate.changes import CordonNode
from estate.effects import lay_out
from estate.events import Event
from estate.identities import Subject
from estate.ids import InstallationId, NodeId
from estate.incidents import Fence, Incident
from estate.observations import EventType, Severity
from estate.proposals import Evidence, Lane, Proposal
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.subjects import Subjects
from estate.uses.running import Maker
from tools.bus.port import Bus

_CONTAINED = frozenset({EventType.ACCELERATOR_FAILED, EventType.NODE_FAILED})


@dataclass(frozen=True, slots=True)
class Contained:
    """The incident after containment, and the node that was fenced just now (None: nothing to fence)."""

    incident: Incident
    node: NodeId | None = None


class Containment:
    """Publishes fences on their own lane."""

    def __init__(
        self, bus: Bus, incidents: Incidents, subjects: Subjects, proposer: Subject, made_by: tuple[Maker, ...] = ()
    ) -> None:
        """`made_by`: the agent and this duty, as they are installed."""
        self._bus = bus
        self._incidents = incidents
        self._subjects = subjects
        self._proposer = proposer
        self._made_by = made_by

    async def contain(self, event: Event, incident: Incident, snapshot: Snapshot) -> Contained:
        """Fence the event's node for `incident` where that is called for; the same call again changes nothing."""
        node = calls_for_fence(event)
        if node is None or any(f.node == node for f in incident.fences):
            return Contained(incident)
        reserved = await self._incidents.reserved_fence(incident.id, node)
        if reserved is None:
            drafted = draft(event, incident, snapshot, self._proposer, self._subjects.installation)
            if drafted is None:
                return Contained(incident)
            drafted = drafted.model_copy(update={"made_by": self._made_by})
            reserved = await self._incidents.reserve_fence(drafted, node)
        return await self._publish(reserved, node)

    async def _publish(self, proposal: Proposal, node: NodeId) -> Contained:
        digest = proposal.digest
        subject = self._subjects.proposal(Lane.CONTAINMENT, proposal.site, proposal.proposer.name)
        stored = await self._bus.publish(subject, proposal.canonical(), message_id=digest)
        fence = Fence(node=node, proposal=digest)
        record = await self._incidents.change(proposal.incident, lambda r: folding.with_fence(r, fence))
        return Contained(record, node if stored else None)


def calls_for_fence(event: Event) -> NodeId | None:
    """The node that must not receive new work because of this event, or None."""
    fatal = event.severity is Severity.FATAL and event.type in _CONTAINED and not event.resolved
    return event.place.node if fatal else None


def draft(
    event: Event, incident: Incident, snapshot: Snapshot, proposer: Subject, installation: InstallationId
) -> Proposal | None:
    """The one-step cordon; None when the node is unknown or cordoned already. A function of its arguments only."""
    node = snapshot.node(event.place.node) if event.place.node else None
    if node is None or node.cordoned or event.place.site is None:
        return None
    reason = f"{event.code or event.type.value}, incident {incident.id}"
    laid = lay_out((CordonNode(node=node.id, reason=reason),), snapshot)
    if isinstance(laid, Refusal):
        return None
    return Proposal(
        installation=installation,
        incident=incident.id,
        attempt=0,
        lane=Lane.CONTAINMENT,
        site=event.place.site,
        snapshot=snapshot.version,
        created_at=event.received_at,
        proposer=proposer,
        summary=f"fence {node.id}: {event.message or event.code or event.type.value}",
        steps=laid.value.steps,
        evidence=(Evidence(source=event.source, claim=event.message or event.code),),
    )
