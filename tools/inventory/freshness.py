"""How old a word may be, and how old each target's is: pure. What is stale stays visible and is never taken for now.

The limits stand here alone: coverage, views and the sensor of stale sources begin with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from estate.origins import Layer
from tools.inventory.port import Heard

READING: Final = timedelta(minutes=5)
"""How old a measurement may be, and how long a source may be silent: what changes by the minute."""
OLDEST: Final[Mapping[Layer, timedelta]] = {
    **dict.fromkeys(Layer, timedelta(days=1)),
    **dict.fromkeys((Layer.HEALTH, Layer.POWER, Layer.COOLING, Layer.SCHEDULING), READING),
    Layer.FABRIC: timedelta(minutes=15),
}
"""How old an observation of a layer may be that is told once: by the minute, by the quarter of an hour, by the day."""


class Freshness(StrEnum):
    """What a word is worth now."""

    FRESH = "fresh"
    STALE = "stale"
    """It was given once, and not lately."""
    ABSENT = "absent"
    """It was never given."""


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
