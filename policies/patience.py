"""How fast one human approves: whoever approves everything has looked at nothing.

Owned by the gate and restored from its ledger. It counts humans, whatever keys and accounts they use, and never words
that say no.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from policies.profiles import Patience


@dataclass(slots=True)
class Pace:
    """When each human approved last, as many times as count."""

    limit: Patience
    _times: dict[str, deque[datetime]] = field(default_factory=dict)

    def fault(self, human: str, now: datetime) -> str | None:
        """Why one more approval of theirs does not count now, or None."""
        begun = now - timedelta(minutes=self.limit.within_minutes)
        times = self._times.get(human, deque())
        if len(times) < self.limit.approvals or times[0] <= begun:
            return None
        again = times[0] + timedelta(minutes=self.limit.within_minutes)
        return (
            f"{self.limit.approvals} approvals within {self.limit.within_minutes} minutes are the most of one human; "
            f"approve again after {again.isoformat()}, or have somebody else look at it"
        )

    def add(self, human: str, at: datetime) -> None:
        """They approved."""
        self._times.setdefault(human, deque(maxlen=self.limit.approvals)).append(at)
