"""Machine groups on a real API server with Cluster API's own definitions; only the provider is played."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from estate import canonical, conditions
from estate.changes import Change, CordonNode, ScaleMachineGroup, SetPowerCap
from estate.conditions import Condition, Field
from estate.ids import MachineGroupId, NodeId
from estate.outcomes import Ending, Outcome
from estate.references import Ref
from estate.results import Refusal
from estate.stock import Stock
from estate.units import Watts
from estate.warrants import Warrant
from tests import builders
from tests.execution.clusters import CLUSTER, QUICK, cluster_world
from tests.execution.providers import Provider, kinds_in, provider_in
from tests.execution.rig import LiveReader, Rig, key, sealed, warrant
from tests.kubernetes.clusters import QUICK as QUICKLY
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.groups import LEAVES
from tools.execution.kubernetes.waiting import Limits
from tools.execution.memory import MemoryTarget
from tools.inventory.kubernetes.source import KubernetesSource
from tools.kubernetes.connecting import MERGE

pytestmark = pytest.mark.kubernetes
SIZES = (Field.MACHINES, Field.MACHINES_READY)
HASTY = replace(QUICK, machines=1.0)


@pytest.fixture(scope="module")
async def managing(control_plane: ControlPlane) -> AsyncIterator[ControlPlane]:
    """A cluster that serves Cluster API's kinds."""
    async with kinds_in(control_plane):
        yield control_plane


@pytest.fixture
async def fleet(managing: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[Provider]:
    """Three machines that work."""
    async with cluster_world(managing, cluster_names) as world, provider_in(world) as made:
        yield made


async def executed(fleet: Provider, name: str, *changes: Change, limits: Limits = QUICK) -> tuple[Warrant, Outcome]:
    """One whole execution on the group as it is now; delivered twice."""
    now = await fleet.sight()
    seen = MemoryTarget(now)
    given = warrant(*changes, on=now, proposal=canonical.digest(name.encode()))
    executor = Rig(world=seen, reader=LiveReader(seen)).executor(target=fleet.target(limits))
    outcome = await executor.execute(sealed(given))
    assert await executor.execute(sealed(given)) == outcome
    return given, outcome


async def refusal(fleet: Provider, change: Change) -> str:
    """Why the hands would not write it, and nothing was written."""
    before = await fleet.machines(), await fleet.sized()
    (step,) = builders.steps(change, on=await fleet.sight())
    for found in (
        await fleet.target().rehearse((step,)),
        await fleet.target().apply(key(9), change, step.preconditions, step.postconditions),
    ):
        assert isinstance(found, Refusal), change
    marks = [m for m in await fleet.machines() if LEAVES in (m["metadata"].get("annotations") or {})]
    assert [m["metadata"]["name"] for m in marks] == [m["metadata"]["name"] for m in before[0] if m in marks]
    assert await fleet.sized() == before[1]
    assert isinstance(found, Refusal)
    return found.message


async def followed(fleet: Provider) -> tuple[Condition, ...]:
    """What the inventory's own source says of the group: what is decided on is what is written."""
    source = KubernetesSource(fleet.world.connection, CLUSTER, fleet.facts, QUICKLY)
    async with asyncio.timeout(30), contextlib.aclosing(source.watch()) as batches:
        async for seen in batches:
            for item in seen.items:
                if item.ref == Ref("machine-group", fleet.group):
                    now = builders.estate().with_stock(Stock.of((item,)))
                    return conditions.observed(now, sized(fleet, 0).target(), *SIZES)
    return ()


def sized(fleet: Provider, machines: int, *leaving: NodeId) -> ScaleMachineGroup:
    return ScaleMachineGroup(group=fleet.group, machines=machines, leaving=leaving)


async def test_a_group_grows_by_one_execution_and_comes_back_where_its_machines_never_do(fleet: Provider) -> None:
    """Done, delivered twice and asked twice; then a provider that makes machines which become nothing."""
    grown = sized(fleet, 4)
    given, done = await executed(fleet, "grow", grown)
    assert done.ending is Ending.VERIFIED, done
    assert await fleet.sized() == (4, 4)
    for step in given.steps:
        own = key(step.number)
        own = replace(own, proposal=given.proposal)
        assert await fleet.target().apply(own, step.change, step.preconditions, step.postconditions) is None
    assert len(await fleet.machines()) == 4
    assert await followed(fleet) == conditions.observed(await fleet.sight(), grown.target(), *SIZES)
    fleet.births = False
    _, undone = await executed(
        fleet, "late", CordonNode(node=NodeId(fleet.world.nodes[0])), sized(fleet, 6), limits=HASTY
    )
    assert undone.ending is Ending.ROLLED_BACK, undone
    assert "of which 4 work" in undone.reason
    assert await fleet.sized() == (4, 4)
    assert [m["metadata"]["name"] for m in await fleet.machines()] == ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]


