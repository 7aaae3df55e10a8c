"""Writing the journal of one execution: each entry before the next thing may happen, under one fencing token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate import canonical, kept
from estate.canonical import Json
from estate.clocks import Clock
from estate.effects import Step
from estate.errors import RetryLater
from estate.identities import Subject
from estate.ids import ExecutionId, ExecutorId, TenantId
from estate.kept import Kept
from estate.notices import Notice
from estate.obligations import Canary
from estate.outcomes import Outcome
from estate.warrants import Warrant
from policies.ledger.port import Appended, Draft, Entry, EntryKind, Fence, Ledger
from tools.execution.journal import JournalState, after, execution_id, fold
from tools.execution.notes import CanaryNote, Claim, KeptNote, NoticeNote, StepNote, Trouble, Wrote
from tools.execution.patience import Patience

_VERB = {
    EntryKind.STEP_STARTED: "do:started",
    EntryKind.STEP_APPLIED: "do:applied",
    EntryKind.STEP_FAILED: "do:failed",
    EntryKind.UNDO_STARTED: "undo:started",
    EntryKind.UNDO_APPLIED: "undo:applied",
    EntryKind.UNDO_FAILED: "undo:failed",
}


class Held(RetryLater):
    """Another holder with the same or a newer token executes this warrant; its outcome will be in the ledger."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who executes: the audience that warrants name, the subject that signs entries, and this very process."""

    audience: ExecutorId
    subject: Subject
    name: str
    """Unique among the processes of one audience."""


