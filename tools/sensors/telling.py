"""A signal as the CloudEvent that goes through intake like any other sender's. Called by `watching`. Pure.

The identity is derived from what was raised and how often it had been raised before: whoever tells it again, after a
restart or in another process, tells the same event.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate import canonical
from estate.canonical import Json
from estate.events import event_id
from estate.ids import ChannelId, InstallationId
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
    body = canonical.dumps(
        {
            "specversion": "1.0",
            "type": f"placet.{signal.type.value}.v1",
            "source": source,
            "id": name,
            "time": write_time(signal.at),
            "datacontenttype": "application/json",
            "data": said,
        }
    )
    return Telling(event_id(CHANNEL, source, name), body)
