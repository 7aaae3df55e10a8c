"""What waits for people's approvals, and until when. Kept by the gate, rebuilt from the ledger's decisions.

Refused nothing: when a time has passed, the gate decides again, and the law answers that it is too late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from estate.ids import Digest
from estate.verdicts import Decision, Verdict
from policies.ledger.port import Entry


@dataclass(slots=True)
class Deadlines:
    """Proposals that wait, each with its time."""

    _waiting: dict[Digest, datetime] = field(default_factory=dict)

    def recall(self, entry: Entry) -> None:
        """A decision stands: its proposal waits until the time that it names, or for nobody (any more)."""
        verdict = entry.body.get("verdict")
        if entry.proposal is None or not isinstance(verdict, dict):
            return  # a body that was erased is of a change that ended
        by = verdict.get("approve_by")
        if verdict.get("decision") == Decision.NEEDS_APPROVAL.value and isinstance(by, str):
            self._waiting[entry.proposal] = datetime.fromisoformat(by)
        else:
            self._waiting.pop(entry.proposal, None)

    def passed(self, now: datetime) -> tuple[Digest, ...]:
        """Those whose time has passed, the longest first."""
        due = sorted((by, proposal) for proposal, by in self._waiting.items() if by <= now)
        return tuple(proposal for _, proposal in due)


def ended(verdict: Verdict, now: datetime) -> bool:
    """Whether a verdict asked people for approvals, and the time to give them has passed."""
    by = verdict.approve_by
    return verdict.decision is Decision.NEEDS_APPROVAL and by is not None and now >= by
