"""A move between clusters through the Target port: the same tests on the memory world, on the twin and on two real
API servers, each step as an executor writes it, whole executions too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from estate.changes import NoInverse
from estate.conditions import Condition, written_bindings
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import NodeId, Uid, WorkloadId
from estate.outcomes import Ending
from estate.results import Refusal, RefusalCode
from tests import builders
from tests.execution.pairs import Pair, across, pair_of
from tests.execution.rig import LiveReader, Rig, key, sealed, warrant
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey, Target
from tools.execution.twin import TwinTarget
from tools.twin.world import World


@dataclass
class Subject:
    """A target, the two steps of a move, and a look at both clusters."""

    target: Target
    copy: Step
    removal: Step
    look: Callable[[], Awaitable[FrozenEstate]]

    @property
    def here(self) -> WorkloadId:
        """What is moved."""
        return WorkloadId(self.removal.change.target().id)

    @property
    def there(self) -> WorkloadId:
        """What its copy is called."""
        return next(WorkloadId(c.about.id) for c in self.copy.postconditions)

    async def apply(self, step: Step) -> Refusal | None:
        """Write a step as the executor does."""
        return await self.target.apply(key(step.number), step.change, step.preconditions, step.postconditions)

    async def undo(self, step: Step) -> Refusal | None:
        """And undo it."""
        assert not isinstance(step.inverse, NoInverse)
        back = key(step.number, undo=True)
        return await self.target.apply(back, step.inverse, step.postconditions, step.preconditions)

    async def holds(self, *conditions: Condition) -> bool:
        """Whether a live read confirms them."""
        return await self.target.check(conditions) == ()

    async def seen(self) -> list[tuple[str, Uid, tuple[str, ...]]]:
        """The moved workload, in whichever cluster it is."""
        found = (await self.look()).workloads()
        return [(w.id, w.uid, written_bindings(w)) for w in found if w.id in (self.here, self.there)]


@pytest.fixture(params=["memory", "twin", pytest.param("kubernetes", marks=pytest.mark.kubernetes)])
def opening(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    """The same move behind each adapter."""
    match request.param:
        case "memory":
            return nullcontext(_in_memory())
        case "twin":
            return _on_a_twin(request.getfixturevalue("tmp_path"))
        case _:
            names = ("control_plane", "other_plane", "cluster_names")
            return _on_kubernetes(pair_of(*(request.getfixturevalue(f) for f in names)))


@pytest.fixture
async def subject(opening: AbstractAsyncContextManager[Subject]) -> AsyncIterator[Subject]:
    """The subject, opened."""
    async with opening as made:
        yield made


def _steps() -> tuple[Step, ...]:
    return builders.steps(*across(WorkloadId("a-serve"), "tenant-a", NodeId("us-a2"), NodeId("us-a3")))


def _in_memory() -> Subject:
    memory = MemoryTarget(builders.estate())

    async def look() -> FrozenEstate:
        return memory.estate

    return Subject(memory, *_steps(), look)


@asynccontextmanager
async def _on_a_twin(directory: Path) -> AsyncIterator[Subject]:
    world = await World.open(directory / "twin.db", builders.facts())
    await world.seed(builders.default_nodes(), builders.default_workloads())
    yield Subject(TwinTarget(world), *_steps(), world.snapshot)
    await world.close()


@asynccontextmanager
async def _on_kubernetes(opened: AbstractAsyncContextManager[Pair]) -> AsyncIterator[Subject]:
    async with opened as pair:
        for name in ("a1", "a2"):
            await pair.eu.node(name, accelerators=2)
        serve = await pair.eu.workload("Deployment", "serve")
        homes = [await pair.us.node(name) for name in ("a1", "a2")]
        steps = await pair.across(serve, *homes)
        pair.us.workloads.append(WorkloadId(f"us-1.{pair.us.namespace}.deployment.serve"))
        yield Subject(pair.target(), *steps, pair.sight)


async def test_a_copy_and_a_removal_are_each_written_once_per_key(subject: Subject) -> None:
    for step in (subject.copy, subject.copy, subject.removal, subject.copy, subject.removal):
        assert await subject.apply(step) is None
    assert await subject.holds(*subject.copy.postconditions, *subject.removal.postconditions)
    ((name, uid, _),) = await subject.seen()
    assert name == subject.there
    assert uid not in {"absent", *(c.uid for c in subject.removal.preconditions if c.about.id == subject.here)}


async def test_a_dry_run_plays_both_and_writes_neither(subject: Subject) -> None:
    before = await subject.seen()
    assert await subject.target.rehearse((subject.copy, subject.removal)) is None
    again = subject.copy.model_copy(update={"number": 3})
    assert await subject.target.rehearse((subject.copy, subject.removal, again)) is not None
    assert await subject.seen() == before


async def test_a_copy_is_undone_and_nothing_of_it_is_left(subject: Subject) -> None:
    before = await subject.seen()
    assert await subject.apply(subject.copy) is None
    for _ in range(2):
        assert await subject.undo(subject.copy) is None
    assert await subject.seen() == before
    assert await subject.holds(*subject.copy.preconditions)


async def test_neither_is_written_while_its_preconditions_do_not_hold(subject: Subject) -> None:
    before = await subject.seen()
    refusal = await subject.apply(subject.removal)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    replaced = tuple(
        c.model_copy(update={"uid": Uid("another")}) if c.about.id == subject.here else c
        for c in subject.copy.preconditions
    )
    refusal = await subject.target.apply(key(1), subject.copy.change, replaced)
    assert refusal is not None
    assert refusal.code is RefusalCode.UID_CHANGED
    assert await subject.seen() == before


async def test_the_same_copy_under_another_key_finds_its_name_taken(subject: Subject) -> None:
    assert await subject.apply(subject.copy) is None
    other = subject.copy.model_copy(update={"number": 9})
    refusal = await subject.apply(other)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED


class Failing:
    """The target of the subject, that refuses one step."""

    def __init__(self, inner: Target, failing: StepKey) -> None:
        self.inner = inner
        self._failing = failing
        self.check, self.rehearse = inner.check, inner.rehearse

    async def apply(self, key: StepKey, *rest: object) -> Refusal | None:
        if key == self._failing:
            return Refusal(code=RefusalCode.FAULT, about="test", message="broken on purpose")
        return await self.inner.apply(key, *rest)  # type: ignore[arg-type]


async def rig(subject: Subject) -> Rig:
    """An executor's surroundings; its inventory has seen what is there now."""
    seen = MemoryTarget(await subject.look())
    return Rig(world=seen, reader=LiveReader(seen))


async def test_a_whole_move_is_verified(subject: Subject) -> None:
    surroundings = await rig(subject)
    given = warrant(subject.copy.change, subject.removal.change, on=surroundings.world.estate)
    outcome = await surroundings.executor(target=subject.target).execute(sealed(given))
    assert (outcome.ending, outcome.reason) == (Ending.VERIFIED, "")
    assert [name for name, _, _ in await subject.seen()] == [subject.there]


@pytest.mark.parametrize(("failing", "ending"), [(1, Ending.REFUSED), (2, Ending.ROLLED_BACK)])
async def test_a_move_that_fails_at_either_step_leaves_the_first_one_untouched(
    subject: Subject, failing: int, ending: Ending
) -> None:
    before, surroundings = await subject.seen(), await rig(subject)
    given = warrant(subject.copy.change, subject.removal.change, on=surroundings.world.estate)
    target = Failing(subject.target, key(failing))
    outcome = await surroundings.executor(target=target).execute(sealed(given))
    assert outcome.ending is ending
    assert "broken on purpose" in outcome.reason
    assert await subject.seen() == before
