"""What stands in the way of a write on a real cluster: each ends in the right way, with its reason in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from estate.changes import CordonNode, DrainNode, EvictPod, MoveWorkload, ReplicaMove, ScaleWorkload, UncordonNode
from estate.errors import NeverRetry, RetryLater
from estate.ids import ClusterId, NodeId, Uid, WorkloadId
from estate.results import RefusalCode
from estate.workloads import Binding
from tests.execution.clusters import CLUSTER, QUICK, SHORT, ClusterWorld, cluster_world, until
from tests.execution.rig import key
from tests.kubernetes.conftest import BARE
from tools.controlplane.launching import ControlPlane, controlplane
from tools.execution.kubernetes import keys
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.patience import Patience
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE, Access, Connection, Object

pytestmark = pytest.mark.kubernetes

SURGELESS = {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}
HPA = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def serving(world: ClusterWorld, **spec: object) -> tuple[NodeId, NodeId, WorkloadId]:
    """`serve` with a pod on each of two nodes that hold no more."""
    one, two = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    return one, two, await world.workload("Deployment", "serve", **(SURGELESS | spec))


async def move_to(world: ClusterWorld, serve: WorkloadId, source: NodeId, target: NodeId) -> MoveWorkload:
    """A move of the replica on `source`, whatever its number is."""
    seen = (await world.sight()).workload(serve)
    assert seen is not None
    replica = next(b.replica for b in seen.bindings if b.node == source)
    return MoveWorkload(
        workload=serve, moves=(ReplicaMove(replica=replica, source=source, target=target, accelerators=(0, 1)),)
    )


async def read(world: ClusterWorld, node: NodeId) -> Object:
    """The node as it is."""
    return await world.ask("GET", resources.NODES.path(name=node))


async def test_a_budget_that_blocks_forever_refuses_the_dry_run_and_ends_the_write_by_name(world: ClusterWorld) -> None:
    one, _, serve = await serving(world)
    await world.budget("serve", minAvailable=2)
    fence, drain = await world.steps(CordonNode(node=one), DrainNode(node=one))
    refusal = await world.target().rehearse((fence, drain))
    assert refusal is not None
    assert "`serve` allows no disruption even when every pod is healthy" in refusal.message
    (drain,) = await world.steps(DrainNode(node=one))
    with pytest.raises(NeverRetry, match="disruption budget `serve` did not let it go within 1 s"):
        await world.target(SHORT).apply(key(1), drain.change, drain.preconditions, drain.postconditions)
    assert drain.inverse.kind == "UncordonNode"
    assert await world.target().apply(key(1, undo=True), drain.inverse, drain.postconditions[:1]) is None
    assert await world.target().check(drain.preconditions) == ()
    assert len(await world.running("serve", 2)) == 2
    assert str(serve) in str(drain.preconditions)


async def test_an_eviction_that_a_budget_refuses_leaves_its_key_free(world: ClusterWorld) -> None:
    one, _, serve = await serving(world)
    await world.budget("serve", minAvailable=2)
    assert await world.target().apply(key(1), CordonNode(node=one), ()) is None
    (evict,) = await world.steps(EvictPod(workload=serve, replica=0, node=one))
    refusal = await world.target(SHORT).apply(key(2), evict.change, evict.preconditions)
    assert refusal is not None
    assert "`serve`" in refusal.message
    path = resources.BUDGETS.path(world.namespace, "serve")
    await world.ask("PATCH", path, {"spec": {"minAvailable": 1}}, content_type=MERGE)
    assert await world.target().apply(key(2), evict.change, evict.preconditions) is None
    assert await world.target().check(evict.postconditions) == ()
    assert await world.target().apply(key(2), evict.change, evict.preconditions) is None, "once per key"


async def test_a_pod_under_two_budgets_is_refused_at_once(world: ClusterWorld) -> None:
    """Kubernetes answers 500 to its eviction for ever, which looks like a fault that passes."""
    one, _, _ = await serving(world)
    await world.budget("serve", minAvailable=1)
    await world.budget("serve", name="also", minAvailable=1)
    (drain,) = await world.steps(DrainNode(node=one))
    refusal = await world.target().rehearse((drain,))
    assert refusal is not None
    assert "`also`, `serve` hold it together" in refusal.message


async def test_a_finalizer_that_never_ends_is_named_at_the_deadline(world: ClusterWorld) -> None:
    one, _, _ = await serving(world)
    (pod,) = [p for p in await world.pods("serve") if p["spec"]["nodeName"] == one]
    path = resources.PODS.path(world.namespace, pod["metadata"]["name"])
    await world.ask("PATCH", path, {"metadata": {"finalizers": ["example.org/never"]}}, content_type=MERGE)
    (drain,) = await world.steps(DrainNode(node=one))
    try:
        with pytest.raises(NeverRetry, match=r"finalizers `example\.org/never` never ended"):
            await world.target(SHORT).apply(key(1), drain.change, drain.preconditions)
    finally:
        await world.ask("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    await until(lambda: world.target().check(drain.postconditions), lambda missed: not missed)
    assert await world.target().apply(key(1), drain.change, drain.preconditions) is None, "it goes on from there"


async def test_a_fence_that_somebody_lifts_during_the_drain_is_told(world: ClusterWorld) -> None:
    """A node that returns while it is drained may have been filled again behind our back."""
    one, _, _ = await serving(world)
    await world.budget("serve", minAvailable=2)
    (drain,) = await world.steps(DrainNode(node=one))
    limits = replace(QUICK, between_looks=0.05)
    writing = asyncio.create_task(world.target(limits).apply(key(1), drain.change, drain.preconditions))
    await until(lambda: read(world, one), lambda n: n["spec"].get("unschedulable", False))
    body = {"spec": {"unschedulable": None}}
    await world.ask("PATCH", resources.NODES.path(name=one), body, content_type=MERGE)
    path = resources.BUDGETS.path(world.namespace, "serve")
    await world.ask("PATCH", path, {"spec": {"minAvailable": 1}}, content_type=MERGE)
    with pytest.raises(NeverRetry, match="lifted the fence"):
        await writing


async def test_a_rule_of_the_cluster_that_says_no_is_a_refusal_in_its_words(world: ClusterWorld) -> None:
    node = await world.node("a1")
    async with world.rule("nodes", "!has(object.spec.unschedulable)", "not on a Friday"):
        (step,) = await world.steps(CordonNode(node=node))
        refusal = await world.target().rehearse((step,))
        assert refusal is not None
        assert "not on a Friday" in refusal.message
        assert await world.target().apply(key(1), step.change, step.preconditions) == refusal
        assert keys.standing(await read(world, node)) == ()


async def test_a_webhook_that_never_answers_is_a_passing_fault(world: ClusterWorld) -> None:
    """It may answer tomorrow, and nothing was written meanwhile."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    one, two, serve = await serving(world)
    three = await world.node("a3")
    (step,) = await world.steps(await move_to(world, serve, one, three))
    hasty = world.target(patience=Patience(attempts=2))  # each attempt is a second: the API server waits no shorter
    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, world.webhook_down(f"https://127.0.0.1:{port}/"):
        with pytest.raises(RetryLater):
            await hasty.apply(key(1), step.change, step.preconditions, step.postconditions)
    assert await world.target().check(step.preconditions) == ()
    assert await world.on("serve") == sorted((one, two))


