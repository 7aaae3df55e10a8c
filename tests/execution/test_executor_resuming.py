"""What an executor does with executions that another one left, or that this one was killed at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.errors import RetryLater
from estate.ids import Digest
from estate.outcomes import Ending
from estate.results import Refusal
from policies.ledger.port import EntryKind
from tests import builders
from tests.execution.rig import CAP, FENCE, Rig, Wrapped, content, sealed, warrant
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey
from tools.execution.recording import Held


class Dies(Wrapped):
    """A target whose process is killed at its first write: before it, or (`written`) right after it."""

    def __init__(self, world: MemoryTarget, *, written: bool) -> None:
        super().__init__(world)
        self.written = written

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        if self.written:
            await super().apply(key, change, preconditions)
        raise asyncio.CancelledError


async def test_an_executor_that_starts_finishes_what_others_left() -> None:
    rig = Rig()

    one, two = warrant(), warrant(CAP, proposal=builders.proposal().digest, nonce="1" * 32)
    with pytest.raises(asyncio.CancelledError):
        await rig.executor(target=Dies(rig.world, written=False)).execute(sealed(one))
    await rig.executor("done").execute(sealed(two))
    assert await rig.executor("foreign", 3).resume_all() != ()
    (again,) = [e for e in await rig.entries() if e.kind is EntryKind.RESUMED]
    assert again.body["holder"] == "foreign"
    assert await rig.count(EntryKind.OUTCOME) == 2
    assert await rig.executor("late", 4).resume_all() == ()


async def test_a_write_whose_mark_somebody_took_away_is_undone() -> None:
    """Whoever may write the object may strip it of the mark by which a resumed step knows that it was written."""
    rig = Rig()
    before = content(rig.world.estate)

    with pytest.raises(asyncio.CancelledError):
        await rig.executor(target=Dies(rig.world, written=True)).execute(sealed(warrant(FENCE)))
    rig.world.writes.clear()
    (outcome,) = await rig.executor("next", 2).resume_all()
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before


async def test_what_one_execution_meets_keeps_no_other_from_being_finished() -> None:
    """An object that some tenant made must not hold the executor up, nor keep it from starting."""
    rig = Rig()

    class Hostile(Wrapped):
        async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
            if any(c.about == CAP.target() for c in conditions):
                raise RetryLater("its API server does not answer")
            return await super().check(conditions)

    one, two = warrant(CAP), warrant(FENCE, proposal=builders.proposal().digest, nonce="1" * 32)
    for given in (one, two):
        with pytest.raises(asyncio.CancelledError):
            await rig.executor(target=Dies(rig.world, written=False)).execute(sealed(given))
    (outcome,) = await rig.executor("next", 2, target=Hostile(rig.world)).resume_all()
    assert (outcome.proposal, outcome.ending) == (two.proposal, Ending.VERIFIED)


async def test_an_expired_warrant_still_resumes_to_undo_its_steps() -> None:
    rig = Rig()
    before = content(rig.world.estate)

    with pytest.raises(asyncio.CancelledError):
        await rig.executor(target=Dies(rig.world, written=True)).execute(sealed(warrant()))
    rig.clock.advance(timedelta(days=1).total_seconds())
    (outcome,) = await rig.executor("late", 2).resume_all()
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before


@pytest.mark.parametrize("other", [("two", 1, "0"), ("one", 1, "f")], ids=["holder", "warrant"])
async def test_a_consumed_nonce_holds_off_another_holder_and_another_warrant(other: tuple[str, int, str]) -> None:
    name, token, proposal = other
    rig = Rig()

    with pytest.raises(asyncio.CancelledError):
        await rig.executor("one", 1, target=Dies(rig.world, written=False)).execute(sealed(warrant()))
    again = warrant() if proposal == "0" else warrant(proposal=Digest(f"sha256:{proposal * 64}"))
    with pytest.raises(Held):
        await rig.executor(name, token).execute(sealed(again))
    assert rig.world.writes == []
