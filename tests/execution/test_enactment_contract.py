"""The contract of enactment on the real scheduler: template, gates, claims and an admission check bind where was
decided, or refuse with the scheduler's own words and leave everything as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from estate.changes import MoveWorkload, ScaleWorkload
from estate.ids import NodeId
from estate.results import Refusal, RefusalCode
from tests.execution import ways
from tests.execution.clusters import QUICK, SHORT, ClusterWorld, cluster_world
from tests.execution.rig import key
from tests.execution.ways import Way
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.waiting import Limits
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE

pytestmark = pytest.mark.kubernetes
MAKERS = {
    "template": ways.under_a_template,
    "gates": ways.gated_deployment,
    "gated job": ways.gated_job,
    "claims": ways.by_claims,
}


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


@pytest.fixture(params=[*MAKERS, "queue"])
async def way(request: pytest.FixtureRequest, world: ClusterWorld) -> AsyncIterator[Way]:
    async with AsyncExitStack() as stack:
        if request.param == "queue":
            yield await stack.enter_async_context(ways.in_a_queue(world))
        else:
            yield await MAKERS[request.param](world)


async def enacted(
    way: Way, change: MoveWorkload | ScaleWorkload, limits: Limits = QUICK, number: int = 1
) -> Refusal | None:
    """The step as an executor has it written."""
    (step,) = await way.world.steps(change)
    return await way.world.target(limits).apply(key(number), change, step.preconditions, step.postconditions)


async def home(way: Way, stem: str = "home") -> NodeId:
    """A node with four devices, by number and by name."""
    named = way.name == "named"
    node = await way.world.node(stem, accelerators=0 if named else 4)
    if named:
        await ways.offer(way.world, node)
    return node


async def sources(way: Way) -> list[NodeId | None]:
    found = (await way.world.sight()).workload(way.workload)
    assert found is not None
    bound = {b.replica: b.node for b in found.bindings}
    return [bound.get(r) for r in range(2)]


async def test_pods_bind_where_was_decided_once_and_an_undo_has_them_wait_again(way: Way) -> None:
    world, node = way.world, await home(way)
    before, seen = await sources(way), await world.sight()
    change = way.move(node, node, sources=before)
    (step,) = await world.steps(change)
    target = world.target()
    assert await target.rehearse((step,)) is None
    assert await sources(way) == before
    assert await target.apply(key(1), change, step.preconditions, step.postconditions) is None
    assert await world.on(way.name) == [node, node]
    assert await target.check(step.postconditions) == ()
    pods = [p["metadata"]["uid"] for p in await world.pods(way.name)]
    assert await target.apply(key(1), change, step.preconditions, step.postconditions) is None
    assert [p["metadata"]["uid"] for p in await world.pods(way.name)] == pods
    if way.name == "named":
        assert await ways.held(world) == [["gpu-0", "gpu-1"], ["gpu-2", "gpu-3"]]
    back = change.inverse(seen)
    assert isinstance(back, MoveWorkload)
    assert await enacted(way, back, number=2) is None
    assert await sources(way) == before


@pytest.mark.parametrize("way", ["template", "gates", "claims", "queue"], indirect=True)
async def test_where_the_scheduler_says_no_its_words_are_the_refusal_and_all_is_as_it_was(way: Way) -> None:
    """The node is full for pods, which no snapshot of accelerators shows."""
    world, node = way.world, await home(way)
    full = {"status": {"allocatable": {"pods": "0"}, "capacity": {"pods": "0"}}}
    path = resources.NODES.path(name=str(node))
    await world.ask("PATCH", f"{path}/status", full, content_type=MERGE)
    before = await sources(way)
    refusal = await enacted(way, way.move(node, node, sources=before), SHORT if way.waits else QUICK_TO_GIVE_UP)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NO_CAPACITY
    assert "the scheduler says: 0/" in refusal.message
    assert "Too many pods" in refusal.message
    assert await sources(way) == before


QUICK_TO_GIVE_UP = Limits(evict=20.0, end=20.0, bind=3.0, between_looks=0.05)
