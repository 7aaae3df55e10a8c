"""How old is what each target said, and why: pure. What is stale stays visible as stale and is never taken for now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from immutables import Map

from tools.inventory.port import Heard, Observed


class Freshness(StrEnum):
    """What a target's word is worth now."""

    FRESH = "fresh"
    STALE = "stale"
    """It spoke once, and not lately."""
    ABSENT = "absent"
    """It has never spoken."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One target of one source."""

    source: str
    target: str
    heard_at: datetime | None = None
    failing_since: datetime | None = None
    failure: str = ""

    def after(self, heard: Heard) -> Standing:
        """As it stands now that it spoke, or did not."""
        if not heard.failure:
            return Standing(self.source, self.target, heard.at)
        since = self.failing_since or heard.at
        # A round that was cut short brought something, but not everything: it does not renew what is missing.
        return Standing(self.source, self.target, self.heard_at, since, heard.failure)

    def freshness(self, now: datetime, within: timedelta) -> Freshness:
        """Fresh if it spoke `within` that time."""
        if self.heard_at is None:
            return Freshness.ABSENT
        return Freshness.FRESH if now - self.heard_at <= within else Freshness.STALE


@dataclass(frozen=True, slots=True)
class Standings:
    """Every target that ever was asked."""

    of: Map[tuple[str, str], Standing] = field(default_factory=Map)

    def after(self, observed: Observed) -> Standings:
        """With what a source heard."""
        known = self.of
        for heard in observed.heard:
            place = (observed.source, heard.target)
            known = known.set(place, known.get(place, Standing(*place)).after(heard))
        return Standings(known)

    def listed(self) -> tuple[Standing, ...]:
        """All of them, by source and target."""
        return tuple(standing for _, standing in sorted(self.of.items()))