async def test_replicas_that_another_manager_sets_are_not_ours_to_scale(world: ClusterWorld) -> None:
    one, _, serve = await serving(world)
    three = await world.node("a3")
    path = resources.DEPLOYMENTS.path(world.namespace, "serve")
    about = {"name": "serve", "namespace": world.namespace}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": {"replicas": 2}}
    await world.apply(path, body, "argocd")
    grow = ScaleWorkload(workload=serve, replicas=3, bindings=(Binding(replica=2, node=three, accelerators=(0, 1)),))
    (step,) = await world.steps(grow)
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert (refusal.code, "`argocd`" in refusal.message) == (RefusalCode.OTHER_MANAGER, True)
    assert await world.target().apply(key(1), step.change, step.preconditions, step.postconditions) == refusal
    assert one in await world.on("serve")


async def test_replicas_that_an_autoscaler_sets_are_not_ours_to_scale(world: ClusterWorld) -> None:
    _, _, serve = await serving(world)
    three = await world.node("a3")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "serve"},
        "minReplicas": 2,
        "maxReplicas": 4,
    }
    await world.ask("POST", HPA.format(world.namespace), {"metadata": {"name": "by-load"}, "spec": spec})
    grow = ScaleWorkload(workload=serve, replicas=3, bindings=(Binding(replica=2, node=three, accelerators=(0, 1)),))
    (step,) = await world.steps(grow)
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert (refusal.code, "by-load" in refusal.message) == (RefusalCode.OTHER_MANAGER, True)


