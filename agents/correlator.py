"""The consumer of events: the durable mapping of an event to its incident, then containment, then the case's wake.

Everything is done in an order that a redelivery repeats without harm: claim the domain, write the record, fence, wake.
Only then is the event acknowledged. No mind and no graph runs here.
"""

from __future__ import annotations

import structlog

from agents import folding, wakes
from agents.containment import Containment
from agents.correlation import Ignore, Open, correlate, domains
from agents.incidents import Domain, Held, Incidents
from agents.observing import Observer
from agents.turns import Turns
from estate.errors import NotYet, RetryLater
from estate.events import Event
from estate.ids import IncidentId
from estate.incidents import Incident
from estate.progress import Progress, Stage
from estate.snapshots import Snapshot
from estate.subjects import Subjects
from tools.bus.port import Bus, Conflict, Delivery
from tools.inventory.port import Reader

log = structlog.get_logger(__name__)
_TRIES = 50
_PATIENCE = 2
"""Deliveries after which an event that nothing is open for is ignored: bursts arrive in any order."""


class Correlator:
    """Handles the streams of events."""

    def __init__(
        self,
        bus: Bus,
        incidents: Incidents,
        reader: Reader,
        containment: Containment,
        subjects: Subjects,
        observer: Observer,
    ) -> None:
        self._bus = bus
        self._incidents = incidents
        self._reader = reader
        self._containment = containment
        self._subjects = subjects
        self._observer = observer
        self._turns = Turns()

    async def on_event(self, delivery: Delivery) -> None:
        """The handler for EVENTS."""
        event = Event.read(delivery.data)
        snapshot = self._reader.newest()
        incident = await self.settle(event, snapshot)
        if incident is None:
            if delivery.attempt <= _PATIENCE:
                raise NotYet("nothing is open there yet; a companion may overtake its fault")
            return
        contained = await self._containment.contain(event, incident, snapshot)
        if contained.node is not None:
            await self._tell(contained.incident, event, Stage.FENCE, f"fence of {contained.node} asked of the gate")
        if _wakes(incident, event):
            await wakes.publish(self._bus, self._subjects, incident, event)

    async def settle(self, event: Event, snapshot: Snapshot) -> Incident | None:
        """Put the event into its incident's record; None when it belongs to none.

        Raises:
            RetryLater: other correlators kept changing the same domain.
        """
        where = domains(event, snapshot)
        async with self._turns.of(where[0]):
            for _ in range(_TRIES):
                try:
                    return await self._settle_once(event, where)
                except Conflict:
                    continue
        raise RetryLater(f"the domain `{where[0]}` is being changed by others all the time; try again later")

    async def _settle_once(self, event: Event, where: tuple[str, ...]) -> Incident | None:
        pointers = [await self._incidents.domain(d) for d in where]
        names = dict.fromkeys(i for p in pointers for i in p.value.incidents)
        known = {i: await self._incidents.find(i) for i in names}
        decision = correlate(event, where[0], [h.value for h in known.values() if h is not None])
        if isinstance(decision, Ignore):
            log.info("event ignored", event_id=event.id, type=event.type.value, reason=decision.reason)
            return None
        if isinstance(decision, Open):
            target = _unborn(pointers[0], known) or decision.incident
            await self._incidents.claim(pointers[0], target)
            return await self._write(event, target, where[0], None)
        return await self._write(event, decision.incident, where[0], known[decision.incident])

    async def _write(self, event: Event, incident: IncidentId, domain: str, held: Held[Incident] | None) -> Incident:
        if held is None:
            record = folding.opened(event, incident, domain)
            await self._incidents.write(record, None)
            log.info("incident opened", incident=incident, domain=domain, type=event.type.value)
            await self._tell(record, event, Stage.OPENED, f"incident {incident} opened: {record.summary}")
            return record
        record = folding.with_event(held.value, event)
        if record != held.value:
            await self._incidents.write(record, held.revision)
            await self._tell_joined(record, event)
        return record

    async def _tell_joined(self, record: Incident, event: Event) -> None:
        seen = record.events_seen
        if folding.is_news(record, event) or seen & (seen - 1) == 0:
            text = f"{folding.title(event)} joined {record.id} ({seen} events so far)"
            await self._tell(record, event, Stage.EVENT, text)

    async def _tell(self, record: Incident, event: Event, stage: Stage, text: str) -> None:
        at = event.received_at
        await self._observer(Progress(incident=record.id, at=at, stage=stage, text=text))


def _unborn(pointer: Held[Domain], known: dict[IncidentId, Held[Incident] | None]) -> IncidentId | None:
    """The incident that a correlator claimed this domain for and did not write: whoever comes next writes it."""
    newest = pointer.value.incidents[-1:]
    return newest[0] if newest and known[newest[0]] is None else None


def _wakes(incident: Incident, event: Event) -> bool:
    """Companions of a storm do not wake a case; what opens it, or says something new, does."""
    return incident.event_ids[:1] == (event.id,) or folding.is_news(incident, event)
