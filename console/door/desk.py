"""What the front door's handlers work with, and the refusals they share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agents.incidents import Incidents
from console.door.authorising import sees_everything
from console.door.projecting import projected, told
from console.door.spooling import Spool
from console.door.views import Sight
from estate.clocks import Clock
from estate.errors import NeverRetry
from estate.identities import Enrolment
from estate.ids import InstallationId, TenantId
from estate.incidents import Incident
from estate.subjects import Subjects
from policies import evidence
from policies.controls import Controls
from policies.enrolments import Enrolments
from policies.evidence import Reader
from policies.heartbeats import PERIOD
from policies.ledger.archives import Archive
from policies.ledger.port import Ledger
from policies.profiles import Ceiling
from tools.bus.port import Bus
from tools.inventory.drifts import Drifts
from tools.inventory.follower import Follower


class NotFound(NeverRetry):
    """There is no such thing, or none that the caller may see: the two look alike."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One console's connections and followed state."""

    installation: InstallationId
    subjects: Subjects
    bus: Bus
    ledger: Ledger
    archive: Archive
    incidents: Incidents
    reader: Follower
    drifts: Drifts
    enrolments: Enrolments
    controls: Controls
    spool: Spool
    clock: Clock
    heartbeat: timedelta = PERIOD
    ceilings: tuple[Ceiling, ...] = ()
    """What the house lets tenants hold, by its profile."""

    def sees(self, caller: Enrolment, incident: Incident) -> bool:
        """Whether the incident concerns the caller: its tenants are in sight, or the caller asked for it."""
        return _asked(caller, incident) or sight_of(caller).of_any(incident.tenants)

    def project(self, caller: Enrolment, incident: Incident) -> Incident:
        """What the caller may read of an incident that they see, which the law is asked of once more.

        Raises:
            Denied: what is left tells of somebody whose things they may not see.
        """
        sight, snapshot = sight_of(caller), self.reader.newest()

        def tells_of(text: str) -> frozenset[TenantId]:
            return evidence.tells_of((text,), snapshot)

        left = projected(incident, sight, _asked(caller, incident), tells_of)
        reader = Reader(str(caller.subject), caller.subject.kind.value, sight.tenants, sight.everything)
        evidence.check(reader, () if sight.everything else told(left, sight, tells_of))
        return left


def _asked(caller: Enrolment, incident: Incident) -> bool:
    spoken = (e.request or e.proposal for e in incident.events)
    return any(s is not None and s.requester == caller.subject for s in spoken)


def sight_of(caller: Enrolment) -> Sight:
    """What the caller may see."""
    return Sight(sees_everything(caller), frozenset(caller.tenants))
