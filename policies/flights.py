"""What is in flight: warrants issued and not yet seen to have arrived. Every decision counts their effects first.

Owned by the gate, rebuilt from the ledger. A warrant leaves when its outcome is known *and* (if it was verified) the
estate shows it, or a little later: otherwise two plans could see the same headroom in the moment between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from estate import conditions, effects
from estate.effects import Step
from estate.ids import Digest
from estate.outcomes import Ending
from estate.snapshots import Snapshot
from estate.warrants import Warrant
from policies.domains import Counts, Domain

SETTLING: Final = timedelta(seconds=10)
"""How long a verified change may take to show in the snapshot before it no longer counts as in flight."""


@dataclass(slots=True)
class Flights:
    """Issued warrants by proposal, and since when those that ended may go."""

    _warrants: dict[Digest, Warrant] = field(default_factory=dict)
    _disturbed: dict[Digest, Counts] = field(default_factory=dict)
    _sums: Counts = field(default_factory=Counter)
    _ending: dict[Digest, datetime] = field(default_factory=dict)

    @property
    def at_once(self) -> Mapping[Domain, int]:
        """How many changes in flight disturb each failure domain."""
        return self._sums

    @property
    def proposals(self) -> frozenset[Digest]:
        """Whose warrants are in flight."""
        return frozenset(self._warrants)

    def depart(self, warrant: Warrant, disturbed: Counts | None = None) -> None:
        """A warrant was issued, for changes that disturb these failure domains (None: nobody here counts them)."""
        self.forget(warrant.proposal)
        self._warrants[warrant.proposal] = warrant
        self._disturbed[warrant.proposal] = disturbed or Counter()
        self._sums.update(self._disturbed[warrant.proposal])

    def arrive(self, proposal: Digest, ending: Ending, now: datetime) -> None:
        """Its outcome is known."""
        if ending is Ending.VERIFIED and proposal in self._warrants:
            self._ending[proposal] = now + SETTLING
        else:
            self.forget(proposal)

    def forget(self, proposal: Digest) -> None:
        """It counts no longer."""
        self._warrants.pop(proposal, None)
        self._ending.pop(proposal, None)
        gone = self._disturbed.pop(proposal, Counter())
        self._sums.subtract(gone)
        for domain in gone:
            if not self._sums[domain]:
                del self._sums[domain]

    def expired(self, now: datetime) -> tuple[Warrant, ...]:
        """Warrants whose time to start is over: the gate asks the ledger whether they were ever consumed."""
        return tuple(w for w in self._warrants.values() if w.expires_at <= now)

    def settle(self, snapshot: Snapshot, now: datetime) -> None:
        """Let go of what ended and shows in the snapshot, or has had its time."""
        for proposal, until in tuple(self._ending.items()):
            if now >= until or _shows(snapshot, self._warrants[proposal].steps):
                self.forget(proposal)

    def steps(self, but: Digest) -> tuple[Step, ...]:
        """The steps in flight of every other proposal, in the order in which their warrants were issued.

        By no clock: of two that were issued in one moment the later was planned on what the earlier leaves, and played
        before it would have no effect, and count for nothing.
        """
        return tuple(s for p, w in self._warrants.items() if p != but for s in w.steps)


def _shows(snapshot: Snapshot, steps: Iterable[Step]) -> bool:
    """Whether the last word of the steps on each thing is what the snapshot has."""
    return not conditions.misses(snapshot, effects.lasting(steps))
