"""How an incident's record takes in what arrives: pure folds, each idempotent, each keeping the record bounded.

Correlator and case worker apply them under compare-and-swap (`agents.incidents`); nothing else writes a record.
"""

from __future__ import annotations

from datetime import datetime

from estate.events import Event
from estate.ids import Digest, EventId, IncidentId, NodeId, TenantId
from estate.incidents import EVENTS_KEPT, CaseState, Fence, Incident, Origin
from estate.observations import FENCE_IDLE, PLACEMENT_AWAITED, EventType, Severity
from estate.outcomes import Ending, Outcome
from estate.verdicts import Verdict

IDS_KEPT = 512
"""Event ids a record remembers, newest last: a redelivery after that many others only miscounts `events_seen`."""

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, Severity.FATAL: 3}
_ORIGINS = {EventType.REQUEST_RECEIVED: Origin.REQUEST, EventType.PROPOSAL_RECEIVED: Origin.PROPOSAL}


def incident_id(opening: EventId) -> IncidentId:
    """`inc-` and twelve hexadecimal digits of the opening event: a crash between two writes finds the same id again."""
    return IncidentId(f"inc-{opening.removeprefix('sha256:')[:12]}")


def opened(event: Event, incident: IncidentId, domain: str) -> Incident:
    """A new record that `event` opens."""
    assert event.place.site is not None, "intake publishes no event without a site"
    record = Incident(
        id=incident,
        origin=_ORIGINS.get(event.type, Origin.INCIDENT),
        site=event.place.site,
        domain=domain,
        opened_at=event.received_at,
        updated_at=event.received_at,
        summary=title(event),
        tenants=_speaking(event),
    )
    return with_event(record, event)


def title(event: Event) -> str:
    """One line about an event, for people."""
    if event.request is not None:
        return event.request.text
    if event.proposal is not None:
        return event.proposal.summary
    where = event.place.node or event.place.workload or event.place.rack or event.place.cluster or event.place.site
    device = f" accelerator {event.place.accelerator}" if event.place.accelerator is not None else ""
    return f"{event.type.value} on {where}{device}{f' ({event.code})' if event.code else ''}"


def with_event(record: Incident, event: Event) -> Incident:
    """The record with one more event; unchanged when it is in there already."""
    if event.id in record.event_ids:
        return record
    return record.model_copy(
        update={
            "event_ids": (*record.event_ids, event.id)[-IDS_KEPT:],
            "events": _kept(record.events, event),
            "events_seen": record.events_seen + 1,
            "updated_at": max(record.updated_at, event.received_at),
        }
    )


def with_fence(record: Incident, fence: Fence) -> Incident:
    """The record with this containment; a node is fenced once by one incident. Its outcome may have come before it."""
    if any(f.node == fence.node for f in record.fences):
        return record
    fence = fence.model_copy(update={"outcome": record.outcome_of(fence.proposal)})
    return record.model_copy(update={"fences": (*record.fences, fence)})


def with_proposal(record: Incident, proposal: Digest, attempt: int, at: datetime) -> Incident:
    """The record with a proposal submitted by the case, waiting for its verdict."""
    if proposal in record.proposals:
        return record
    return record.model_copy(
        update={
            "proposals": (*record.proposals, proposal),
            "attempt": attempt,
            "state": CaseState.AWAITING_VERDICT,
            "updated_at": max(record.updated_at, at),
        }
    )


def with_verdict(record: Incident, verdict: Verdict) -> Incident:
    """The record with a verdict, in the order of decision: a late delivery never overrides a newer verdict."""
    if any(v == verdict for v in record.verdicts):
        return record
    ordered = sorted((*record.verdicts, verdict), key=lambda v: v.decided_at)
    return record.model_copy(
        update={
            "verdicts": tuple(ordered),
            "tenants": _concerned(record, verdict),
            "updated_at": max(record.updated_at, verdict.decided_at),
        }
    )


