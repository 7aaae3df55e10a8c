"""What an execution owes beside its steps, carried out and written down: people told, the state before kept, a canary
that must hold. Called by `running`, which obeys the journal; what is owed after the outcome is `aftercare`'s.

Refused: an obligation that these hands cannot fulfil. Nothing is ever left out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from estate import kept, wellbeing
from estate.conditions import Miss, told
from estate.effects import Step
from estate.errors import NeverRetry
from estate.notices import Notice, NoticeLine, Occasion
from estate.obligations import Canary, Notify, Obligation, PostCheck, SnapshotFirst
from estate.progress import Stage
from estate.warrants import Warrant
from estate.words import Role
from tools.execution import journal
from tools.execution.hands import Hands, Tell
from tools.execution.recording import Recorder

_LOOKS = 10
"""How often a soaking canary is looked at, beside once at each end."""


def unable(obligation: Obligation, hands: Hands) -> str | None:
    """Why these hands cannot fulfil it, or None. A target that cannot show its things says so when it is asked."""
    match obligation:
        case Notify() if hands.announce is None:
            return f"this executor cannot `{obligation.kind}`: it has no way to tell people; give it one"
        case Notify() | SnapshotFirst() | Canary() | PostCheck():
            return None
        case unreachable:
            assert_never(unreachable)


class Obliging:
    """The obligations of one execution."""

    def __init__(self, warrant: Warrant, recorder: Recorder, hands: Hands, tell: Tell) -> None:
        self._warrant = warrant
        self._recorder = recorder
        self._hands = hands
        self._tell = tell

    def fault(self) -> str | None:
        """Why these hands may not begin: the first obligation that they cannot fulfil."""
        return next((f for o in self._warrant.obligations if (f := unable(o, self._hands))), None)

    async def announce(self) -> None:
        """Tell those who must know before the first step, and write down who was told what.

        Raises:
            RetryLater: nobody could be told; nothing begins.
        """
        notice = self._notice(next(o for o in self._warrant.obligations if isinstance(o, Notify)))
        announce = self._hands.announce
        assert announce is not None, "`fault` was asked first"
        await self._hands.patience.insist(lambda: announce(notice))
        await self._recorder.announced(notice)
        roles = " and ".join(f"{r.value}s" for r in notice.roles)
        await self._tell(Stage.NOTIFY, f"told {roles} of {len(notice.lines)} steps to come")

    async def preserve(self) -> str | None:
        """Keep what the steps write, as it stands; why that could not be, or None."""
        things = kept.named(self._warrant.steps)
        try:
            found = await self._hands.patience.insist(lambda: self._hands.target.preserve(things))
        except NeverRetry as error:
            return f"the state before could not be kept: {error}"
        await self._recorder.preserved(tuple(found))
        await self._tell(Stage.SNAPSHOT, f"kept {len(found)} things as they stand: {kept.digest_of(found)[:19]}")
        return None

    async def soak(self, canary: Canary) -> tuple[Step, str] | None:
        """Wait until the canary has held for its time; the step that did not hold and why, or None.

        The time runs from the journal's entry, so that whoever resumes it waits for what is left.
        """
        steps = self._warrant.steps[: canary.steps]
        if (begun := self._recorder.state.soaking_since) is None:
            if fault := await self._fault_of(steps, patient=True):
                return fault
            await self._recorder.soaking(canary)
            await self._tell(Stage.CANARY, f"canary of {len(steps)} steps holds; it soaks {canary.soak_seconds} s")
            begun = self._recorder.state.soaking_since or self._hands.clock()
        until, pause = begun + timedelta(seconds=canary.soak_seconds), max(0.05, canary.soak_seconds / _LOOKS)
        while (left := (until - self._hands.clock()).total_seconds()) > 0:
            if fault := await self._fault_of(steps, patient=False):
                return fault
            await self._hands.patience.sleep(min(left, pause))
        if fault := await self._fault_of(steps, patient=False):
            return fault
        await self._recorder.soaked(canary)
        await self._tell(Stage.CANARY, f"canary held for {canary.soak_seconds} s; the rest follows")
        return None

    async def _fault_of(self, steps: tuple[Step, ...], *, patient: bool) -> tuple[Step, str] | None:
        """The first of these that does not hold, or whose workloads do not run as promised."""
        conditions, target, patience = journal.expected(steps), self._hands.target, self._hands.patience
        try:
            look = (lambda: target.verify(conditions, patience)) if patient else (lambda: target.check(conditions))
            missed = await patience.insist(look)
        except NeverRetry as error:
            return steps[-1], f"the canary was not verified: {error}"
        if missed:
            culprit = next(s for s in reversed(steps) if missed[0].condition in s.postconditions)
            return culprit, f"the canary did not hold: {as_missed(missed[0])}"
        snapshot = self._hands.reader.newest()
        for step in reversed(steps):
            for _, why in wellbeing.unwell(snapshot, kept.workloads_of(step)):
                return step, f"the canary is not well: {why}"
        return None

    def _notice(self, due: Notify) -> Notice:
        warrant, tenants = self._warrant, self._recorder.tenants
        lines = (
            NoticeLine(text=f"{s.number}. {s.change.describe()}", tenants=tenants.get(s.number, ()))
            for s in warrant.steps
        )
        owners = {t for found in tenants.values() for t in found} if Role.TENANT_OWNER in due.roles else set()
        return Notice(
            installation=warrant.installation,
            incident=warrant.incident,
            proposal=warrant.proposal,
            execution=self._recorder.execution,
            site=warrant.site,
            occasion=Occasion.BEGINS,
            roles=due.roles,
            tenants=tuple(sorted(owners)),
            lines=tuple(lines),
            at=self._hands.clock(),
        )


def as_missed(miss: Miss) -> str:
    """A condition that does not hold, in words that everybody concerned may read."""
    condition = miss.condition
    found, expected = told(condition, miss.found), told(condition, condition.equals)
    return f"`{condition.about}` {condition.field.value} {miss.fault}: `{found}`, expected `{expected}`"
