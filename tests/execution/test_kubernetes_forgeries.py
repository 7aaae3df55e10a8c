"""What somebody else writes in our name on a real cluster: no mark, manager or owner that is forged stops a fence, or
the executor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from estate.changes import CordonNode, DrainNode, ScaleWorkload
from estate.workloads import Binding
from tests.execution.clusters import CLUSTER, ClusterWorld, cluster_world
from tests.execution.rig import key
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes import keys
from tools.kubernetes import naming, resources
from tools.kubernetes.connecting import MERGE, Object
from tools.kubernetes.resources import Resource

pytestmark = pytest.mark.kubernetes


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def annotate(world: ClusterWorld, path: str, manager: str, **annotations: str) -> Object:
    """Annotations that somebody writes: a kubelet on its node, a tenant on a copied manifest."""
    written = {name.replace("__", "/").replace("_", "."): value for name, value in annotations.items()}
    body = {"metadata": {"annotations": written}}
    return await world.connection.request("PATCH", path, {"fieldManager": manager}, body, content_type=MERGE)


@pytest.mark.parametrize(
    "mark", ["sha256:0:1:do", "x" * 200_000, ",".join(map(str, range(400)))], ids=["alike", "huge", "many"]
)
async def test_a_mark_that_somebody_else_holds_stops_no_fence(world: ClusterWorld, mark: str) -> None:
    """A kubelet may write the annotations of its own node: it must not keep that node from being fenced."""
    node = await world.node("a1")
    await annotate(world, resources.NODES.path(name=node), "kubelet", placet_dev__warrant=mark)
    (fence,) = await world.steps(CordonNode(node=node))
    assert await world.target().rehearse((fence,)) is None
    assert await world.target().apply(key(1), fence.change, fence.preconditions) is None
    found = await world.ask("GET", resources.NODES.path(name=node))
    assert found["spec"]["unschedulable"] is True
    assert keys.newest(found, key(1))


async def test_a_daemon_that_holds_devices_stops_a_drain_before_anything_is_written(world: ClusterWorld) -> None:
    """Its controller would put it back on the node that is drained."""
    node = await world.node("a1")
    daemons = Resource("apps", "v1", "daemonsets", "DaemonSet")
    await world.ask("POST", daemons.path(world.namespace), world.manifest("DaemonSet", "agent"))
    await world.running("agent", 1)
    world.workloads.append(naming.workload_id(CLUSTER, world.namespace, "DaemonSet", "agent"))
    (drain,) = await world.steps(DrainNode(node=node))
    assert world.workloads[0] in str(drain.preconditions)
    refusal = await world.target().apply(key(1), drain.change, drain.preconditions)
    assert refusal is not None
    assert "have its DaemonSet" in refusal.message
    assert not (await world.ask("GET", resources.NODES.path(name=node)))["spec"].get("unschedulable")
    assert len(await world.running("agent", 1)) == 1


async def test_a_placement_that_somebody_kept_in_our_name_is_no_error(world: ClusterWorld) -> None:
    """The name of a field manager is the client's to choose."""
    node = await world.node("a1")
    serve = await world.workload("Deployment", "serve", replicas=1)
    path = resources.DEPLOYMENTS.path(world.namespace, "serve")
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"annotations": {"placet.dev/before": "{"}}}
    await world.apply(path, body | {"spec": {"replicas": 1}}, "placet")
    seen = (await world.sight()).workload(serve)
    assert seen is not None
    grow = ScaleWorkload(workload=serve, replicas=2, bindings=(Binding(replica=1, node=node, accelerators=(2, 3)),))
    (scale,) = await world.steps(grow)
    assert await world.target().apply(key(1), scale.change, scale.preconditions, scale.postconditions) is None
    assert len(await world.running("serve", 2)) == 2


async def test_a_pod_that_asks_for_the_moon_does_not_keep_its_node_from_being_looked_at(world: ClusterWorld) -> None:
    """Whoever may create pods may name their node, past every scheduler, and ask for what no machine has."""
    node = await world.node("a1")
    inner = world.manifest("Deployment", "greedy", accelerators="2M")["spec"]["template"]  # type: ignore[arg-type]
    body = {"metadata": {"name": "greedy"} | inner["metadata"], "spec": inner["spec"] | {"nodeName": str(node)}}
    await world.ask("POST", resources.PODS.path(world.namespace), body)
    (drain,) = await world.steps(DrainNode(node=node))
    assert len(await world.target().check(drain.preconditions)) <= 1
    refusal = await world.target().apply(key(1), drain.change, drain.preconditions)
    assert refusal is not None
    assert "nothing would make it again" in refusal.message


async def test_a_wish_for_too_many_replicas_is_seen_drained_around_and_never_written(world: ClusterWorld) -> None:
    """Its undo could not say how many there were. One too many will do: at a million, the controller manager itself
    takes six gigabytes.
    """
    node = await world.node("a1", accelerators=2)
    serve = await world.workload("StatefulSet", "serve", replicas=1, serviceName="serve")
    body = {"spec": {"replicas": 10_001}}
    await world.ask("PATCH", resources.STATEFUL_SETS.path(world.namespace, "serve"), body, content_type=MERGE)
    (drain,) = await world.steps(DrainNode(node=node))
    assert f"{serve} {node}" in str(drain.preconditions)
    assert await world.target().check(drain.preconditions) == ()
    (scale,) = await world.steps(ScaleWorkload(workload=serve, replicas=1))
    refusal = await world.target().apply(key(1), scale.change, scale.preconditions, scale.postconditions)
    assert refusal is not None
    assert "more than 10000 replicas" in refusal.message
