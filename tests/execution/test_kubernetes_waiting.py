"""How the hands wait on a real API server: by watches that wake them, with fewer requests than looking would take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from estate.changes import CordonNode, DrainNode
from estate.errors import RetryLater
from estate.ids import NodeId
from tests.execution.clusters import CLUSTER, QUICK, ClusterWorld, cluster_world
from tests.execution.rig import key
from tests.kubernetes.proxies import Proxy
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.kubernetes.waiting import Limits
from tools.execution.kubernetes.watching import Since
from tools.execution.patience import Patience
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE, Access, Connection, Object

pytestmark = pytest.mark.kubernetes
HELD_SECONDS = 4.0
FINALIZER = "example.org/hold"
SPEC = {"updateStrategy": {"type": "OnDelete"}, "serviceName": "serve"}


class Counting(Connection):
    """A connection that counts what it sends."""

    sent: int = 0

    def _answer(self, *asked: object, **more: object):  # type: ignore[no-untyped-def, override]
        self.sent += 1
        return super()._answer(*asked, **more)  # type: ignore[arg-type]


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def held_pod(world: ClusterWorld) -> tuple[NodeId, str]:
    """A node with a pod on it whose end waits for somebody's finalizer."""
    node = await world.node("a1", accelerators=2)
    await world.workload("StatefulSet", "serve", 1, **SPEC)
    (pod,) = await world.pods("serve")
    path = resources.PODS.path(world.namespace, pod["metadata"]["name"])
    await world.ask("PATCH", path, {"metadata": {"finalizers": [FINALIZER]}}, content_type=MERGE)
    return node, path


async def released(world: ClusterWorld, path: str, after: float) -> None:
    """The finalizer ends."""
    await asyncio.sleep(after)
    await world.ask("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)


async def drained(world: ClusterWorld, plane: ControlPlane, limits: Limits) -> int:
    """The requests of a drain whose pod stays for four seconds."""
    node, path = await held_pod(world)
    (step,) = await world.steps(DrainNode(node=node))
    async with await Counting.open(Access(plane.kubeconfig)) as connection:
        target = KubernetesTarget({CLUSTER: connection}, world.facts, limits)
        async with asyncio.TaskGroup() as group:
            group.create_task(released(world, path, HELD_SECONDS), name="release")
            assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
        return connection.sent


async def test_waiting_takes_fewer_requests_than_looking(
    control_plane: ControlPlane, cluster_names: Callable[[str], str], record_property: Callable[[str, object], None]
) -> None:
    """The same drain twice: woken by watches, and looking at its own pace whatever the watches say."""
    counts = []
    for stem, resync in (("by-watch", 30.0), ("by-looking", 0.1)):
        async with cluster_world(control_plane, lambda name, stem=stem: f"{cluster_names(name)}-{stem}") as world:  # type: ignore[misc]
            limits = replace(QUICK, between_looks=0.1, resync=resync)
            counts.append(await drained(world, control_plane, limits))
    by_watch, by_looking = counts
    record_property("requests", f"{by_watch} by watch, {by_looking} by looking")
    assert 3 * by_watch < 2 * by_looking


@pytest.fixture
async def proxy(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with Proxy.before(control_plane.server, control_plane.kubeconfig, tmp_path) as made:
        yield made


async def test_a_wait_outlives_cuts_and_an_api_server_that_refuses(world: ClusterWorld, proxy: Proxy) -> None:
    node, path = await held_pod(world)
    (step,) = await world.steps(DrainNode(node=node))
    async with await Connection.open(Access(proxy.kubeconfig)) as connection:
        target = KubernetesTarget({CLUSTER: connection}, world.facts, QUICK)
        waiting = asyncio.create_task(target.apply(key(1), step.change, step.preconditions, step.postconditions))
        for _ in range(3):
            await asyncio.sleep(0.5)
            await proxy.cut()
        proxy.refuses = True
        await proxy.cut()
        await released(world, path, 0.5)
        proxy.refuses = False
        assert await waiting is None


async def test_a_version_that_is_gone_is_read_anew(world: ClusterWorld) -> None:
    """The first watch begins at a version that the API server does not have; the next at what was read since."""
    node = await world.node("a1")
    path, looks = resources.NODES.path(name=node), 0

    async def look() -> Object:
        nonlocal looks
        looks += 1
        return await world.ask("GET", path)

    def since(seen: Object) -> tuple[Since, ...]:
        version = "1" if looks == 1 else str(seen["metadata"]["resourceVersion"])
        return (Since.of(world.connection, resources.NODES, "", str(node), version),)

    async def label() -> None:
        await asyncio.sleep(1.5)
        await world.ask("PATCH", path, {"metadata": {"labels": {"seen": "yes"}}}, content_type=MERGE)

    async with asyncio.TaskGroup() as group:
        group.create_task(label(), name="label")
        found = await QUICK.deadline(20.0).until(look, lambda raw: "seen" in raw["metadata"]["labels"], since)
    assert found["metadata"]["labels"]["seen"] == "yes"
    assert looks <= 6


async def test_a_wait_ends_at_its_deadline_with_what_it_saw_last(world: ClusterWorld) -> None:
    node = await world.node("a1")
    began = asyncio.get_running_loop().time()

    async def look() -> Object:
        return await world.ask("GET", resources.NODES.path(name=node))

    def since(seen: Object) -> tuple[Since, ...]:
        return (Since.of(world.connection, resources.NODES, "", str(node), seen["metadata"]["resourceVersion"]),)

    seen = await replace(QUICK, resync=30.0).deadline(1.0).until(look, lambda raw: False, since)
    assert seen["metadata"]["name"] == node
    assert 1.0 <= asyncio.get_running_loop().time() - began < 4.0


async def test_an_api_server_that_stays_away_is_told_when_the_time_is_up(world: ClusterWorld, proxy: Proxy) -> None:
    node = await world.node("a1")
    (step,) = await world.steps(CordonNode(node=node))
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(await Connection.open(Access(proxy.kubeconfig)))
        target = KubernetesTarget({CLUSTER: connection}, world.facts, QUICK)
        assert await target.check(step.preconditions) == ()
        proxy.refuses = True
        await proxy.cut()
        with pytest.raises(RetryLater):
            await target.verify(step.postconditions, Patience(looks=4, between_looks=0.25))


async def test_what_others_write_is_verified_as_soon_as_it_shows(world: ClusterWorld) -> None:
    """Nobody asks again while nothing happens: the watch says when."""
    node = await world.node("a1")
    (step,) = await world.steps(CordonNode(node=node))
    target, began = world.target(replace(QUICK, resync=60.0)), asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(target.verify(step.postconditions, Patience(looks=80)), name="verify")
        await asyncio.sleep(1.0)
        assert not waiting.done()
        body = {"spec": {"unschedulable": True}}
        await world.ask("PATCH", resources.NODES.path(name=node), body, content_type=MERGE)
    assert waiting.result() == ()
    assert asyncio.get_running_loop().time() - began < 10.0
