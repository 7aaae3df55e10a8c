"""Signals, and events that a source was told, as CloudEvents that go through intake like any other sender's. Pure.

Called by `watching`. The identity of a signal is derived from what was raised and how often it had been raised
before: whoever tells it again, after a restart or in another process, tells the same event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from estate import canonical
from estate.canonical import Json
from estate.events import event_id
from estate.ids import ChannelId, InstallationId
from estate.observations import EventType, Observation
from estate.records import write_time
from tools.bus.accounts import INVENTORY
from tools.sensors.sensing import Signal

CHANNEL = ChannelId(INVENTORY)
"""The inventory's own channel: nobody else's NATS user may publish there."""
FORMAT = "cloudevents"
CONTENT = {"content-type": "application/cloudevents+json"}


@dataclass(frozen=True, slots=True)
class Telling:
    """One message to intake."""

    id: str
    body: bytes


def telling(signal: Signal, installation: InstallationId) -> Telling:
    """The event of a signal."""
    source = f"placet/{installation}/inventory"
    ending = "cleared" if signal.resolved else "raised"
    name = f"{signal.key.sensor}/{signal.key.subject}/{signal.condition}/{signal.occurrence}/{ending}"
    if len(name) > 500:
        name = canonical.digest(name.encode())
    said: dict[str, Json] = {
        "severity": signal.severity.value,
        "code": signal.code,
        "message": canonical.clean_text(signal.message),
        "resolved": signal.resolved,
        "whereabouts": {k: v for k, v in signal.whereabouts.json_form().items() if v},
        "evidence": signal.evidence.json_form(),
    }
    return _told(source, name, signal.type, signal.at, said)


def passed_on(observation: Observation, installation: InstallationId, now: datetime) -> Telling:
    """The event of what a source was told. Its identity is its sender's, so that a source that lists again tells it
    again as the same.
    """
    source = f"placet/{installation}/inventory/{observation.source}"
    where: dict[str, Json] = {k: v for k, v in observation.whereabouts.json_form().items() if v}
    said: dict[str, Json] = {
        "severity": observation.severity.value,
        "code": observation.code,
        "message": observation.message,
        "resolved": observation.resolved,
        "whereabouts": where,
    }
    return _told(source, observation.sender_id, observation.type, observation.occurred_at or now, said)


def _told(source: str, name: str, type_: EventType, at: datetime, said: dict[str, Json]) -> Telling:
    body = canonical.dumps(
        {
            "specversion": "1.0",
            "type": f"placet.{type_.value}.v1",
            "source": source,
            "id": name,
            "time": write_time(at),
            "datacontenttype": "application/json",
            "data": said,
        }
    )
    return Telling(event_id(CHANNEL, source, name), body)
