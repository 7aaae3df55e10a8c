"""Nothing is evicted whose next pod could land where the law forbids it; what is lawful everywhere leaves as before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from estate import law
from estate.changes import Change, CordonNode, DrainNode, EvictPod, UncordonNode
from estate.ids import NodeId, TenantId, WorkloadId
from estate.law import Isolation, Namespace
from estate.results import Refusal
from policies.admission.exporting import admission
from tests.admission import clusters as doors
from tests.execution.clusters import CLUSTER, LABEL, QUICK, ClusterWorld, cluster_world, emptied, until
from tests.execution.rig import key
from tools.controlplane.launching import ControlPlane, controlplane
from tools.execution.kubernetes import keys
from tools.execution.kubernetes.target import KubernetesTarget
from tools.kubernetes import choosing, faults, resources
from tools.kubernetes.connecting import MERGE, Object

pytestmark = pytest.mark.kubernetes

STRANGER = "stranger"


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def serving(world: ClusterWorld, **spec: Any) -> tuple[NodeId, NodeId, WorkloadId]:
    """`serve` with a pod on each of two nodes that hold no more."""
    one, two = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    return one, two, await world.workload("Deployment", "serve", **spec)


async def stranger(world: ClusterWorld) -> NodeId:
    """A node with room that no fact places, and that the pods' template allows."""
    name = await world.node(STRANGER)
    world.nodes.remove(str(name))
    return name


async def refused(world: ClusterWorld, change: Change, facts: law.Facts | None = None) -> str:
    """The words of the refusal: the same in rehearsal and at the write, which leaves no trace."""
    target = KubernetesTarget({CLUSTER: world.connection}, lambda: facts or world.facts(), QUICK)
    (step,) = await world.steps(change)
    rehearsed = await target.rehearse((step,))
    written = await target.apply(key(7), change, step.preconditions)
    assert isinstance(rehearsed, Refusal)
    assert written == rehearsed
    for name in world.nodes:
        marks = (await world.ask("GET", resources.NODES.path(name=name)))["metadata"].get("annotations", {})
        assert str(key(7)) not in marks.get(keys.WARRANT, "")
    return written.message


async def fenced(world: ClusterWorld, node: NodeId) -> None:
    assert await world.target().apply(key(1), CordonNode(node=node), ()) is None


async def test_where_every_open_node_is_lawful_an_eviction_goes_through(world: ClusterWorld) -> None:
    """The usual cluster: no door, no placement of ours, and nothing that could go wrong."""
    one, _, _ = await serving(world)
    spare = await world.node("a3")
    closed = law.Network(id="rails", tenants=("tenant-b",), nodes=(spare,))
    joined = world.facts().model_copy(update={"networks": (closed,)})
    said = await refused(world, DrainNode(node=one), joined)
    assert f"on `{spare}` it would join the network `rails`, which is not tenant-a's" in said
    (drain,) = await world.steps(DrainNode(node=one))
    assert await world.target().rehearse((drain,)) is None
    assert await world.target().apply(key(2), drain.change, drain.preconditions) is None
    assert spare in [p["spec"].get("nodeName") for p in await world.running("serve", 2)]


async def test_a_node_that_no_fact_places_stands_in_the_way_until_it_is_shut(world: ClusterWorld) -> None:
    one, two, serve = await serving(world)
    name = await stranger(world)
    said = await refused(world, DrainNode(node=one))
    assert f"`{serve}` was not evicted" in said
    assert f"signed facts place no `{name}` at eu-de" in said
    assert "`placet policy export admission --cluster eu-1`" in said
    assert "`placet-tenant-tenant-a` is not in force there" in said
    assert await world.on("serve") == sorted([one, two])
    await world.ask("PATCH", resources.NODES.path(name=name), {"spec": {"unschedulable": True}}, content_type=MERGE)
    (drain,) = await world.steps(DrainNode(node=one))
    assert await world.target().apply(key(2), drain.change, drain.preconditions) is None


async def test_an_eviction_is_held_to_the_same(world: ClusterWorld) -> None:
    one, _, serve = await serving(world)
    await fenced(world, one)
    name = await stranger(world)
    seen = (await world.sight()).workload(serve)
    assert seen is not None
    replica = next(b.replica for b in seen.bindings if b.node == one)
    assert str(name) in await refused(world, EvictPod(workload=serve, replica=replica, node=one))


async def test_a_template_that_allows_lawful_nodes_only_needs_nothing_else(world: ClusterWorld) -> None:
    """As a placement of ours, or the tenant's own affinity, writes it."""
    names = [world.stem("a1"), world.stem("a2")]
    within = {"key": "kubernetes.io/hostname", "operator": "In", "values": names}
    required = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [within]}]}
    }
    body = world.manifest("Deployment", "serve", pod={"affinity": {"nodeAffinity": required}})
    one, _, _ = await serving(world, template=body["spec"]["template"])
    await stranger(world)
    (drain,) = await world.steps(DrainNode(node=one))
    assert await world.target().rehearse((drain,)) is None


