"""`isolation.violated` for whoever proposed without being registered: told once of each digest, not of each proposal.

Called by the console's process, which follows the verdicts. What a worker says of itself is told by the law's sensor
before it proposes; this is for those who say nothing, or something else. The gate forbade it already; people look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from agents.intake.channels import FRONT_DOOR
from estate import canonical
from estate.clocks import Clock
from estate.errors import PlacetError, RetryLater
from estate.events import Event, Place, event_id
from estate.ids import SiteId
from estate.observations import EventType, Severity
from estate.proposals import Lane
from estate.subjects import Subjects
from estate.verdicts import Decision, Failure, Verdict
from tools.bus import streams
from tools.bus.port import Bus

BACK: Final = timedelta(hours=1)
"""How old a verdict may be that is told of after a start."""
_RULES: Final = frozenset({"mind-registered", "component-content", "component-in-force"})
CODE: Final = "law-component"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Strangers:
    """Tells on the bus of those whom verdicts name."""

    bus: Bus
    subjects: Subjects
    clock: Clock
    _told: set[str] = field(default_factory=set)

    async def keep_telling(self) -> None:
        """Until cancelled."""
        since = self.clock() - BACK
        async for delivery in self.bus.follow(streams.VERDICTS, subjects=(self._forbidden,)):
            try:
                verdict = Verdict.read(delivery.data)
            except PlacetError as error:
                log.error("verdict not understood", error=str(error))
                continue
            if verdict.decided_at >= since:
                await self.tell(verdict)

    async def tell(self, verdict: Verdict) -> None:
        """What this verdict says of whoever made the proposal, unless it was told."""
        for failure in faults(verdict):
            name = canonical.digest_of([failure.policy, failure.found])
            if name in self._told:
                continue
            event = self._event(verdict, failure, name)
            try:
                subject = self.subjects.event(Lane.CASE, verdict.site, event.type)
                await self.bus.publish(subject, event.canonical(), message_id=event.id)
            except RetryLater as error:
                log.error("unregistered proposer not told of", found=failure.found, error=str(error))
                continue
            self._told.add(name)

    @property
    def _forbidden(self) -> str:
        return self.subjects.verdict("*", Decision.FORBID)

    def _event(self, verdict: Verdict, failure: Failure, name: str) -> Event:
        source = f"placet/{self.subjects.installation}/console"
        return Event(
            id=event_id(FRONT_DOOR, source, f"component/{name}"),
            type=EventType.ISOLATION_VIOLATED,
            severity=Severity.CRITICAL,
            channel=FRONT_DOOR,
            source=source,
            sender_id=f"component/{name}",
            occurred_at=verdict.decided_at,
            received_at=self.clock(),
            place=Place(site=SiteId(verdict.site)),
            code=CODE,
            message=f"somebody proposed who is not registered: {failure.found} ({failure.policy}); {failure.remedy}",
        )


def faults(verdict: Verdict) -> Iterator[Failure]:
    """The failures of a verdict that say who made it."""
    return (f for f in verdict.failures if f.policy in _RULES)
