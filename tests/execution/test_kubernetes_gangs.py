"""Gangs on a real cluster: a drain stops the whole of each and sees it begin anew, or says why not and stops nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from estate.changes import CordonNode, DrainNode, EvictPod
from estate.ids import NodeId, WorkloadId
from estate.outcomes import Ending
from tests.execution.clusters import QUICK, ClusterWorld, cluster_world, until
from tests.execution.rig import LiveReader, Rig, key, sealed, warrant
from tools.controlplane.launching import ControlPlane
from tools.execution.memory import MemoryTarget
from tools.kubernetes import faults, naming, resources
from tools.kubernetes.connecting import Object

pytestmark = pytest.mark.kubernetes

FORGIVING = {
    "podFailurePolicy": {
        "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    }
}
PATIENT = replace(QUICK, bind=60.0)
"""A Job waits for ten seconds and more before it makes a failed pod again."""


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def training(world: ClusterWorld, **spec: Any) -> tuple[WorkloadId, list[NodeId]]:
    """A Job that trains on two pods, each of which fills a node, and a third node that is empty."""
    nodes = [await world.node(f"a{n}", accelerators=2) for n in (1, 2)]
    template = world.manifest("Deployment", "train")["spec"]["template"]
    template["metadata"]["labels"]["placet.dev/kind"] = "training"
    template["spec"]["restartPolicy"] = "Never"
    asked = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": template}
    body = {"metadata": {"name": "train"}, "spec": asked | spec}
    await world.ask("POST", resources.JOBS.path(world.namespace), body)
    await world.running("train", 2)
    found = naming.workload_id(next(iter(world.facts().cluster)), world.namespace, "Job", "train")
    world.workloads.append(found)
    return found, [*nodes, await world.node("a3", accelerators=2)]


async def ranks(world: ClusterWorld) -> tuple[WorkloadId, list[NodeId]]:
    """The same under a StatefulSet whose pods name a pod group; its controller makes them again at once."""
    nodes = [await world.node(f"a{n}", accelerators=2) for n in (1, 2)]
    template = world.manifest("StatefulSet", "train")["spec"]["template"]
    template["metadata"]["labels"]["scheduling.x-k8s.io/pod-group"] = "train"
    spec = {"podManagementPolicy": "Parallel", "serviceName": "train", "template": template}
    found = await world.workload("StatefulSet", "train", 2, **spec)
    return found, [*nodes, await world.node("a3", accelerators=2)]


def uids(pods: list[Object]) -> set[str]:
    return {p["metadata"]["uid"] for p in pods}


@pytest.mark.parametrize("made", [training, ranks])
async def test_a_drain_stops_the_whole_gang_and_sees_it_begin_anew(
    world: ClusterWorld, made: Callable[[ClusterWorld], Awaitable[tuple[WorkloadId, list[NodeId]]]]
) -> None:
    train, (one, two, three) = await made(world)
    before = uids(await world.pods("train"))
    (step,) = await world.steps(DrainNode(node=one))
    assert step.change.disrupts(await world.sight()) == {train: 2}
    target = world.target(PATIENT)
    assert await target.rehearse((step,)) is None
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert await target.check(step.postconditions) == ()
    after = await world.running("train", 2)
    assert not before & uids(after), "the member on the other node began anew too"
    assert await world.on("train") == sorted((two, three))
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert uids(await world.pods("train")) == uids(after), "a repeated step stops nobody again"


async def test_an_eviction_of_one_member_is_one_of_its_gang(world: ClusterWorld) -> None:
    train, (one, *_) = await ranks(world)
    before = uids(await world.pods("train"))
    seen = (await world.sight()).workload(train)
    assert seen is not None
    replica = next(b.replica for b in seen.bindings if b.node == one)
    fence, evict = await world.steps(CordonNode(node=one), EvictPod(workload=train, replica=replica, node=one))
    target = world.target(PATIENT)
    for step in (fence, evict):
        assert await target.apply(key(step.number), step.change, step.preconditions, step.postconditions) is None
    assert not before & uids(await world.running("train", 2))


async def test_a_gang_that_a_budget_holds_in_part_is_left_whole(world: ClusterWorld) -> None:
    _, (one, *_) = await training(world)
    await world.budget("train", minAvailable=1)
    before = uids(await world.pods("train"))
    (step,) = await world.steps(DrainNode(node=one))
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert "the disruption budget `train` lets 1 of its 2 pods go now" in refusal.message
    assert await world.target().apply(key(1), step.change, step.preconditions) == refusal
    assert uids(await world.pods("train")) == before
    assert not (await world.ask("GET", resources.NODES.path(name=one)))["spec"].get("unschedulable")


@pytest.mark.parametrize("spec", [{}, FORGIVING], ids=["counts", "forgives"])
async def test_a_gang_whose_job_would_give_up_is_left_alone(world: ClusterWorld, spec: dict[str, Any]) -> None:
    _, (one, *_) = await training(world, backoffLimit=1, **spec)
    (step,) = await world.steps(DrainNode(node=one))
    refusal = await world.target().rehearse((step,))
    if spec:
        assert refusal is None
        return
    assert refusal is not None
    assert "its Job `train` bears 1 more failed pods where 2 would be evicted" in refusal.message


async def test_a_gang_that_nobody_makes_again_is_told_and_the_node_uncordoned(world: ClusterWorld) -> None:
    """The Job is suspended by somebody in the moment of the drain: as a queue does that wants the gang back in it."""
    _, (one, *_) = await training(world)
    seen = MemoryTarget(await world.sight())
    surroundings = Rig(world=seen, reader=LiveReader(seen))
    given = warrant(DrainNode(node=one), on=seen.estate)
    no_more = {"spec": {"parallelism": 0}}
    path = resources.JOBS.path(world.namespace, "train")

    async def stop() -> None:
        node = resources.NODES.path(name=one)
        await until(lambda: world.ask("GET", node), lambda raw: "unschedulable" in raw["spec"])
        await world.ask("PATCH", path, no_more, content_type="application/merge-patch+json")

    executor = surroundings.executor(target=world.target(replace(QUICK, bind=3.0)))
    async with asyncio.TaskGroup() as group:
        group.create_task(stop(), name="stop")
        running = group.create_task(executor.execute(sealed(given)), name="drain")
    outcome = running.result()
    assert outcome.ending is Ending.HANDED_OVER
    assert "have made 0 of 2 pods again" in outcome.reason
    assert not (await world.ask("GET", resources.NODES.path(name=one)))["spec"].get("unschedulable")


async def test_who_was_killed_in_the_middle_still_stops_the_rest(world: ClusterWorld) -> None:
    """Mates go first: whoever resumes finds on the node who belongs together, and leaves no half of a gang."""
    _, (one, *_) = await ranks(world)
    before = uids(await world.pods("train"))
    (step,) = await world.steps(DrainNode(node=one))
    connection, asked = world.connection, asyncio.Event()
    whole = connection.request

    async def deaf(method: str, path: str, *more: Any, **rest: Any) -> Object:
        if path.endswith("/eviction") and asked.is_set():
            raise faults.Unreachable("killed here")
        if path.endswith("/eviction"):
            asked.set()
        return await whole(method, path, *more, **rest)

    target = world.target(PATIENT)
    connection.request = deaf  # type: ignore[method-assign]
    first = asyncio.create_task(target.apply(key(1), step.change, step.preconditions, step.postconditions))
    await asked.wait()
    await asyncio.sleep(1.5)
    first.cancel()
    await asyncio.wait([first])
    connection.request = whole  # type: ignore[method-assign]
    assert before & uids(await world.pods("train")), "the member on the node still runs"
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert not before & uids(await world.running("train", 2))
