"""A target with a bug of its own: the execution ends, everything is told, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest

from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.outcomes import Ending
from estate.results import Refusal
from policies.ledger.port import EntryKind
from tests.execution.rig import BROKEN, Rig, Wrapped, content, key, sealed, warrant
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey

type Call = Literal["check", "rehearse", "before the write", "after the write", "undo"]


class Buggy(Wrapped):
    """Breaks in one call: of `apply`, where it writes step `number`; of `check`, once step `number` is written."""

    def __init__(self, world: MemoryTarget, call: Call, number: int = 2) -> None:
        super().__init__(world)
        self.call = call
        self.number = number
        self.asked: list[StepKey] = []

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        if self.call == "check" and str(key(self.number)) in self.world.writes:
            raise KeyError("status")
        return await super().check(conditions)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        if self.call == "rehearse":
            raise IndexError("list index out of range")
        return await super().rehearse(steps)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        self.asked.append(key)
        here = (
            self.call not in ("check", "rehearse") and key.number == self.number and key.undo == (self.call == "undo")
        )
        if here and self.call != "after the write":
            raise KeyError("spec")
        if self.call == "undo" and key.number == self.number + 1:
            return BROKEN
        answer = await super().apply(key, change, preconditions)
        if here:
            raise KeyError("spec")
        return answer


@pytest.mark.parametrize("call", ["before the write", "after the write"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_bug_in_a_write_is_a_failed_step_of_unknown_fate_and_the_world_is_as_before(
    call: Call, number: int
) -> None:
    rig = Rig()
    before = content(rig.world.estate)
    buggy = Buggy(rig.world, call, number)
    outcome = await rig.executor(target=buggy).execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK
    assert "`KeyError: 'spec'`" in outcome.steps[number - 1].message
    (failed,) = [e.body for e in await rig.entries() if e.kind is EntryKind.STEP_FAILED]
    assert (failed["step"], failed["wrote"]) == (number, "unknown")
    assert content(rig.world.estate) == before
    assert len(buggy.asked) == len(set(buggy.asked)), "what broke is not tried again"
    assert await rig.executor(target=buggy).execute(sealed(warrant())) == outcome


async def test_a_bug_in_the_dry_run_is_a_refusal_that_writes_nothing() -> None:
    rig = Rig()
    outcome = await rig.executor(target=Buggy(rig.world, "rehearse")).execute(sealed(warrant()))
    assert (outcome.ending, rig.world.writes) == (Ending.REFUSED, [])
    assert "there was no dry run" in outcome.reason
    assert "report it" in outcome.reason


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_world_that_can_no_longer_be_read_is_handed_to_people(number: int) -> None:
    """Between two steps, or when all are to be verified: what was done is undone, and nobody claims that it shows."""
    rig = Rig()
    before = content(rig.world.estate)
    outcome = await rig.executor(target=Buggy(rig.world, "check", number)).execute(sealed(warrant()))
    assert outcome.ending is Ending.HANDED_OVER
    assert "`KeyError: 'status'`" in outcome.reason
    assert content(rig.world.estate) == before


async def test_a_bug_in_an_undo_is_told_and_nothing_more_is_tried() -> None:
    rig = Rig()
    buggy = Buggy(rig.world, "undo")
    outcome = await rig.executor(target=buggy).execute(sealed(warrant()))
    assert outcome.ending is Ending.FAILED
    assert "`KeyError: 'spec'`" in outcome.reason
    assert [str(k) for k in buggy.asked] == [*rig.step_keys(1, 2, 3), *rig.step_keys(2, undo=True)]
