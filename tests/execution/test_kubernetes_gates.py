"""What gates and queues allow beside the contract, on the real scheduler: resumed halfway, one moved alone, grown, bare
pods, others' gates; and what an admission check says no to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from estate.changes import MoveWorkload, ReplicaMove, ScaleWorkload
from estate.results import Refusal
from estate.workloads import Binding
from tests.execution import ways
from tests.execution.clusters import ClusterWorld, cluster_world, until
from tests.execution.rig import key
from tests.execution.test_enactment_contract import enacted
from tools.controlplane.launching import ControlPlane
from tools.kubernetes import queueing, resources
from tools.kubernetes.connecting import MERGE, Object

pytestmark = pytest.mark.kubernetes


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


def uids(pods: list[Object]) -> set[str]:
    return {p["metadata"]["uid"] for p in pods}


async def test_a_step_that_was_killed_halfway_goes_on_and_later_ones_leave_the_rest_alone(world: ClusterWorld) -> None:
    way = await ways.gated_deployment(world)
    one, other = await world.node("one"), await world.node("other")
    change = way.move(one, one)
    (step,) = await world.steps(change)
    target = world.target()

    async def written() -> Refusal | None:
        return await target.apply(key(1), change, step.preconditions, step.postconditions)

    killed = asyncio.create_task(written())
    await until(lambda: world.pods(way.name), lambda pods: any(not p["spec"].get("schedulingGates") for p in pods))
    killed.cancel()
    with suppress(asyncio.CancelledError):
        await killed
    assert await written() is None
    assert await world.on(way.name) == [one, one]

    before = uids(await world.pods(way.name))
    alone = ReplicaMove(replica=1, source=one, target=other, accelerators=(0, 1))
    assert await enacted(way, MoveWorkload(workload=way.workload, moves=(alone,)), number=2) is None
    assert await world.on(way.name) == sorted([one, other])
    assert len(uids(await world.pods(way.name)) & before) == 1

    before = uids(await world.pods(way.name))
    added = Binding(replica=2, node=other, accelerators=(2, 3))
    grown = ScaleWorkload(workload=way.workload, replicas=3, bindings=(added,))
    assert await enacted(way, grown, number=3) is None
    assert await world.on(way.name) == sorted([one, other, other])
    assert before < uids(await world.pods(way.name))


async def test_a_bare_pod_is_placed_and_one_behind_the_gates_of_others_is_refused(world: ClusterWorld) -> None:
    node = await world.node("home")
    for name, gates in (("bare", ["placet.dev/placement"]), ("held", ["placet.dev/placement", "example.org/first"])):
        spec = {"schedulingGates": [{"name": g} for g in gates]}
        body = world.manifest("Deployment", name, pod=spec)["spec"]["template"]
        body["metadata"]["name"] = name
        way = await ways.waiting(world, "Pod", body, replicas=1)
        move = ReplicaMove(replica=0, source=None, target=node, accelerators=(0, 1) if name == "bare" else (2, 3))
        answer = await enacted(way, MoveWorkload(workload=way.workload, moves=(move,)))
        if name == "bare":
            assert answer is None
            assert await world.on(name) == [node]
        else:
            assert isinstance(answer, Refusal)
            assert "held back by gates of others too (`example.org/first`)" in answer.message


async def test_an_admission_check_says_no_in_words_and_declines_for_good(world: ClusterWorld) -> None:
    one, other = await world.node("one"), await world.node("other")
    async with ways.in_a_queue(world) as way:
        spread = await enacted(way, way.move(one, other))
        assert isinstance(spread, Refusal)
        assert "a pod set of Kueue has one node selector; put the scheduling gate" in spread.message
        half = await enacted(way, MoveWorkload(workload=way.workload, moves=way.move(one, one).moves[:1]))
        assert isinstance(half, Refusal)
        assert "a Job in a queue, which begins whole" in half.message
        assert (await ways.answer(world))["state"] == "Pending"

        assert await enacted(way, ScaleWorkload(workload=way.workload, replicas=0)) is None
        assert (await ways.answer(world))["state"] == "Rejected"
        found = (await world.sight()).workload(way.workload)
        assert found is None or found.replicas == 0
        path = queueing.WORKLOADS.path(world.namespace, "job-waits")
        assert "placet.dev/warrant" in (await world.ask("GET", path))["metadata"]["annotations"]

        await world.ask("PATCH", f"{path}/status", {"status": {"conditions": []}}, content_type=MERGE)
        job = resources.JOBS.path(world.namespace, "waits")
        await world.ask("PATCH", job, {"metadata": {"annotations": {queueing.DECLINED: None}}}, content_type=MERGE)
        unpaid = await enacted(way, way.move(one, one), number=2)
        assert isinstance(unpaid, Refusal)
        assert "waits in Kueue for its quota" in unpaid.message
