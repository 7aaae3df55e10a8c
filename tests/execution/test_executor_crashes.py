"""Kill the executor before and after every append and every write in turn; another finishes, nothing is done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.errors import RetryLater
from estate.ids import Digest, IncidentId
from estate.kept import Kept
from estate.obligations import Canary, Notify, SnapshotFirst
from estate.outcomes import Ending, Outcome
from estate.results import Refusal
from estate.things import Thing
from estate.words import Role
from policies.ledger.port import Appended, Draft, Entry, EntryKind, Ledger
from tests.execution.rig import BROKEN, Rig, content, key, sealed, warrant
from tools.execution.patience import Patience
from tools.execution.port import StepKey, Target


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class Bomb:
    """Goes off at one point of the run: each append and each write has two, before and after it."""

    at: int
    points: int = 0

    def tick(self) -> None:
        self.points += 1
        if self.points == self.at:
            raise Killed

    async def around[T](self, act: Callable[[], Awaitable[T]]) -> T:
        self.tick()
        done = await act()
        self.tick()
        return done


class MinedLedger:
    """The ledger with a bomb at every append."""

    def __init__(self, inner: Ledger, bomb: Bomb) -> None:
        self._inner = inner
        self._bomb = bomb

    async def append(self, draft: Draft) -> Appended:
        return await self._bomb.around(lambda: self._inner.append(draft))

    async def find(self, key: str) -> Entry | None:
        return await self._inner.find(key)

    def entries(
        self,
        *,
        kind: EntryKind | None = None,
        incident: IncidentId | None = None,
        proposal: Digest | None = None,
        after: int = -1,
    ) -> AsyncIterator[Entry]:
        return self._inner.entries(kind=kind, incident=incident, proposal=proposal, after=after)

    def export(self) -> AsyncIterator[bytes]:
        return self._inner.export()

    async def close(self) -> None:
        await self._inner.close()


class MinedTarget:
    """The world with a bomb at every write."""

    def __init__(self, inner: Target, bomb: Bomb) -> None:
        self._inner = inner
        self._bomb = bomb

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        return await self._inner.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        return await patience.until(lambda: self.check(conditions), lambda missed: not missed)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        return await self._inner.rehearse(steps)

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        return await self._inner.preserve(things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        return await self._bomb.around(lambda: self._inner.apply(key, change, preconditions))


OWED = (EntryKind.NOTIFIED, EntryKind.PRESERVED, EntryKind.CANARY_STARTED, EntryKind.CANARY_PASSED)
type Prepare = Callable[[Rig], None]


def nothing(rig: Rig) -> None:
    """Every step works."""


def third_refused(rig: Rig) -> None:
    """The third step is refused however often it is tried: the two before it are undone."""
    rig.world.script(key(3), *[BROKEN] * 999)


def first_refused(rig: Rig) -> None:
    """The first step is refused: there is nothing to undo."""
    rig.world.script(key(1), *[BROKEN] * 999)


def second_unreachable(rig: Rig) -> None:
    """The second step meets passing faults until patience ends."""
    rig.world.script(key(2), *[RetryLater("busy")] * 999)


def undo_forbidden(rig: Rig) -> None:
    """The third step is refused and tier 0 forbids the way back."""
    third_refused(rig)
    rig.undo_objection = "residency"


def undo_broken(rig: Rig) -> None:
    """The third step is refused and so is the undo of the first."""
    third_refused(rig)
    rig.world.script(key(1, undo=True), *[BROKEN] * 999)


def dutiful(rig: Rig) -> None:
    """People are told, the state is kept and the first step soaks, before the rest."""
    rig.duties = (Notify(roles=(Role.OPERATOR,)), SnapshotFirst(), Canary(steps=1, soak_seconds=10))
    rig.sleep = rig.pass_time


CASES = {
    nothing: Ending.VERIFIED,
    dutiful: Ending.VERIFIED,
    third_refused: Ending.ROLLED_BACK,
    first_refused: Ending.REFUSED,
    second_unreachable: Ending.ROLLED_BACK,
    undo_forbidden: Ending.HANDED_OVER,
    undo_broken: Ending.HANDED_OVER,
}


async def run(prepare: Prepare, at: int, *, resumer: str, token: int) -> tuple[Rig, Bomb, Outcome | None]:
    """Run with a bomb at point `at` (0: none), then let `resumer` finish; the outcome of an unkilled run is its own."""
    rig, bomb = Rig(), Bomb(at)
    prepare(rig)
    envelope = sealed(warrant(obligations=rig.duties))
    mined = rig.executor("one", 1, target=MinedTarget(rig.world, bomb), ledger=MinedLedger(rig.ledger, bomb))
    try:
        return rig, bomb, await mined.execute(envelope)
    except Killed:
        return rig, bomb, await rig.executor(resumer, token).execute(envelope)


@pytest.mark.parametrize(("resumer", "token"), [("one", 1), ("two", 2)])
@pytest.mark.parametrize("prepare", CASES, ids=lambda p: p.__name__)
async def test_a_crash_at_any_point_ends_as_if_there_had_been_none(prepare: Prepare, resumer: str, token: int) -> None:
    whole, bomb, calm = await run(prepare, 0, resumer=resumer, token=token)
    assert calm is not None
    assert calm.ending is CASES[prepare]
    assert bomb.points > 4
    for at in range(1, bomb.points + 1):
        rig, _, outcome = await run(prepare, at, resumer=resumer, token=token)
        assert outcome is not None, at
        assert (outcome.ending, outcome.steps) == (calm.ending, calm.steps), at
        assert content(rig.world.estate) == content(whole.world.estate), at
        assert rig.world.writes == whole.world.writes, at
        assert await rig.count(EntryKind.CONSUMED) == await rig.count(EntryKind.OUTCOME) == 1, at
        owed = [e.kind for e in await rig.entries() if e.kind in OWED]
        assert owed == [kind for kind in OWED if rig.duties], at


@pytest.mark.parametrize("prepare", CASES, ids=lambda p: p.__name__)
async def test_a_crash_at_every_point_in_a_row_still_ends_right(prepare: Prepare) -> None:
    """Every holder dies soon after it took over; each next one comes one entry further."""
    rig = Rig()
    prepare(rig)
    envelope = sealed(warrant(obligations=rig.duties))
    whole, _, calm = await run(prepare, 0, resumer="one", token=1)
    assert calm is not None
    outcome = None
    for token in range(1, 200):
        bomb = Bomb(10)
        mined = rig.executor(
            f"e{token}", token, target=MinedTarget(rig.world, bomb), ledger=MinedLedger(rig.ledger, bomb)
        )
        try:
            outcome = await mined.execute(envelope)
            break
        except Killed:
            continue
    assert outcome is not None
    assert token >= 2
    assert outcome.ending is calm.ending
    assert rig.world.writes == whole.world.writes
    assert content(rig.world.estate) == content(whole.world.estate)
