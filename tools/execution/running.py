"""One execution under way: the loop that obeys the journal's next move until nothing is left to do.

It has no choices left. Before a step starts it checks times and freezes, live preconditions, and writes the journal;
an undo is bound by neither times nor freezes, but tier 0 may forbid it, and then it stops and hands over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import assert_never

from estate import canonical, obligations
from estate.changes import Change, NoInverse
from estate.conditions import Condition, misses
from estate.effects import Step
from estate.errors import Denied, NeverRetry, RetryLater
from estate.ids import WorkloadId
from estate.outcomes import Ending, Outcome
from estate.progress import Stage
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies import redeciding, warrants
from policies.redeciding import Again
from tools.execution import journal
from tools.execution.authority import Law
from tools.execution.hands import Hands, Tell
from tools.execution.journal import Announce, Conclude, Do, Preserve, Soak, Undo, Verify
from tools.execution.notes import Trouble, Wrote
from tools.execution.obliging import Obliging, as_missed
from tools.execution.port import StepKey
from tools.execution.recording import Recorder


class Run:
    """One claimed execution. `recorder` holds its journal, read already."""

    def __init__(self, warrant: Warrant, recorder: Recorder, law: Law, hands: Hands, tell: Tell, again: Again) -> None:
        """`again` is what is known beside the warrant when it is decided again."""
        self._warrant = warrant
        self._recorder = recorder
        self._law = law
        self._hands = hands
        self._tell = tell
        self._again = again
        self._obliging = Obliging(warrant, recorder, hands, tell)
        self._stops: Mapping[int, Mapping[WorkloadId, int]] = {}
        """How many replicas each step was to stop, by the estate that it was decided on."""

    async def finish(self) -> Outcome:
        """Carry it out from wherever it stands.

        Raises:
            Fenced: a newer holder took over; nothing more was written.
            RetryLater: ledger, target or inventory is out of reach; the same call resumes.
        """
        snapshot = await self._current()
        steps = self._warrant.steps
        self._recorder.tenants = {s.number: s.change.footprint(snapshot).tenants for s in steps}
        self._stops = {s.number: s.change.disrupts(snapshot) for s in steps}
        if not self._recorder.state.begun:
            if reason := await self._objection(snapshot):
                return await self._conclude(Ending.REFUSED, reason)
            dry = f"decided again on {snapshot.version}, dry run of {len(steps)} steps passed"
            await self._tell(Stage.WARRANT, f"warrant {self._warrant.nonce[:8]} consumed: {dry}")
        while True:
            match journal.next_move(self._recorder.state, len(steps), self._warrant.obligations):
                case Announce() | Preserve() | Soak() as duty:
                    if unkept := await self._fulfil(duty):
                        return await self._conclude(Ending.REFUSED, unkept)
                case Do(number, again):
                    await self._do(steps[number - 1], again)
                case Undo(number, again):
                    await self._undo(steps[number - 1], again)
                case Verify():
                    if await self._verified():
                        return await self._conclude(Ending.VERIFIED, "")
                case Conclude():
                    return await self._concluded()
                case unreachable:
                    assert_never(unreachable)

    async def _fulfil(self, duty: Announce | Preserve | Soak) -> str | None:
        """Do what is owed; why nothing may begin without it, or None. A canary that fails turns its steps back."""
        match duty:
            case Announce():
                await self._obliging.announce()
            case Preserve():
                return await self._obliging.preserve()
            case Soak(canary):
                if failed := await self._obliging.soak(canary):
                    await self._fail(failed[0], Wrote.YES, failed[1])
        return None

    async def _current(self) -> Snapshot:
        """The newest snapshot, no older than the one that the gate decided on."""
        try:
            async with asyncio.timeout(self._hands.patience.catch_up):
                return await self._hands.reader.reached(self._warrant.snapshot)
        except TimeoutError as error:
            raise RetryLater(f"the inventory has not reached {self._warrant.snapshot}; is its writer up?") from error

    async def _objection(self, snapshot: Snapshot) -> str | None:
        """Why nothing of this may begin: times, a freeze, the second decision or the dry run of the whole."""
        if barred := self._barred(snapshot) or self._obliging.fault():
            return barred
        verdict = self._law.decide_again(self._warrant, snapshot, self._again)
        if not redeciding.acts(verdict):
            return _objected(verdict)
        if lacking := obligations.lacking(verdict.obligations, self._warrant.obligations):
            owed = "; ".join(o.describe() for o in lacking)
            return f"the warrant does not bind what is owed on {verdict.snapshot}: {owed}; propose again"
        try:
            refusal = await self._hands.patience.insist(lambda: self._hands.target.rehearse(self._warrant.steps))
        except NeverRetry as error:
            return f"there was no dry run: {error}"
        return f"the dry run was refused: {refusal.message}" if refusal else None

    def _barred(self, snapshot: Snapshot) -> str | None:
        try:
            warrants.check_in_force(self._warrant, self._hands.clock())
        except Denied as error:
            return str(error)
        return self._law.frozen(self._warrant, snapshot)

    async def _do(self, step: Step, again: bool) -> None:
        if not again and not await self._begun(step):
            return
        key, unsure = StepKey(self._warrant.proposal, step.number, undo=False), again

        async def attempt() -> Refusal | None:
            nonlocal unsure
            try:
                return await self._hands.target.apply(key, step.change, step.preconditions, step.postconditions)
            except RetryLater:
                unsure = True
                raise

        try:
            refusal = await self._hands.patience.insist(attempt)
        except (RetryLater, NeverRetry) as error:
            await self._fail(step, Wrote.UNKNOWN, str(error))
            return
        if refusal is not None:
            # An earlier attempt may have written, and somebody taken the mark away by which the world would say so.
            wrote = Wrote.UNKNOWN if unsure and not await self._as_before(step) else Wrote.NO
            await self._fail(step, wrote, refusal.message)
            return
        await self._recorder.applied(step)
        await self._tell(Stage.STEP, f"step {step.number}: {step.change.describe()}{self._stopped(step)}")

    def _stopped(self, step: Step) -> str:
        """How much stopped with it; not whose, because several tenants may listen."""
        stops = self._stops.get(step.number, {})
        replicas, workloads = sum(stops.values()), sum(1 for count in stops.values() if count)
        return f" (it disturbed {replicas} replicas of {workloads} workloads)" if replicas else ""

    async def _begun(self, step: Step) -> bool:
        """Whether the step may start; it is in the journal as started, or as failed."""
        if barred := self._barred(self._hands.reader.newest()):
            await self._fail(step, Wrote.NO, barred)
            return False
        await self._recorder.started(step)
        try:
            missed = await self._hands.patience.insist(lambda: self._hands.target.check(step.preconditions))
        except NeverRetry as error:
            await self._fail(step, Wrote.NO, str(error))
            return False
        if missed:
            await self._fail(step, Wrote.NO, as_missed(missed[0]))
        return not missed

    async def _fail(self, step: Step, wrote: Wrote, reason: str) -> None:
        await self._recorder.failed(step, wrote, reason)
        await self._tell(Stage.STEP, f"step {step.number} failed: {reason}")

    async def _undo(self, step: Step, again: bool) -> None:
        if not again and await self._needs_no_undo(step):
            await self._recorder.applied(step, undo=True, reason="there is nothing to undo")
            return
        if isinstance(step.inverse, NoInverse):
            await self._recorder.stuck(step, Trouble.IMPOSSIBLE, step.inverse.reason)
            return
        if not again:
            if forbidden := await self._forbidden(step, step.inverse):
                await self._recorder.stuck(step, Trouble.FORBIDDEN, forbidden)
                return
            await self._recorder.started(step, undo=True)
        await self._reverse(step)

    async def _needs_no_undo(self, step: Step) -> bool:
        """The step changed nothing, or a write of unknown fate never reached the world."""
        failed = self._recorder.state.step(step.number).failed
        if step.preconditions == step.postconditions:
            return True
        return failed is not None and failed.wrote is Wrote.UNKNOWN and await self._as_before(step)

    async def _reverse(self, step: Step) -> None:
        inverse = step.inverse
        assert not isinstance(inverse, NoInverse)
        key = StepKey(self._warrant.proposal, step.number, undo=True)
        try:
            refusal: Refusal | None = await self._hands.patience.insist(
                lambda: self._hands.target.apply(key, inverse, self._left_for(inverse, step), step.preconditions)
            )
        except (RetryLater, NeverRetry) as error:
            await self._recorder.stuck(step, Trouble.FAULT, str(error))
            return
        if refusal is not None and not await self._as_before(step):
            await self._recorder.stuck(step, Trouble.IMPOSSIBLE, refusal.message)
            return
        await self._recorder.applied(step, undo=True)
        await self._tell(Stage.UNDO, f"step {step.number} undone: {inverse.describe()}")

    def _left_for(self, inverse: Change, step: Step) -> tuple[Condition, ...]:
        """What the step left of all that its inverse reads, so that a drain that stopped half-way is uncordoned too."""
        read = {(c.about, c.field) for c in inverse.preconditions(self._hands.reader.newest())}
        return tuple(c for c in step.postconditions if (c.about, c.field) in read) or step.postconditions

    async def _as_before(self, *steps: Step) -> bool:
        """Whether a live read says so; what cannot be read is taken for changed."""
        conditions = journal.original(steps)
        try:
            missed = await self._hands.patience.insist(lambda: self._hands.target.check(conditions))
        except NeverRetry:
            return False
        return bool(conditions) and not missed

    async def _forbidden(self, step: Step, inverse: Change) -> str | None:
        return self._law.undo_objection(inverse, await self._caught_up(step))

    async def _caught_up(self, step: Step) -> Snapshot:
        """The newest snapshot, once the inventory has seen the step that is to be undone (or patience ended)."""

        async def newest() -> Snapshot:
            return self._hands.reader.newest()

        return await self._hands.patience.until(newest, lambda seen: not misses(seen, step.postconditions))

    async def _verified(self) -> bool:
        """Whether the world shows the whole; the step whose effect is missing turns the execution back."""
        conditions = journal.expected(self._warrant.steps)
        try:
            missed = await self._hands.patience.insist(
                lambda: self._hands.target.verify(conditions, self._hands.patience)
            )
        except NeverRetry as error:
            await self._fail(self._warrant.steps[-1], Wrote.YES, f"not verified: {error}")
            return False
        if not missed:
            await self._tell(Stage.VERIFY, f"{len(conditions)} postconditions hold")
            return True
        culprit = next(s for s in reversed(self._warrant.steps) if missed[0].condition in s.postconditions)
        await self._fail(culprit, Wrote.YES, f"not verified: {as_missed(missed[0])}")
        return False

    async def _concluded(self) -> Outcome:
        state = self._recorder.state
        note = state.stuck or state.failure
        ending, reason = journal.ending(state), note.reason if note else ""
        undone = tuple(s for s in self._warrant.steps if state.step(s.number).undone)
        if ending is Ending.ROLLED_BACK and not await self._as_before(*undone):
            return await self._conclude(Ending.HANDED_OVER, f"{reason}; undone, and the estate is not as it was")
        return await self._conclude(ending, reason)

    async def _conclude(self, ending: Ending, reason: str) -> Outcome:
        warrant = self._warrant
        outcome = Outcome(
            installation=warrant.installation,
            incident=warrant.incident,
            proposal=warrant.proposal,
            warrant=warrant.digest,
            execution=self._recorder.execution,
            site=warrant.site,
            lane=warrant.lane,
            ending=ending,
            steps=journal.results(self._recorder.state, len(warrant.steps)),
            reason=canonical.clean_text(reason),
            at=self._hands.clock(),
        )
        return await self._recorder.concluded(outcome)


def _objected(verdict: Verdict) -> str:
    answer = f"{verdict.decision.value} in mode {verdict.mode.value}"
    reasons = "; ".join(f"{f.policy}: {f.reason}" for f in verdict.failures)
    return f"decided again on {verdict.snapshot}: {reasons or answer}"
