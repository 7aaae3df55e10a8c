"""The contract of the Target port: the same tests on the memory world, on the twin and on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from estate.changes import CordonNode, DrainNode, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.conditions import Condition, Field, written_bindings
from estate.effects import Step
from estate.errors import RetryLater
from estate.frozen import FrozenEstate
from estate.ids import NodeId, Uid, WorkloadId
from estate.results import Refusal, RefusalCode
from estate.workloads import Binding, Workload
from tests import builders
from tests.execution.clusters import ClusterWorld, cluster_world
from tests.execution.rig import CAP, FENCE, MOVE, key
from tools.execution.memory import MemoryTarget
from tools.execution.port import Target
from tools.execution.twin import TwinTarget
from tools.twin.world import World


@dataclass(frozen=True)
class Plan:
    """The steps of the suite, in order: something else first, a move, a scaling, and the fence that they are for."""

    other: Step
    move: Step
    scale: Step
    fence: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.other, self.move, self.scale, self.fence)


@dataclass
class Subject:
    """A target with a way to look at its world and to make the writes of one step meet a passing fault."""

    target: Target
    plan: Plan
    look: Callable[[], Awaitable[FrozenEstate]]
    trouble: Callable[[Step], AbstractAsyncContextManager[None]]
    owners: bool = False
    """Whether somebody makes another replica for one that is evicted."""

    async def content(self) -> tuple[object, ...]:
        """What the world holds; where replicas are only counted, without numbers."""
        seen = await self.look()
        return (tuple(seen.nodes()), tuple(_counted(w) for w in seen.workloads()))

    async def apply(self, step: Step, number: int | None = None) -> Refusal | None:
        """Write a step as the executor does."""
        return await self.target.apply(key(number or step.number), step.change, step.preconditions, step.postconditions)


def _counted(workload: Workload) -> object:
    if not workload.counted:
        return workload
    return workload.id, workload.uid, workload.replicas, written_bindings(workload)


@pytest.fixture(
    params=["memory", "twin", *(pytest.param(k, marks=pytest.mark.kubernetes) for k in ("Deployment", "StatefulSet"))]
)
def opening(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    """The small estate behind each adapter; on Kubernetes under a controller that rolls its pods, and one that does
    not."""
    match request.param:
        case "memory":
            return nullcontext(_in_memory())
        case "twin":
            return _on_a_twin(request.getfixturevalue("tmp_path"))
        case kind:
            plane, names = (request.getfixturevalue(f) for f in ("control_plane", "cluster_names"))
            return _on_kubernetes(cluster_world(plane, names), kind)


@pytest.fixture
async def subject(opening: AbstractAsyncContextManager[Subject]) -> AsyncIterator[Subject]:
    """The subject, opened."""
    async with opening as made:
        yield made


def _in_memory() -> Subject:
    memory = MemoryTarget(builders.estate())

    async def look() -> FrozenEstate:
        return memory.estate

    @asynccontextmanager
    async def busy(step: Step) -> AsyncIterator[None]:
        memory.script(key(step.number), RetryLater("busy"))
        yield

    return Subject(memory, PLAN, look, busy)


@asynccontextmanager
async def _on_a_twin(directory: Path) -> AsyncIterator[Subject]:
    world = await World.open(directory / "twin.db", builders.facts())
    await world.seed(builders.default_nodes(), builders.default_workloads())

    @asynccontextmanager
    async def jammed(step: Step) -> AsyncIterator[None]:
        await world.inject(str(step.change.target()), step.change.kind, "busy", passing=True)
        yield

    yield Subject(TwinTarget(world), PLAN, world.snapshot, jammed)
    await world.close()


@asynccontextmanager
async def _on_kubernetes(opened: AbstractAsyncContextManager[ClusterWorld], kind: str) -> AsyncIterator[Subject]:
    async with opened as world:
        yield await _serving(world, kind)


async def _serving(world: ClusterWorld, kind: str) -> Subject:
    """Two nodes with a pod each, that hold no more; then three empty ones."""
    one, _ = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload(kind, "serve", **SPECS[kind])
    three, four, five = [await world.node(n) for n in ("a3", "a4", "a5")]
    seen = (await world.sight()).workload(serve)
    assert seen is not None
    replica = next(b.replica for b in seen.bindings if b.node == one)
    moves = (ReplicaMove(replica=replica, source=one, target=three, accelerators=(0, 1)),)
    steps = await world.steps(
        CordonNode(node=five),
        MoveWorkload(workload=serve, moves=moves),
        ScaleWorkload(workload=serve, replicas=3, bindings=(Binding(replica=2, node=four, accelerators=(0, 1)),)),
        CordonNode(node=one, reason="xid 79"),
    )
    return Subject(world.target(), Plan(*steps), world.sight, lambda step: world.webhook_down(), owners=True)


SCALE = ScaleWorkload(workload=WorkloadId("a-serve"), replicas=3, bindings=(builders.binding(2, "eu-b2", 0, 1),))
PLAN = Plan(*builders.steps(CAP, MOVE, SCALE, FENCE))
SPECS: dict[str, dict[str, object]] = {
    "Deployment": {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}},
    "StatefulSet": {"updateStrategy": {"type": "OnDelete"}, "serviceName": "serve"},
}


async def test_a_step_is_written_once_per_key_however_often_it_is_applied(subject: Subject) -> None:
    plan = subject.plan
    for step in (*plan.steps, plan.move, plan.other):
        assert await subject.apply(step) is None
    done = await subject.content()
    assert await subject.target.check(plan.fence.postconditions + plan.scale.postconditions) == ()
    assert await subject.apply(plan.move) is None
    assert await subject.content() == done


async def test_the_same_change_under_another_key_is_another_write(subject: Subject) -> None:
    """The key is the step's, never the change's: the same change next month is a new one."""
    move = subject.plan.move
    assert await subject.apply(move) is None
    refusal = await subject.apply(move, 9)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED


async def test_a_write_happens_only_while_its_preconditions_hold(subject: Subject) -> None:
    fence = subject.plan.fence
    wrong = (fence.preconditions[0].model_copy(update={"equals": True}),)
    before = await subject.content()
    refusal = await subject.target.apply(key(3), fence.change, wrong)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    assert await subject.content() == before
    assert await subject.target.apply(key(3), fence.change, fence.preconditions) is None, "a refusal burns no key"


async def test_a_replaced_thing_is_told_from_a_changed_one(subject: Subject) -> None:
    fence = subject.plan.fence
    other = (fence.preconditions[0].model_copy(update={"uid": Uid("uid-of-another")}),)
    refusal = await subject.target.apply(key(3), fence.change, other)
    assert refusal is not None
    assert refusal.code is RefusalCode.UID_CHANGED


async def test_a_check_names_what_does_not_hold_and_what_was_found(subject: Subject) -> None:
    fence = subject.plan.fence
    holds = fence.preconditions[0]
    missing = Condition(about=fence.change.target(), uid=holds.uid, field=Field.CORDONED, equals=True)
    (miss,) = await subject.target.check((holds, missing))
    assert (miss.condition, miss.found) == (missing, False)


async def test_a_dry_run_plays_the_whole_and_writes_nothing(subject: Subject) -> None:
    before = await subject.content()
    assert await subject.target.rehearse(subject.plan.steps) is None
    back = subject.plan.move.model_copy(update={"number": 5})
    refusal = await subject.target.rehearse((*subject.plan.steps, back))
    assert refusal is not None, "the second move finds the replica elsewhere"
    assert await subject.content() == before


async def test_a_passing_fault_is_raised_and_leaves_the_key_free(subject: Subject) -> None:
    move = subject.plan.move
    before = await subject.content()
    async with subject.trouble(move):
        with pytest.raises(RetryLater):
            await subject.apply(move)
    assert await subject.content() == before
    assert await subject.apply(move) is None
    assert await subject.target.check(move.postconditions) == ()


async def test_an_undo_has_a_key_of_its_own(subject: Subject) -> None:
    before = await subject.content()
    for step in subject.plan.steps:
        assert await subject.apply(step) is None
    for step in reversed(subject.plan.steps):
        assert step.inverse.kind != "NoInverse"
        back, found = key(step.number, undo=True), step.inverse
        assert await subject.target.apply(back, found, step.postconditions, step.preconditions) is None
    assert await subject.content() == before


async def test_a_drain_evicts_whoever_it_names_and_is_written_once(subject: Subject) -> None:
    fenced = subject.plan.fence.change
    assert isinstance(fenced, CordonNode)
    (drain,) = builders.steps(DrainNode(node=fenced.node), on=await subject.look())
    bound = sum(len(w.bindings) for w in (await subject.look()).workloads())
    evicted = drain.change.footprint(await subject.look()).disrupted_replicas
    for _ in range(2):
        assert await subject.apply(drain) is None
    assert await subject.target.check(drain.postconditions) == ()
    left = await subject.look()
    assert left.taken(fenced.node) == frozenset()
    if not subject.owners:
        assert sum(len(w.bindings) for w in left.workloads()) == bound - evicted


async def test_what_cannot_take_effect_is_refused_as_a_value(subject: Subject) -> None:
    gone = FENCE.model_copy(update={"node": NodeId("eu-z9")})
    refusal = await subject.target.apply(key(1), gone, ())
    assert refusal is not None
    assert refusal.code is RefusalCode.UNKNOWN_TARGET
