"""The contract of the Target port, on the memory world and on the twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from estate.changes import DrainNode
from estate.conditions import Condition, Field
from estate.effects import Step
from estate.errors import RetryLater
from estate.frozen import FrozenEstate
from estate.ids import NodeId, Uid
from estate.results import RefusalCode
from tests import builders
from tests.execution.rig import CAP, FENCE, MOVE, content, key
from tools.execution.memory import MemoryTarget
from tools.execution.port import Target
from tools.execution.twin import TwinTarget
from tools.twin.world import World


@dataclass
class Subject:
    """A target with a way to look at its world and to make one write meet a passing fault."""

    target: Target
    look: Callable[[], Awaitable[FrozenEstate]]
    trip: Callable[[Step], Awaitable[None]]


@pytest.fixture(params=["memory", "twin"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """The small estate behind each adapter."""
    start = builders.estate()
    if request.param == "memory":
        memory = MemoryTarget(start)

        async def look() -> FrozenEstate:
            return memory.estate

        async def trip(step: Step) -> None:
            memory.script(key(step.number), RetryLater("busy"))

        yield Subject(memory, look, trip)
        return
    world = await World.open(tmp_path / "twin.db", start.facts)
    await world.seed(builders.default_nodes(), builders.default_workloads())

    async def jam(step: Step) -> None:
        await world.inject(str(step.change.target()), step.change.kind, "busy", passing=True)

    yield Subject(TwinTarget(world), world.snapshot, jam)
    await world.close()


STEPS = builders.steps(CAP, MOVE, FENCE)


async def test_a_step_is_written_once_per_key_however_often_it_is_applied(subject: Subject) -> None:
    cap, move, fence = STEPS
    for step in (cap, move, fence, move, cap):
        assert await subject.target.apply(key(step.number), step.change, step.preconditions) is None
    done = await subject.look()
    assert await subject.target.check(fence.postconditions + move.postconditions) == ()
    assert await subject.target.apply(key(2), move.change, move.preconditions) is None
    assert content(await subject.look()) == content(done)


async def test_the_same_change_under_another_key_is_another_write(subject: Subject) -> None:
    """The key is the step's, never the change's: the same change next month is a new one."""
    move = STEPS[1]
    assert await subject.target.apply(key(2), move.change, move.preconditions) is None
    refusal = await subject.target.apply(key(9), move.change, move.preconditions)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED


async def test_a_write_happens_only_while_its_preconditions_hold(subject: Subject) -> None:
    fence = STEPS[2]
    wrong = (fence.preconditions[0].model_copy(update={"equals": True}),)
    before = content(await subject.look())
    refusal = await subject.target.apply(key(3), fence.change, wrong)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    assert content(await subject.look()) == before
    assert await subject.target.apply(key(3), fence.change, fence.preconditions) is None, "a refusal burns no key"


async def test_a_replaced_thing_is_told_from_a_changed_one(subject: Subject) -> None:
    fence = STEPS[2]
    other = (fence.preconditions[0].model_copy(update={"uid": Uid("uid-of-another")}),)
    refusal = await subject.target.apply(key(3), fence.change, other)
    assert refusal is not None
    assert refusal.code is RefusalCode.UID_CHANGED


async def test_a_check_names_what_does_not_hold_and_what_was_found(subject: Subject) -> None:
    fence = STEPS[2]
    holds = fence.preconditions[0]
    missing = Condition(about=FENCE.target(), uid=holds.uid, field=Field.CORDONED, equals=True)
    (miss,) = await subject.target.check((holds, missing))
    assert (miss.condition, miss.found) == (missing, False)


async def test_a_dry_run_plays_the_whole_and_writes_nothing(subject: Subject) -> None:
    before = content(await subject.look())
    assert await subject.target.rehearse(STEPS) is None
    back = STEPS[1].model_copy(update={"number": 4})
    refusal = await subject.target.rehearse((*STEPS, back))
    assert refusal is not None, "the second move finds the replica elsewhere"
    assert content(await subject.look()) == before


async def test_a_passing_fault_is_raised_and_leaves_the_key_free(subject: Subject) -> None:
    move = STEPS[1]
    await subject.trip(move)
    before = content(await subject.look())
    with pytest.raises(RetryLater):
        await subject.target.apply(key(2), move.change, move.preconditions)
    assert content(await subject.look()) == before
    assert await subject.target.apply(key(2), move.change, move.preconditions) is None


async def test_an_undo_has_a_key_of_its_own(subject: Subject) -> None:
    before = content(await subject.look())
    for step in STEPS:
        await subject.target.apply(key(step.number), step.change, step.preconditions)
    for step in reversed(STEPS):
        assert step.inverse.kind != "NoInverse"
        inverse = step.inverse
        assert await subject.target.apply(key(step.number, undo=True), inverse, step.postconditions) is None
    assert content(await subject.look()) == before


async def test_a_drain_evicts_whoever_it_names_and_is_written_once(subject: Subject) -> None:
    (drain,) = builders.steps(DrainNode(node=NodeId("eu-a1")))
    for _ in range(2):
        assert await subject.target.apply(key(1), drain.change, drain.preconditions) is None
    assert await subject.target.check(drain.postconditions) == ()
    left = await subject.look()
    assert left.taken(NodeId("eu-a1")) == frozenset()
    assert sum(len(w.bindings) for w in left.workloads()) == 3


async def test_what_cannot_take_effect_is_refused_as_a_value(subject: Subject) -> None:
    gone = FENCE.model_copy(update={"node": NodeId("eu-z9")})
    refusal = await subject.target.apply(key(1), gone, ())
    assert refusal is not None
    assert refusal.code is RefusalCode.UNKNOWN_TARGET