class Recorder:
    """The journal of one warrant's execution, as one holder under one token writes it. Appends are retried."""

    def __init__(
        self, ledger: Ledger, warrant: Warrant, holder: Holder, token: int, *, clock: Clock, patience: Patience
    ) -> None:
        self._ledger = ledger
        self._warrant = warrant
        self._holder = holder
        self._token = token
        self._clock = clock
        self._patience = patience
        self.execution: ExecutionId = execution_id(warrant.nonce)
        self.state = JournalState()
        self.tenants: Mapping[int, tuple[TenantId, ...]] = {}
        """Whose logs get a projection of each step."""

    async def outcome(self) -> Outcome | None:
        """The outcome that the ledger holds already."""
        entry = await self._ledger.find(f"outcome:{self.execution}")
        return Outcome.read(entry.body) if entry else None

    async def claim(self, envelope: bytes) -> None:
        """Bind the warrant to this execution and this holder, and read how far it has come.

        Raises:
            Held: another holder is at it, and our token is no newer.
            Fenced: our token is older than one that was seen.
        """
        claim = self._claim(envelope)
        made = await self._append(EntryKind.CONSUMED, f"consumed:{self._warrant.nonce}", claim.json_form())
        standing = Claim.read(made.entry.body)
        if not made.created and self._token > standing.token:
            key = f"resumed:{self.execution}:{self._token}"
            made = await self._append(EntryKind.RESUMED, key, claim.json_form())
            standing = Claim.read(made.entry.body)
        if (standing.holder, standing.token) != (claim.holder, claim.token) or standing.warrant != claim.warrant:
            raise Held(f"`{standing.holder}` executes `{self.execution}`; wait for its outcome")
        known = [made.entry] if made.created and made.entry.kind is EntryKind.CONSUMED else await self._entries()
        self.state = fold(known, self.execution)

    async def announced(self, notice: Notice) -> None:
        """People were told; each tenant's log holds what its owners were told."""
        note = NoticeNote(execution=self.execution, notice=notice)
        parts: dict[TenantId, Mapping[str, Json]] = {
            t: {"execution": str(self.execution), "lines": [*notice.lines_for({t})]} for t in notice.tenants
        }
        await self._owed(EntryKind.NOTIFIED, note, parts)

    async def preserved(self, things: tuple[Kept, ...]) -> None:
        """What stood is kept."""
        note = KeptNote(execution=self.execution, things_digest=kept.digest_of(things), things=things)
        await self._owed(EntryKind.PRESERVED, note)

    async def soaking(self, canary: Canary) -> None:
        """The canary holds, and its time begins."""
        await self._owed(EntryKind.CANARY_STARTED, CanaryNote(execution=self.execution, canary=canary))

    async def soaked(self, canary: Canary) -> None:
        """The canary has held for its time."""
        await self._owed(EntryKind.CANARY_PASSED, CanaryNote(execution=self.execution, canary=canary))

    async def started(self, step: Step, *, undo: bool = False) -> None:
        """About to write the step, or its inverse."""
        await self._note(EntryKind.UNDO_STARTED if undo else EntryKind.STEP_STARTED, step)

    async def applied(self, step: Step, *, undo: bool = False, reason: str = "") -> None:
        """The world has the step, or is as it was before it."""
        await self._note(EntryKind.UNDO_APPLIED if undo else EntryKind.STEP_APPLIED, step, reason=reason)

    async def failed(self, step: Step, wrote: Wrote, reason: str) -> None:
        """The step turns the execution back."""
        await self._note(EntryKind.STEP_FAILED, step, wrote=wrote, reason=reason)

    async def stuck(self, step: Step, trouble: Trouble, reason: str) -> None:
        """The undo of this step did not happen."""
        await self._note(EntryKind.UNDO_FAILED, step, trouble=trouble, reason=reason)

    async def concluded(self, outcome: Outcome) -> Outcome:
        """The outcome as it stands in the ledger: the first one that was written."""
        body = outcome.json_form()
        made = await self._append(EntryKind.OUTCOME, f"outcome:{self.execution}", body, self._parts(outcome))
        self.state = after(self.state, made.entry)
        return Outcome.read(made.entry.body)

    async def _owed(
        self,
        kind: EntryKind,
        note: NoticeNote | KeptNote | CanaryNote,
        parts: Mapping[TenantId, Mapping[str, Json]] | None = None,
    ) -> None:
        made = await self._append(kind, f"{kind.value}:{self.execution}", note.json_form(), parts)
        self.state = after(self.state, made.entry)

    def _claim(self, envelope: bytes) -> Claim:
        return Claim(
            execution=self.execution,
            audience=self._holder.audience,
            holder=self._holder.name,
            token=self._token,
            warrant=self._warrant.digest,
            envelope=envelope.decode(),
        )

    async def _note(
        self,
        kind: EntryKind,
        step: Step,
        *,
        wrote: Wrote | None = None,
        trouble: Trouble | None = None,
        reason: str = "",
    ) -> None:
        note = StepNote(
            execution=self.execution,
            step=step.number,
            change=step.change.describe(),
            wrote=wrote,
            trouble=trouble,
            reason=canonical.clean_text(reason),
        )
        body = note.json_form()
        key = f"step:{self._warrant.proposal}:{step.number}:{_VERB[kind]}"
        parts = dict.fromkeys(self.tenants.get(step.number, ()), body)
        made = await self._append(kind, key, body, parts)
        self.state = after(self.state, made.entry)

    def _parts(self, outcome: Outcome) -> dict[TenantId, Mapping[str, Json]]:
        """For each tenant the ending, and what became of its own steps only."""
        every = {tenant for tenants in self.tenants.values() for tenant in tenants}
        return {
            tenant: {
                "execution": str(outcome.execution),
                "ending": outcome.ending.value,
                "steps": [s.json_form() for s in outcome.steps if tenant in self.tenants.get(s.number, ())],
            }
            for tenant in sorted(every)
        }

    async def _append(
        self,
        kind: EntryKind,
        key: str,
        body: Mapping[str, Json],
        parts: Mapping[TenantId, Mapping[str, Json]] | None = None,
    ) -> Appended:
        draft = Draft(
            kind=kind,
            at=self._clock(),
            by=self._holder.subject,
            body=body,
            key=key,
            incident=self._warrant.incident,
            proposal=self._warrant.proposal,
            projections=parts or {},
            fence=Fence(scope=self.execution, token=self._token),
        )
        return await self._patience.insist(lambda: self._ledger.append(draft))

    async def _entries(self) -> list[Entry]:
        return [e async for e in self._ledger.entries(proposal=self._warrant.proposal)]