async def test_an_affinity_of_the_tenants_own_is_kept_and_its_manager_is_named(world: ClusterWorld) -> None:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    one, _, serve = await serving(world, pod={"affinity": {"nodeAffinity": required}})
    three = await world.node("a3")
    (step,) = await world.steps(await move_to(world, serve, one, three))
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert (refusal.code, "`tenant`" in refusal.message) == (RefusalCode.OTHER_MANAGER, True)
    assert await world.target().apply(key(1), step.change, step.preconditions, step.postconditions) == refusal


async def test_a_rollout_that_would_break_the_contract_is_refused_before_anything_is_written(
    world: ClusterWorld,
) -> None:
    one, _, serve = await serving(world)
    await world.budget("serve", minAvailable=2)
    three = await world.node("a3")
    (step,) = await world.steps(await move_to(world, serve, one, three))
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert "stops up to 1 pods at a time, which leaves 1 where 2 must be available" in refusal.message


async def test_a_move_that_cannot_bind_is_taken_back(world: ClusterWorld) -> None:
    """The target fills up between rehearsal and write: the pods end where they were, and the refusal says so."""
    one, two, serve = await serving(world)
    three = await world.node("a3", accelerators=2)
    (step,) = await world.steps(await move_to(world, serve, one, three))
    await world.workload("StatefulSet", "squatter", 1, serviceName="squatter")
    target = world.target(replace(QUICK, bind=3.0))
    refusal = await target.apply(key(1), step.change, step.preconditions, step.postconditions)
    assert refusal is not None
    assert refusal.code is RefusalCode.NO_CAPACITY
    held = await world.ask("GET", resources.DEPLOYMENTS.path(world.namespace, "serve"))
    assert "affinity" not in held["spec"]["template"]["spec"]
    await until(lambda: world.on("serve"), lambda nodes: nodes == sorted((one, two)))


@pytest.mark.parametrize("kind", ["Pod", "Job"])
async def test_what_nothing_would_make_again_is_neither_moved_nor_evicted(world: ClusterWorld, kind: str) -> None:
    one, two = await world.node("a1"), await world.node("a2")
    lone = await world.alone(kind, "lone", one)
    seen = (await world.sight()).workload(lone)
    assert seen is not None
    move = MoveWorkload(workload=lone, moves=(ReplicaMove(replica=0, source=one, target=two, accelerators=(0, 1)),))
    (step,) = await world.steps(move)
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert refusal.code is RefusalCode.NOT_SUPPORTED
    assert await world.target().apply(key(1), step.change, step.preconditions) == refusal
    if kind == "Pod":
        (drain,) = await world.steps(DrainNode(node=one))
        stays = await world.target().apply(key(2), drain.change, drain.preconditions)
        assert stays is not None
        assert "nothing would make it again" in stays.message
        assert (await read(world, one))["spec"].get("unschedulable") is None


async def test_data_in_an_empty_dir_is_named_unless_it_may_die(world: ClusterWorld) -> None:
    one, _, _ = await serving(world, pod={"volumes": [{"name": "scratch", "emptyDir": {}}]})
    (drain,) = await world.steps(DrainNode(node=one))
    refusal = await world.target().rehearse((drain,))
    assert refusal is not None
    assert "`scratch`" in refusal.message
    target = world.target(replace(QUICK, empty_dirs=True))
    assert await target.apply(key(1), drain.change, drain.preconditions) is None


async def test_a_replaced_controller_is_another_one(world: ClusterWorld) -> None:
    one, _, serve = await serving(world)
    three = await world.node("a3")
    (step,) = await world.steps(await move_to(world, serve, one, three))
    path = resources.DEPLOYMENTS.path(world.namespace, "serve")
    await world.ask("DELETE", path)
    await until(lambda: world.pods("serve"), lambda pods: not pods)
    world.workloads.clear()
    await world.workload("Deployment", "serve", **SURGELESS)
    refusal = await world.target().apply(key(1), step.change, step.preconditions, step.postconditions)
    assert refusal is not None
    assert refusal.code is RefusalCode.UID_CHANGED


async def test_a_write_that_is_outrun_is_written_on_the_newest_object(world: ClusterWorld) -> None:
    """Others write the same object all the time; only a changed precondition stops a write."""
    node = await world.node("a1")
    (step,) = await world.steps(CordonNode(node=node))
    stubborn = world.target(patience=Patience(attempts=100, longest_wait=0.2))

    async def disturb() -> None:
        for count in range(40):
            body = {"metadata": {"annotations": {"example.org/beat": str(count)}}}
            await world.ask("PATCH", resources.NODES.path(name=node), body, content_type=MERGE)

    async with asyncio.TaskGroup() as group:
        group.create_task(disturb(), name="disturb")
        assert await stubborn.apply(key(1), step.change, step.preconditions) is None
    assert await world.target().check(step.postconditions) == ()


