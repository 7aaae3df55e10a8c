"""Proposals put before the gate with the agent's own credentials and no agent: what somebody who owns it could send."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents import roster
from estate.changes import Change
from estate.effects import lay_out
from estate.identities import Subject, SubjectKind
from estate.ids import Digest, IncidentId, SiteId
from estate.proposals import Lane, Proposal
from estate.results import Ok
from estate.verdicts import Verdict
from policies.ledger.port import Entry, EntryKind
from tests.system.composed import Composed, found
from tools.bus import accounts


@dataclass(slots=True)
class Petitioner:
    """Whoever holds the password of the agent's NATS user."""

    composed: Composed
    attempts: int = field(default=0)

    async def submit(self, *changes: Change, **over: Any) -> Digest:
        """Publish a proposal of these changes, laid out on the gate's newest snapshot; its digest."""
        self.attempts += 1
        installation = self.composed.system.installation
        snapshot = self.composed.system.inventories["gate"].newest()
        laid = lay_out(changes, snapshot)
        assert isinstance(laid, Ok), laid
        fields: dict[str, Any] = {
            "installation": installation,
            "incident": IncidentId("inc-petition"),
            "attempt": self.attempts,
            "lane": Lane.CASE,
            "site": SiteId("eu-de"),
            "snapshot": snapshot.version,
            "created_at": datetime.now(UTC),
            "proposer": Subject(kind=SubjectKind.AGENT, issuer=installation, name="agent"),
            "made_by": (roster.WORKER.maker(),),
            "summary": "trust me",
            "steps": laid.value.steps,
        }
        proposal = Proposal(**(fields | over))
        bus = await self.composed.as_user(accounts.AGENT)
        subject = self.composed.system.subjects.proposal(proposal.lane, proposal.site, accounts.AGENT)
        await bus.publish(subject, proposal.canonical(), message_id=proposal.digest)
        return proposal.digest

    async def judged(self, *changes: Change, **over: Any) -> Verdict:
        """The gate's verdict on a proposal of these changes."""
        entry = await self.entry(await self.submit(*changes, **over), EntryKind.DECIDED)
        return Verdict.read(_mapping(entry, "verdict"))

    async def entry(self, proposal: Digest, kind: EntryKind) -> Entry:
        """The newest entry of that kind about a proposal, once there is one."""

        async def look() -> Entry | None:
            entries = [e async for e in self.composed.system.ledger.entries(kind=kind, proposal=proposal)]
            return entries[-1] if entries else None

        return await found(look, f"an entry `{kind.value}` on {proposal}")

    async def warrants(self, proposal: Digest) -> int:
        """How many warrants were issued for a proposal."""
        ledger = self.composed.system.ledger
        return len([e async for e in ledger.entries(kind=EntryKind.ISSUED, proposal=proposal)])


def _mapping(entry: Entry, name: str) -> dict[str, Any]:
    part = entry.body[name]
    assert isinstance(part, dict)
    return dict(part)
