"""What one execution shares the estate with: the people behind its proposal, and what else is under way here.

The executor asks it before each execution, for its second decision. Ledger and this process's own memory, nothing else:
what another executor does reaches this one by the inventory.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from estate.approvals import Approval
from estate.identities import Enrolment
from estate.ids import Digest, KeyId
from estate.outcomes import Outcome
from estate.proposals import Proposal
from estate.snapshots import Snapshot
from estate.warrants import Warrant
from policies import mandates
from policies.flights import Flights
from policies.ledger.port import Ledger
from policies.questions import Given
from policies.recording import approval_key, proposed_key
from policies.redeciding import Again

type Enrolled = Callable[[KeyId], Enrolment | None]


class Traffic:
    """The executions of one process."""

    def __init__(self, ledger: Ledger, enrolled: Enrolled) -> None:
        """`enrolled` says for whom a key speaks now."""
        self._ledger = ledger
        self._enrolled = enrolled
        self._flights = Flights()

    async def enter(self, warrant: Warrant, newest: Snapshot, now: datetime) -> Again:
        """What is known beside this warrant. Those that entered before it count first; none waits for another."""
        proposal = await self._proposal(warrant.proposal)
        mandate = await mandates.find(self._ledger, warrant.incident)
        self._flights.settle(newest, now)
        before = self._flights.steps(but=warrant.proposal)
        self._flights.depart(warrant)
        return Again(proposal, mandate, await self._given(warrant), before)

    def leave(self, outcome: Outcome, now: datetime) -> None:
        """The execution is over; its steps count until the inventory shows them."""
        self._flights.arrive(outcome.proposal, outcome.ending, now)

    async def _given(self, warrant: Warrant) -> tuple[Given, ...]:
        """The approvals that the warrant names, as the ledger holds them, of those whose key is still enrolled."""
        entries = [await self._ledger.find(approval_key(digest)) for digest in warrant.approvals]
        bodies = [e.body for e in entries if e is not None and "approval" in e.body]
        found = [(b["approval"], self._enrolled(KeyId(str(b["key"])))) for b in bodies]
        return tuple(Given(Approval.read(a), e) for a, e in found if isinstance(a, dict) and e is not None)

    async def _proposal(self, digest: Digest) -> Proposal | None:
        """The proposal as the gate recorded it. Where its body was erased, the gate's signature alone vouches."""
        entry = await self._ledger.find(proposed_key(digest))
        form = entry.body.get("proposal") if entry is not None else None
        return Proposal.read(form) if isinstance(form, dict) else None