async def test_a_cluster_that_is_not_the_one_of_the_facts_is_not_written(world: ClusterWorld) -> None:
    node = await world.node("a1")
    (step,) = await world.steps(CordonNode(node=node))
    world.uid = "somebody-else"
    refusal = await world.target().rehearse((step,))
    assert refusal is not None
    assert "connect to the right one" in refusal.message
    with pytest.raises(RetryLater, match="connect to the right one"):
        await world.target().apply(key(1), step.change, step.preconditions)


async def test_a_cluster_that_is_down_hides_no_node_of_another_at_its_site(
    world: ClusterWorld, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Facts may place both clusters' nodes by their bare names; one site's outage must not be two clusters'."""
    node, absent = await world.node("a1"), world.stem("absent")
    (step,) = await world.steps(CordonNode(node=node))
    world.nodes.append(absent)
    facts, down = world.facts(), ClusterId("eu-0")
    twin = next(c for c in facts.clusters if c.id == CLUSTER).model_copy(update={"id": down})
    facts = facts.model_copy(update={"clusters": (*facts.clusters, twin)})
    config = tmp_path / "down.kubeconfig"
    config.write_text(re.sub(r"https://[0-9.:]+", "https://127.0.0.1:1", control_plane.kubeconfig.read_text()))
    async with await Connection.open(Access(config)) as connection:
        target = KubernetesTarget({down: connection, CLUSTER: world.connection}, lambda: facts, QUICK)
        assert await target.apply(key(1), step.change, step.preconditions) is None
        assert (await read(world, node))["spec"]["unschedulable"] is True
        with pytest.raises(RetryLater, match="got no answer"):
            await target.apply(key(2), CordonNode(node=NodeId(absent)), ())
    world.nodes.remove(absent)


async def test_of_two_clusters_with_a_node_of_one_name_the_one_that_was_decided_on_is_fenced(
    world: ClusterWorld, control_plane: ControlPlane
) -> None:
    """Whoever may add nodes to one cluster of a site keeps no node of another from its fence by taking its name."""
    node = await world.node("a1")
    fence, drain = await world.steps(CordonNode(node=node), DrainNode(node=node))
    facts, other = world.facts(), ClusterId("eu-0")
    async with controlplane(options=BARE) as plane, await Connection.open(Access(plane.kubeconfig)) as theirs:
        identity = await theirs.request("GET", resources.IDENTITY)
        uid = Uid(str(identity["metadata"]["uid"]))
        twin = next(c for c in facts.clusters if c.id == CLUSTER).model_copy(update={"id": other, "uid": uid})
        facts = facts.model_copy(update={"clusters": (*facts.clusters, twin)})
        await theirs.request("POST", resources.NODES.path(), body={"metadata": {"name": str(node)}})
        target = KubernetesTarget({other: theirs, CLUSTER: world.connection}, lambda: facts, QUICK)
        assert await target.check(fence.preconditions) == ()
        assert await target.rehearse((fence,)) is None
        assert await target.apply(key(1), fence.change, fence.preconditions) is None
        assert await target.apply(key(2), drain.change, drain.preconditions) is None
        assert (await read(world, node))["spec"]["unschedulable"] is True
        alien = await theirs.request("GET", resources.NODES.path(name=str(node)))
        assert "unschedulable" not in alien["spec"]
        assert "annotations" not in alien["metadata"]


@pytest.mark.kubernetes(shared=False)
async def test_an_api_server_killed_during_a_drain_and_started_again_ends_in_a_finished_drain(
    cluster_names: Callable[[str], str],
) -> None:
    async with controlplane() as plane, cluster_world(plane, cluster_names) as world:
        one, _, _ = await serving(world)
        await world.budget("serve", minAvailable=2)
        (drain,) = await world.steps(DrainNode(node=one))
        limits = replace(QUICK, evict=60.0)
        writing = asyncio.create_task(world.target(limits).apply(key(1), drain.change, drain.preconditions))
        await until(lambda: read(world, one), lambda n: n["spec"].get("unschedulable", False))
        await plane.kill()
        await plane.start()
        path = resources.BUDGETS.path(world.namespace, "serve")
        await world.ask("PATCH", path, {"spec": {"minAvailable": 1}}, content_type=MERGE)
        assert await writing is None
        assert await world.target().check(drain.postconditions) == ()
        assert await world.target().apply(key(2), UncordonNode(node=one), ()) is None