async def test_a_tenant_that_was_promised_distance_lands_beside_nobody(world: ClusterWorld) -> None:
    """By who stands there now: the other's pod keeps its node, and every node beside it in the rack."""
    one, two, _ = await serving(world)
    spare = await world.node("a3")
    other = world.stem("tenant-c")
    await world.ask("POST", resources.NAMESPACES.path(), {"metadata": {"name": other}})
    pod = doors.pod("theirs", nodeName=str(spare))
    await until(lambda: _made(world, other, pod), bool)
    for isolation, left, close in ((Isolation.DEDICATED_NODE, one, spare), (Isolation.DEDICATED_RACK, two, one)):
        said = await refused(world, DrainNode(node=left), _promised(world, other, isolation))
        assert f"on `{close}` it would stand too close to what runs in {other}" in said
    kept = _promised(world, other, Isolation.SHARED_NODE)
    target = KubernetesTarget({CLUSTER: world.connection}, lambda: kept, QUICK)
    (drain,) = await world.steps(DrainNode(node=one))
    assert await target.rehearse((drain,)) is None
    await emptied(world.connection, other)


async def _made(world: ClusterWorld, namespace: str, pod: Object) -> bool:
    """A namespace takes a moment until pods can come to it."""
    try:
        await world.ask("POST", resources.PODS.path(namespace), pod)
    except faults.Forbidden:
        return False
    return True


def _promised(world: ClusterWorld, other: str, isolation: Isolation) -> law.Facts:
    base = world.facts()
    changed = {
        TenantId("tenant-a"): {"isolation": isolation},
        TenantId("tenant-c"): {"namespaces": (Namespace(cluster=CLUSTER, name=other),)},
    }
    tenants = tuple(t.model_copy(update=changed.get(t.id, {})) for t in base.tenants)
    return _amended(base, tenants=tenants)


def _amended(facts: law.Facts, **over: Any) -> law.Facts:
    """Facts made anew: a copy would keep what was computed of the old ones."""
    return law.Facts(**({f: getattr(facts, f) for f in law.Facts.model_fields} | over))


@pytest.mark.kubernetes(shared=False)
async def test_behind_the_law_at_the_door_an_eviction_needs_nothing_else(cluster_names: Callable[[str], str]) -> None:
    """Bound, refusing, and of the facts in force: seen live, and no longer believed once one of these is not so."""
    async with controlplane() as plane, cluster_world(plane, cluster_names) as world, plane.client() as api:
        one, _, serve = await serving(world)
        await stranger(world)
        assert "is not in force there" in await refused(world, DrainNode(node=one))
        cluster = doors.Cluster(plane, api)
        for found in admission(world.facts(), CLUSTER):
            await cluster.ask("POST", doors.collection(found), found)
        probe = f"{resources.PODS.path(world.namespace)}{doors.DRY}"
        pods = (cluster.ask("POST", probe, doors.pod("any", nodeName=STRANGER)) for _ in iter(int, 1))
        await doors.until(doors.refusing(pods))
        (drain,) = await world.steps(DrainNode(node=one))
        assert await world.target().rehearse((drain,)) is None
        newer = _amended(world.facts(), version=2)
        assert "was compiled from other facts than version 2" in await refused(world, DrainNode(node=one), newer)
        bound = resources.ADMISSION_BINDINGS.path(name="placet-lawful-bindings")
        await world.ask("PATCH", bound, {"spec": {"validationActions": ["Warn"]}}, content_type=MERGE)
        assert "the binding `placet-lawful-bindings` there refuses nothing" in await refused(world, DrainNode(node=one))
        await world.ask("PATCH", bound, {"spec": {"validationActions": ["Deny"]}}, content_type=MERGE)
        assert await world.target().apply(key(2), drain.change, drain.preconditions) is None
        assert str(serve) in str(drain.preconditions)
        undone = UncordonNode(node=one)
        assert await world.target().apply(key(2, undo=True), undone, ()) is None
        assert set(await world.on("serve")) <= {*world.nodes, ""}


@pytest.mark.parametrize(
    ("spec", "admitted"),
    [
        ({}, {"n1", "n2"}),
        ({"nodeName": "n1"}, {"n1"}),
        ({"nodeSelector": {"disk": "fast"}}, {"n1"}),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, {"n1", "n2"}),
    ],
)
def test_what_a_spec_says_of_nodes_is_read_as_the_scheduler_does(spec: Mapping[str, Any], admitted: set[str]) -> None:
    assert {n["metadata"]["name"] for n in _two() if choosing.admits(spec, n)} == admitted


@pytest.mark.parametrize(
    ("terms", "admitted"),
    [
        ([{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}], {"n1"}),
        ([{"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["fast"]}]}], {"n2"}),
        ([{"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]}], {"n2"}),
        ([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}], {"n2"}),
        ([{"matchExpressions": [{"key": "disk", "operator": "Gt", "values": ["1"]}]}], {"n1", "n2"}),
        ([{}], set()),
        (
            [
                {"matchExpressions": [{"key": "disk", "operator": "Exists"}]},
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]},
            ],
            {"n1", "n2"},
        ),
    ],
)
def test_terms_are_alternatives_and_what_is_not_understood_hides_no_node(
    terms: list[Mapping[str, Any]], admitted: set[str]
) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec = {"affinity": {"nodeAffinity": required}}
    assert {n["metadata"]["name"] for n in _two() if choosing.admits(spec, n)} == admitted


def _two() -> tuple[Object, ...]:
    return (
        {"metadata": {"name": "n1", "labels": {"disk": "fast", LABEL: "x"}}},
        {"metadata": {"name": "n2"}},
    )
