"""What was decided of late: how often each failure domain was disturbed, kept minute by minute.

Owned by the gate, restored from its own ledger, and never scanned: a decision looks up the domains that it touches. A
minute falls out of the window as a whole, so that what counts is the window and up to a minute more, never less.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from policies.domains import Counts, Domain


@dataclass(slots=True)
class Recents:
    """Sums over the window. Memory is bounded by its minutes times the domains, however much is decided."""

    window: timedelta
    _minutes: deque[tuple[int, Counts]] = field(default_factory=deque)
    _sums: Counts = field(default_factory=Counter)

    @property
    def counts(self) -> Mapping[Domain, int]:
        """How many changes of the window disturbed each domain."""
        return self._sums

    def add(self, at: datetime, disturbed: Counts) -> None:
        """A warrant was issued for changes that disturb so much."""
        minute = _minute(at)
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, Counter()))
        self._minutes[-1][1].update(disturbed)
        self._sums.update(disturbed)

    def forget(self, now: datetime) -> None:
        """Let go of what is older than the window."""
        oldest = _minute(now - self.window)
        while self._minutes and self._minutes[0][0] < oldest:
            _, gone = self._minutes.popleft()
            self._sums.subtract(gone)
            for domain in gone:
                if not self._sums[domain]:
                    del self._sums[domain]


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60
