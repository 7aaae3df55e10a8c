"""Objects applied and deleted: the same tests on the memory world, on the twin and on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from estate.changes import Change, NoInverse
from estate.conditions import Condition
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import ObjectId, Uid
from estate.manifests import Address, form_of
from estate.objects import Held, Sighting
from estate.results import Refusal, RefusalCode
from tests import builders
from tests.execution.clusters import ClusterWorld, cluster_world
from tests.execution.rig import key
from tests.objects import PORT, Manifest, apply, delete, manifest
from tools.execution.memory import MemoryTarget
from tools.execution.port import Target
from tools.execution.twin import TwinTarget
from tools.twin.world import World


@dataclass
class Subject:
    """A target with a way to look at an object's place."""

    target: Target
    namespace: str
    look: Callable[[Address], Awaitable[Sighting]]

    def settings(self, **data: str) -> Manifest:
        """The ConfigMap of the suite."""
        return manifest(namespace=self.namespace, data=data or {"rate": "5"})

    async def seen(self) -> Sighting:
        """What is at its place now."""
        return await self.look(apply(self.settings()).address)

    async def steps(self, *changes: Change) -> tuple[Step, ...]:
        """The steps as gate and executor lay them out: on an estate that never looked at an object."""
        return builders.steps(*changes)

    async def done(self, number: int, change: Change) -> Step:
        """The step, written as the executor does."""
        (step,) = await self.steps(change)
        assert await self.write(number, step) is None
        assert await self.target.check(step.postconditions) == ()
        return step

    async def write(self, number: int, step: Step) -> Refusal | None:
        return await self.target.apply(key(number), step.change, step.preconditions, step.postconditions)

    async def undo(self, number: int, step: Step) -> Refusal | None:
        assert not isinstance(step.inverse, NoInverse)
        back = key(number, undo=True)
        return await self.target.apply(back, step.inverse, step.postconditions, step.preconditions)

    async def uid(self) -> Uid:
        return (await self.seen()).uid


