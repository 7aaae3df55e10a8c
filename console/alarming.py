"""Alarms of the record: the gate fell silent, or the ledger is out of reach. Told on the bus as events.

Called by the console's process, which watches the heartbeats. An event opens an incident that people see in chat, web
and `placet get incidents`; no runbook mends it, so it is handed over to them. It has one place, as every event: where
several sites depend on one record it is told once, at the first site by name, and its message speaks of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from agents.intake.channels import FRONT_DOOR
from estate.clocks import Clock
from estate.events import Event, Place, event_id
from estate.ids import SiteId
from estate.observations import EventType, Severity
from estate.proposals import Lane
from estate.subjects import Subjects
from policies.heartbeats import Silence
from tools.bus.port import Bus
from tools.inventory.port import Reader

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alarms:
    """Tells of silences in the log and on the bus."""

    bus: Bus
    subjects: Subjects
    reader: Reader
    clock: Clock

    async def tell(self, silence: Silence) -> None:
        """Once when it is noticed, and once when it is over; telling it again tells the same events.

        Raises:
            RetryLater: the bus is out of reach; tell it again.
        """
        over = not silence.lasting
        log.error("ledger was silent", since=silence.since.isoformat(), why=silence.why, over=over)
        for site in sorted(self.reader.newest().facts.site)[:1]:
            event = self._event(silence, site)
            await self.bus.publish(
                self.subjects.event(Lane.CASE, site, event.type), event.canonical(), message_id=event.id
            )

    def _event(self, silence: Silence, site: SiteId) -> Event:
        source = f"placet/{self.subjects.installation}/console"
        name = f"heartbeat/{silence.since.isoformat()}/{'missed' if silence.lasting else 'back'}"
        return Event(
            id=event_id(FRONT_DOOR, source, name),
            type=EventType.HEARTBEAT_MISSED,
            severity=Severity.CRITICAL,
            channel=FRONT_DOOR,
            source=source,
            sender_id=name,
            occurred_at=self.clock(),
            received_at=self.clock(),
            place=Place(site=site),
            code="heartbeat-missed",
            message=_message(silence),
            resolved=not silence.lasting,
        )


def _message(silence: Silence) -> str:
    if silence.lasting:
        return f"{silence.why} since {silence.since:%Y-%m-%d %H:%M} UTC: nothing is decided or recorded at any site"
    return f"{silence.why} {silence}; nothing was decided or recorded then, and it is again"
