"""Which incident an event belongs to: a pure decision along failure domains.

A GPU's fault and its node's belong to one domain, the node. An event that names a workload only looks at the nodes it
runs on first. The correlator obeys; this module reads no clock and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents import folding
from estate.events import Event, Place
from estate.ids import IncidentId
from estate.incidents import Incident
from estate.observations import EventType, Severity
from estate.snapshots import Snapshot
from tools.bus.accounts import INVENTORY

WINDOW = timedelta(minutes=15)
"""How long after its last event a closed incident still covers what its domain sends."""
_OWN_CASE = frozenset({EventType.REQUEST_RECEIVED, EventType.PROPOSAL_RECEIVED})


@dataclass(frozen=True, slots=True)
class Join:
    """The event belongs to that incident."""

    incident: IncidentId


@dataclass(frozen=True, slots=True)
class Open:
    """The event opens an incident of its own on this domain."""

    incident: IncidentId
    domain: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """The event belongs to nothing and opens nothing; it stays in the stream of events."""

    reason: str


type Correlation = Join | Open | Ignore


def domains(event: Event, snapshot: Snapshot) -> tuple[str, ...]:
    """Where to look for an incident, nearest first; the first one is where a new incident stands."""
    place, gone = event.place, _gone(event)
    if event.type in _OWN_CASE:
        return (f"own/{event.id.removeprefix('sha256:')}",)
    if place.node is not None:
        return (f"node/{place.node}",)
    if place.workload is not None:
        workload = snapshot.workload(place.workload)
        nodes = sorted({b.node for b in workload.bindings}) if workload else []
        return (f"workload/{place.workload}", *(f"node/{n}" for n in nodes))
    return (gone or _wider(place),)


def _gone(event: Event) -> str:
    """The workload whose trouble ended, perhaps with the workload itself, so that no name leads to it any more: by the
    word of our own sensors, and of nobody else.
    """
    if event.evidence is None or not event.resolved or event.channel != INVENTORY:
        return ""
    return event.evidence.about if event.evidence.about.startswith("workload/") else ""


def correlate(event: Event, domain: str, known: Sequence[Incident]) -> Correlation:
    """The incident of `event` among those `known` on its domains.

    Repeats and companions join what covers their time, open or closed; a new fault never joins a closed case.
    """
    again = [i for i in known if event.id in i.event_ids]
    if again:
        return Join(again[0].id)
    opening = Open(folding.incident_id(event.id), domain)
    if event.type in _OWN_CASE:
        return opening
    if covering := [i for i in known if _covers(i, event)]:
        return Join(max(covering, key=_precedence).id)
    if event.resolved or event.type is EventType.ACCELERATOR_RECOVERED:
        return Ignore("it tells of an end, and nothing is open there")
    if event.severity is Severity.INFO:
        return Ignore("it is for information only, and nothing is open there")
    if not folding.material(event) and moment(event) < event.received_at - WINDOW:
        return Ignore("it is late, and no incident that is still known covered its time")
    return opening


def moment(event: Event) -> datetime:
    """When it happened: the sender's time, unless that lies in the future of its receipt."""
    return min(event.occurred_at or event.received_at, event.received_at)


def _covers(incident: Incident, event: Event) -> bool:
    if not incident.state.ended:
        return True
    if folding.asks(event):
        return False  # each is a question of its own, that an answer of some minutes ago is no answer to
    if folding.material(event) and not any(folding.same_fact(event, e) for e in incident.events):
        return False
    return incident.opened_at - WINDOW <= moment(event) <= incident.updated_at + WINDOW


def _precedence(incident: Incident) -> tuple[bool, datetime]:
    """An open incident before a closed one, a newer before an older."""
    return (not incident.state.ended, incident.opened_at)


def _wider(place: Place) -> str:
    if place.rack is not None:
        return f"rack/{place.rack}"
    if place.cluster is not None:
        return f"cluster/{place.cluster}"
    return f"site/{place.site}"