@pytest.fixture(params=["memory", "twin", pytest.param("kubernetes", marks=pytest.mark.kubernetes)])
def opening(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    """The namespace of tenant-a behind each adapter."""
    match request.param:
        case "memory":
            return nullcontext(_in_memory())
        case "twin":
            return _on_a_twin(request.getfixturevalue("tmp_path"))
        case _:
            plane, names = (request.getfixturevalue(f) for f in ("control_plane", "cluster_names"))
            return _on_kubernetes(cluster_world(plane, names))


@pytest.fixture
async def subject(opening: AbstractAsyncContextManager[Subject]) -> AsyncIterator[Subject]:
    """The subject, opened."""
    async with opening as made:
        yield made


def _in_memory() -> Subject:
    memory = MemoryTarget(builders.estate())

    async def look(address: Address) -> Sighting:
        return _of(memory.estate, address)

    return Subject(memory, "tenant-a", look)


@asynccontextmanager
async def _on_a_twin(directory: Path) -> AsyncIterator[Subject]:
    world = await World.open(directory / "twin.db", builders.facts())
    await world.seed(builders.default_nodes(), builders.default_workloads())

    async def look(address: Address) -> Sighting:
        return _of(await world.snapshot(), address)

    yield Subject(TwinTarget(world), "tenant-a", look)
    await world.close()


@asynccontextmanager
async def _on_kubernetes(opened: AbstractAsyncContextManager[ClusterWorld]) -> AsyncIterator[Subject]:
    async with opened as world:
        yield Subject(world.target(), world.namespace, world.object)


def _of(estate: FrozenEstate, address: Address) -> Sighting:
    seen = estate.object(ObjectId(str(address)))
    assert seen is not None, "a world knows of every object"
    return seen


async def test_an_object_is_made_changed_and_deleted(subject: Subject) -> None:
    first, second = subject.settings(), subject.settings(rate="9", burst="20")
    await subject.done(1, apply(first))
    uid = await subject.uid()
    await subject.done(2, apply(second, before=first, uid=uid))
    now = await subject.seen()
    assert (now.form, now.uid) == (form_of(second), uid)
    await subject.done(3, delete(second, uid=uid))
    assert not (await subject.seen()).there


async def test_a_step_is_written_once_per_key(subject: Subject) -> None:
    first, second = subject.settings(), subject.settings(rate="9")
    made = await subject.done(1, apply(first))
    changed = await subject.done(2, apply(second, before=first, uid=await subject.uid()))
    for number, step in ((1, made), (2, changed)):
        assert await subject.write(number, step) is None, "a repeated step is done already"
    assert (await subject.seen()).form == form_of(second)
    ended = await subject.done(3, delete(second, uid=await subject.uid()))
    assert await subject.write(3, ended) is None


async def test_what_was_deleted_is_made_anew(subject: Subject) -> None:
    """Under a key of its own, and twice: as it was, but for the uid of what was deleted."""
    first = subject.settings()
    await subject.done(1, apply(first))
    ended = await subject.done(2, delete(first, uid=await subject.uid()))
    for _ in range(2):
        assert await subject.undo(2, ended) is None
    assert (await subject.seen()).form == form_of(first)


async def test_a_creation_and_a_change_are_taken_back(subject: Subject) -> None:
    """In reverse order; what the steps read before holds again."""
    first, second = subject.settings(), subject.settings(rate="9")
    made = await subject.done(1, apply(first))
    changed = await subject.done(2, apply(second, before=first, uid=await subject.uid()))
    assert await subject.undo(2, changed) is None
    assert await subject.target.check(changed.preconditions) == ()
    for _ in range(2):
        assert await subject.undo(1, made) is None
        assert await subject.target.check(made.preconditions) == ()


async def test_nothing_is_written_unless_what_is_there_is_what_was_expected(subject: Subject) -> None:
    first, other = subject.settings(), subject.settings(rate="7")
    await subject.done(1, apply(first))
    uid = await subject.uid()
    cases: list[tuple[Change, RefusalCode]] = [
        (apply(other), RefusalCode.PRECONDITION_FAILED),
        (apply(first, before=other, uid=uid), RefusalCode.PRECONDITION_FAILED),
        (delete(other, uid=uid), RefusalCode.PRECONDITION_FAILED),
        (apply(other, before=first, uid="uid-of-another"), RefusalCode.UID_CHANGED),
        (delete(first, uid="uid-of-another"), RefusalCode.UID_CHANGED),
    ]
    for number, (change, code) in enumerate(cases, start=2):
        (step,) = await subject.steps(change)
        assert await subject.target.check(step.preconditions), "the live read says so before the write"
        refusal = await subject.write(number, step)
        assert refusal is not None
        assert refusal.code is code
        assert (await subject.seen()).form == form_of(first)


async def test_a_change_of_what_is_gone_is_refused(subject: Subject) -> None:
    (step,) = await subject.steps(apply(subject.settings(), before=subject.settings(rate="7"), uid="uid-1"))
    (miss,) = await subject.target.check(step.preconditions)
    assert miss.fault == "is gone"
    assert await subject.write(1, step) is not None


async def test_a_dry_run_plays_the_whole_and_writes_nothing(subject: Subject) -> None:
    first = subject.settings()
    other = manifest("Service", namespace=subject.namespace)
    steps = await subject.steps(apply(first), apply(other))
    assert await subject.target.rehearse(steps) is None
    assert not (await subject.seen()).there
    await subject.done(1, apply(first))
    refusal = await subject.target.rehearse(steps)
    assert refusal is not None, "it is there by now"
    before = await subject.seen()
    for change in (delete(first, uid=before.uid), apply(subject.settings(rate="9"), before=first, uid=before.uid)):
        assert await subject.target.rehearse(await subject.steps(change)) is None
        assert await subject.seen() == before


async def test_a_service_to_elsewhere_is_refused_as_a_value(subject: Subject) -> None:
    bad = apply(manifest("Service", namespace=subject.namespace, spec={"externalIPs": ["192.0.2.1"], "ports": [PORT]}))
    expected: tuple[Condition, ...] = bad.preconditions(builders.estate())
    step = Step(number=1, change=bad, preconditions=expected, postconditions=(), inverse=NoInverse(reason="none"))
    refusal = await subject.target.rehearse((step,))
    assert refusal is not None
    assert refusal.code is RefusalCode.NOT_SUPPORTED


def test_what_was_applied_is_what_a_later_change_says_before() -> None:
    """The manifest that a person applied yesterday is the `before` of today, word for word."""
    held = Held(uid=Uid("uid-1"), manifest=manifest())
    assert Held.model_validate(held.json_form()) == held
