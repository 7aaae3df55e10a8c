"""The Kubernetes target on a real API server, scheduler and controller manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from estate.changes import (
    CordonNode,
    MoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.hardware import Taint, TaintEffect
from estate.results import RefusalCode
from estate.workloads import Binding
from tests.execution.clusters import ClusterWorld, bare, cluster_world, until
from tests.execution.rig import key
from tools.controlplane.launching import ControlPlane
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE

pytestmark = pytest.mark.kubernetes

KINDS = [
    ("Deployment", {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}),
    ("StatefulSet", {"updateStrategy": {"type": "RollingUpdate"}, "serviceName": "x"}),
    ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}, "serviceName": "x"}),
    ("ReplicaSet", {}),
]
"""Controllers that roll their pods at a change of the template, and some that do not."""


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def test_a_fence_goes_up_and_down_and_leaves_the_node_as_it_was(world: ClusterWorld) -> None:
    node = await world.node("a1")
    path = resources.NODES.path(name=node)
    before = bare(await world.ask("GET", path))
    target = world.target()
    (step,) = await world.steps(CordonNode(node=node))
    assert await target.rehearse((step,)) is None
    assert await target.apply(key(1), step.change, step.preconditions) is None
    assert (await world.ask("GET", path))["spec"]["unschedulable"] is True
    assert await target.check(step.postconditions) == ()
    assert await target.apply(key(1, undo=True), UncordonNode(node=node), step.postconditions) is None
    await until(lambda: world.ask("GET", path), lambda raw: bare(raw) == before)


@pytest.mark.parametrize(("kind", "spec"), KINDS)
async def test_a_move_binds_its_pods_where_the_plan_wants_them(
    world: ClusterWorld, kind: str, spec: dict[str, object]
) -> None:
    one, two = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload(kind, "serve", **spec)
    three = await world.node("a3")
    assert await world.on("serve") == sorted((one, two))
    sight = await world.sight()
    found = sight.workload(serve)
    assert found is not None
    replica = next(b.replica for b in found.bindings if b.node == one)
    move = MoveWorkload(
        workload=serve, moves=(ReplicaMove(replica=replica, source=one, target=three, accelerators=(0, 1)),)
    )
    (step,) = await world.steps(move)
    target = world.target()
    assert await target.rehearse((step,)) is None
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert await target.check(step.postconditions) == ()
    assert await world.on("serve") == sorted((two, three))
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None, "once per key"
    inverse = step.inverse
    assert inverse.kind == "MoveWorkload"
    assert await target.apply(key(1, undo=True), inverse, step.postconditions, step.preconditions) is None
    assert await target.check(step.preconditions) == ()


@pytest.mark.parametrize(("kind", "spec"), KINDS)
async def test_scaling_places_what_it_adds_and_stops_what_the_plan_gives_up(
    world: ClusterWorld, kind: str, spec: dict[str, object]
) -> None:
    one, two = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload(kind, "serve", **spec)
    three = await world.node("a3")
    grow = ScaleWorkload(workload=serve, replicas=3, bindings=(Binding(replica=2, node=three, accelerators=(0, 1)),))
    (step,) = await world.steps(grow)
    target = world.target()
    assert await target.rehearse((step,)) is None
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert await world.on("serve") == sorted((one, two, three))
    inverse = step.inverse
    assert inverse.kind == "ScaleWorkload"
    assert await target.apply(key(1, undo=True), inverse, step.postconditions, step.preconditions) is None
    assert await target.check(step.preconditions) == ()
    assert await world.on("serve") == sorted((one, two))


async def test_a_rollout_stops_those_pods_first_whose_seats_it_needs_again(world: ClusterWorld) -> None:
    """Else a new pod waits for a full node that an old pod keeps, while the strategy keeps that old pod: for ever."""
    left, full, roomy = [await world.node(name, accelerators=2) for name in ("a1", "a2", "a3")]
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    serve = await world.workload("Deployment", "serve", replicas=3, strategy=strategy)
    await world.budget("serve", minAvailable=2)
    four = {"status": {"allocatable": {"nvidia.com/gpu": "4"}, "capacity": {"nvidia.com/gpu": "4"}}}
    await world.ask("PATCH", f"{resources.NODES.path(name=roomy)}/status", four, content_type=MERGE)
    await _stopping_first(world, left, roomy)
    found = (await world.sight()).workload(serve)
    assert found is not None
    replica = next(b.replica for b in found.bindings if b.node == left)
    moved = ReplicaMove(replica=replica, source=left, target=roomy, accelerators=(2, 3))
    (step,) = await world.steps(MoveWorkload(workload=serve, moves=(moved,)))
    target = world.target()
    assert await target.rehearse((step,)) is None
    assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
    assert await world.on("serve") == sorted((full, roomy, roomy))


async def _stopping_first(world: ClusterWorld, *nodes: str) -> None:
    """Let the Deployment choose the pods on these nodes, as it might by chance."""
    for pod in await world.pods("serve"):
        if pod["spec"]["nodeName"] in nodes:
            cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}}
            path = resources.PODS.path(world.namespace, pod["metadata"]["name"])
            await world.ask("PATCH", path, cost, content_type=MERGE)


async def test_a_fence_of_another_manager_is_not_lifted(world: ClusterWorld) -> None:
    node = await world.node("a1")
    path = resources.NODES.path(name=node)
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "spec": {"unschedulable": True}}
    await world.apply(path, body, "night-shift")
    (step,) = await world.steps(UncordonNode(node=node))
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert refusal.code is RefusalCode.OTHER_MANAGER
    assert "`night-shift`" in refusal.message
    assert await world.target().apply(key(1), step.change, step.preconditions) == refusal


async def test_taints_come_and_go_beside_those_of_others_and_beside_a_fence(world: ClusterWorld) -> None:
    """The list of taints is one field that many write: nobody else's is lost, and a later fence meets no conflict."""
    node = await world.node("a1")
    path = resources.NODES.path(name=node)
    foreign = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    await world.ask("PATCH", path, {"spec": {"taints": [foreign]}}, content_type=MERGE)
    before = bare(await world.ask("GET", path))
    taint = Taint(key="placet.dev/suspect", value="xid-79", effect=TaintEffect.NO_SCHEDULE)
    steps = await world.steps(
        TaintNode(node=node, taint=taint), CordonNode(node=node), UntaintNode(node=node, taint=taint)
    )
    target = world.target()
    assert await target.rehearse(steps) is None
    for step in (*steps, steps[0], steps[1]):
        assert await target.apply(key(step.number), step.change, step.preconditions) is None
    assert await target.check(steps[1].postconditions + steps[2].postconditions) == ()
    for step in reversed(steps):
        assert step.inverse.kind != "NoInverse"
        assert await target.apply(key(step.number, undo=True), step.inverse, step.postconditions) is None
    await until(lambda: world.ask("GET", path), lambda raw: bare(raw) == before)


