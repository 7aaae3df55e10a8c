"""Wakes: the message that tells a case worker to look at an incident. It carries no news; the record does."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.events import Event
from estate.ids import IncidentId
from estate.incidents import Incident
from estate.records import Record
from estate.subjects import Subjects
from tools.bus.port import Bus


class WakeKind(StrEnum):
    """Why; also the last token of the subject."""

    OPENED = "opened"
    JOINED = "joined"


class Wake(Record):
    """Look at this incident."""

    kind: Literal["placet.wake"] = "placet.wake"
    v: Literal[1] = 1
    incident: IncidentId


async def publish(bus: Bus, subjects: Subjects, incident: Incident, event: Event) -> None:
    """Wake the incident's case once for this event, however often it is called."""
    opening = incident.event_ids[:1] == (event.id,)
    kind = WakeKind.OPENED if opening else WakeKind.JOINED
    message_id = f"opened:{incident.id}" if opening else f"joined:{incident.id}:{event.id}"
    subject = subjects.case(incident.site, kind.value)
    await bus.publish(subject, Wake(incident=incident.id).canonical(), message_id=message_id)