async def test_machines_that_became_nodes_are_not_taken_by_an_undo(fleet: Provider) -> None:
    """What runs on them meanwhile nobody here knows: it is handed over, and says what to do."""
    node = NodeId(fleet.world.nodes[0])
    now = await fleet.sight()
    cap = SetPowerCap(node=node, watts=Watts(9_000))
    _, plain = await executed(fleet, "refused", sized(fleet, 4), cap)
    assert plain.ending is Ending.REFUSED, "the dry run of the whole knows it before"
    grown = sized(fleet, 4)
    (step,) = builders.steps(grown, on=now)
    assert await fleet.target().apply(key(1), grown, step.preconditions, step.postconditions) is None
    assert isinstance(step.inverse, ScaleMachineGroup)
    found = await fleet.target().apply(key(1, undo=True), step.inverse, step.postconditions[:1], step.preconditions)
    assert isinstance(found, Refusal)
    assert "cordon and drain one, and name it" in found.message
    assert await fleet.sized() == (4, 4)


async def test_the_named_node_leaves_and_no_other(fleet: Provider) -> None:
    """The provider would take the oldest; what is named is shut and empty, by a look at the very moment."""
    oldest, chosen, _ = [NodeId(n) for n in fleet.world.nodes]
    shrink = sized(fleet, 2, chosen)
    plan = (CordonNode(node=chosen, reason="not needed"), shrink)
    (cordon, gone) = builders.steps(*plan, on=await fleet.sight())
    serving = await fleet.world.alone("Pod", "late", chosen)
    assert await fleet.target().apply(key(1), cordon.change, cordon.preconditions, cordon.postconditions) is None
    late = await fleet.target().apply(key(2), shrink, gone.preconditions, gone.postconditions)
    assert isinstance(late, Refusal)
    assert "bindings" in late.message
    assert not [m for m in await fleet.machines() if LEAVES in (m["metadata"].get("annotations") or {})]
    await fleet.world.ask("DELETE", f"/api/v1/namespaces/{fleet.world.namespace}/pods/late", {"gracePeriodSeconds": 0})
    fleet.world.workloads.remove(serving)
    (kept,) = await fleet.target().preserve((shrink.target(),))
    assert '"replicas": 3' in kept.state or '"replicas":3' in kept.state
    _, done = await executed(fleet, "shrink", shrink)
    assert done.ending is Ending.VERIFIED, done
    assert await fleet.sized() == (2, 2)
    assert chosen not in fleet.world.nodes
    assert oldest in fleet.world.nodes


async def test_what_would_leave_the_choice_to_somebody_else_is_refused_before_anything_is_written(
    fleet: Provider,
) -> None:
    """Each says who stands in the way, and leaves marks and numbers as they were."""
    chosen = NodeId(fleet.world.nodes[1])
    opened = sized(fleet, 2, chosen)
    assert await fleet.world.ask(
        "PATCH", f"/api/v1/nodes/{chosen}", {"spec": {"unschedulable": True}}, content_type=MERGE
    )
    mark = {"metadata": {"annotations": {LEAVES: "theirs"}}}
    await fleet.patch("gpu-1", mark)
    assert "`gpu-1` marked to leave by somebody else" in await refusal(fleet, opened)
    await fleet.patch("gpu-1", {"metadata": {"annotations": {LEAVES: None}}})
    owner = {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineSet", "name": "gpu-2", "uid": "uid-newer"}
    await fleet.patch("gpu-3", {"metadata": {"ownerReferences": [owner]}})
    assert "being rolled out" in await refusal(fleet, opened)
    await fleet.patch("gpu-3", {"metadata": {"ownerReferences": [owner | {"name": "gpu-1", "uid": fleet.set_uid}]}})
    await fleet.patch("gpu-2", {"spec": {"providerID": "test://other"}})
    assert "no machine that is known to be node" in await refusal(fleet, opened)
    limit = {"cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "9"}
    await fleet.world.ask("PATCH", fleet.path, {"metadata": {"annotations": limit}}, content_type=MERGE)
    assert "autoscaler" in await refusal(fleet, sized(fleet, 4))
    gone: dict[str, None] = dict.fromkeys(limit)
    await fleet.world.ask("PATCH", fleet.path, {"metadata": {"annotations": gone}}, content_type=MERGE)
    theirs = {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineDeployment", "metadata": {"name": "gpu"}}
    whole = (await fleet.world.ask("GET", fleet.path))["spec"]
    await fleet.world.apply(fleet.path, theirs | {"spec": whole}, "gitops")
    assert "`gitops`" in await refusal(fleet, sized(fleet, 4))
    far = ScaleMachineGroup(group=MachineGroupId("us-1.fleet.workers.gpu"), machines=4)
    found = await fleet.target().apply(key(8), far, (), ())
    assert isinstance(found, Refusal)
    assert "`us-1`, which this executor does not write" in found.message
