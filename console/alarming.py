"""Alarms of the record: the gate fell silent, the ledger is out of reach, a clock is ahead. Told on the bus as events.

Called by the console's process, which watches the ledger. An event opens an incident that people see in chat, web
and `placet get incidents`; no runbook mends it, so it is handed over to them. It has one place, as every event: where
several sites depend on one record it is told once, at the first site by name, and its message speaks of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from agents.intake.channels import FRONT_DOOR
from estate import canonical
from estate.clocks import Clock
from estate.events import Event, Place, event_id
from estate.ids import SiteId
from estate.observations import EventType, Severity
from estate.proposals import Lane
from estate.subjects import Subjects
from policies.heartbeats import Silence
from policies.skews import MOST, Skew
from tools.bus.port import Bus
from tools.inventory.port import Reader

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told of, once as it begins and once as it is over."""

    type: EventType
    name: str
    code: str
    message: str
    over: bool


@dataclass(frozen=True, slots=True)
class Alarms:
    """Tells of silences and of clocks in the log and on the bus."""

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
        name = f"heartbeat/{silence.since.isoformat()}/{'back' if over else 'missed'}"
        await self._publish(Alarm(EventType.HEARTBEAT_MISSED, name, "heartbeat-missed", _message(silence), over))

    async def tell_skew(self, skew: Skew) -> None:
        """The same of a clock that is ahead.

        Raises:
            RetryLater: the bus is out of reach; tell it again.
        """
        over = not skew.lasting
        log.error("clock ahead", whose=skew.whose, seconds=skew.seconds, since=skew.since.isoformat(), over=over)
        name = (
            f"clock/{canonical.digest(skew.whose.encode())[-16:]}/{skew.since.isoformat()}/{'set' if over else 'ahead'}"
        )
        await self._publish(Alarm(EventType.CLOCK_SKEWED, name, "clock-skewed", _skew_message(skew), over))

    async def _publish(self, alarm: Alarm) -> None:
        for site in sorted(self.reader.newest().facts.site)[:1]:
            event = self._event(alarm, site)
            subject = self.subjects.event(Lane.CASE, site, event.type)
            await self.bus.publish(subject, event.canonical(), message_id=event.id)

    def _event(self, alarm: Alarm, site: SiteId) -> Event:
        source = f"placet/{self.subjects.installation}/console"
        return Event(
            id=event_id(FRONT_DOOR, source, alarm.name),
            type=alarm.type,
            severity=Severity.CRITICAL,
            channel=FRONT_DOOR,
            source=source,
            sender_id=alarm.name,
            occurred_at=self.clock(),
            received_at=self.clock(),
            place=Place(site=site),
            code=alarm.code,
            message=alarm.message,
            resolved=alarm.over,
        )


def _message(silence: Silence) -> str:
    if silence.lasting:
        return f"{silence.why} since {silence.since:%Y-%m-%d %H:%M} UTC: nothing is decided or recorded at any site"
    return f"{silence.why} {silence}; nothing was decided or recorded then, and it is again"


def _skew_message(skew: Skew) -> str:
    ahead = f"the clock of {skew.whose} is {skew.seconds} s ahead of who reads it, {MOST.seconds} are allowed"
    if skew.lasting:
        return f"{ahead}: what it dates is refused since {skew.since:%Y-%m-%d %H:%M} UTC; set the clocks"
    return f"nothing was refused any more for the clock of {skew.whose} since {skew.until:%Y-%m-%d %H:%M} UTC"