async def test_every_write_carries_a_mark_that_was_not_there_before(world: ClusterWorld) -> None:
    """What the cluster's own rule demands of the writer: the first entry of the annotation is new with each write."""
    one, _ = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload("StatefulSet", "serve", updateStrategy={"type": "OnDelete"}, serviceName="x")
    three = await world.node("a3")
    found = (await world.sight()).workload(serve)
    assert found is not None
    replica = next(b.replica for b in found.bindings if b.node == one)
    moves = (ReplicaMove(replica=replica, source=one, target=three, accelerators=(0, 1)),)
    fence, move = await world.steps(CordonNode(node=one), MoveWorkload(workload=serve, moves=moves))
    rule = "object.?metadata.?annotations[?'placet.dev/warrant'].orValue('').split(',')[0]"
    old = "oldObject.?metadata.?annotations[?'placet.dev/warrant'].orValue('').split(',')"
    ours = "!request.?options.?fieldManager.orValue('').startsWith('placet')"
    target = world.target()
    async with AsyncExitStack() as rules:
        for plural in ("nodes", "statefulsets"):
            await rules.enter_async_context(world.rule(plural, f"{ours} || !({rule} in {old})", "an old mark"))
        for step in (fence, move):
            assert await target.apply(key(step.number), step.change, step.preconditions, step.postconditions) is None
        for step in (fence, move):
            assert step.inverse.kind != "NoInverse"
            back = key(step.number, undo=True)
            assert await target.apply(back, step.inverse, step.postconditions, step.preconditions) is None