def with_outcome(record: Incident, outcome: Outcome) -> Incident:
    """The record with an outcome: on the fence it belongs to, or on the case."""
    if outcome.ending is Ending.LAPSED:
        known = any(o.execution == outcome.execution for o in record.lapses)
        return record if known else record.model_copy(update={"lapses": (*record.lapses, outcome)})
    if any(f.proposal == outcome.proposal for f in record.fences):
        fences = tuple(
            f.model_copy(update={"outcome": outcome}) if f.proposal == outcome.proposal else f for f in record.fences
        )
        return record.model_copy(update={"fences": fences})
    if any(o.execution == outcome.execution for o in record.outcomes):
        return record
    return record.model_copy(
        update={"outcomes": (*record.outcomes, outcome), "updated_at": max(record.updated_at, outcome.at)}
    )


def with_state(record: Incident, state: CaseState, summary: str | None, at: datetime) -> Incident:
    """The record at another stage; a case that ended stays ended."""
    if record.state is state or record.state.ended:
        return record
    update: dict[str, object] = {"state": state, "updated_at": max(record.updated_at, at)}
    if summary is not None:
        update["summary"] = summary
    return record.model_copy(update=update)


def material(event: Event) -> bool:
    """Whether an event says by itself that something is wrong, rather than accompanying what did."""
    if event.resolved or event.type in {EventType.ALERT_FIRED, EventType.ACCELERATOR_RECOVERED}:
        return False
    return _RANK[event.severity] >= _RANK[Severity.CRITICAL]


def asks_for_a_place(event: Event) -> bool:
    """Whether something waits that nobody but Placet lets go."""
    return event.code == PLACEMENT_AWAITED and event.type is EventType.CAPACITY_PRESSURE and not event.resolved


def asks(event: Event) -> bool:
    """Whether it asks Placet itself for something, each time anew: an answer that was given before is none to it."""
    return asks_for_a_place(event) or tells_of_an_idle_fence(event)


def tells_of_an_idle_fence(event: Event) -> bool:
    """Whether a node is well again, and takes no work."""
    return event.code == FENCE_IDLE and event.type is EventType.CAPACITY_PRESSURE and not event.resolved


def same_fact(event: Event, other: Event) -> bool:
    """Whether two events tell of the same thing in the same state (two senders, or one that repeats itself)."""
    mine = (event.place.node, event.place.workload, event.place.accelerator, event.type, event.resolved)
    theirs = (other.place.node, other.place.workload, other.place.accelerator, other.type, other.resolved)
    return mine == theirs


def is_news(record: Incident, event: Event) -> bool:
    """Whether a recorded event says something that no event recorded before it had said: worth waking a case for."""
    if not (material(event) or event.resolved):
        return False
    told = [e.id for e in record.events]
    before = record.events[: told.index(event.id)] if event.id in told else record.events
    return not any(same_fact(event, e) and e.severity is event.severity for e in before)


def _kept(events: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """The events held whole: when full, one that weighs more takes the place of the newest of the lightest."""
    if len(events) < EVENTS_KEPT:
        return (*events, event)
    lightest = min(_weight(e) for e in events)
    if _weight(event) <= lightest:
        return events
    place = max(i for i, e in enumerate(events) if _weight(e) == lightest)
    return (*events[:place], *events[place + 1 :], event)


def _weight(event: Event) -> int:
    return _RANK[event.severity] + (10 if material(event) or event.resolved else 0)


def _concerned(record: Incident, verdict: Verdict) -> tuple[TenantId, ...]:
    """The tenants that may see the case: those it had, and those that the gate (never a proposer) says are asked."""
    asked = {r.tenant for r in verdict.requirements if r.tenant is not None}
    return tuple(sorted({*record.tenants, *asked}))


def _speaking(event: Event) -> tuple[TenantId, ...]:
    spoken = event.request or event.proposal
    return spoken.tenants if spoken else ()


def lost_nodes(record: Incident) -> frozenset[NodeId]:
    """The nodes that some event says have lost a device."""
    return frozenset(e.place.node for e in record.events if material(e) and e.place.node is not None)
