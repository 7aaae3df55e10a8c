"""Placet's own hands with the writer's rights only, under the warrant rule: what the roles give is enough.

Every kind of change is carried out and taken back on the real API server, by the account that the generated roles make.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from estate import manifests
from estate.changes import (
    Change,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    NoInverse,
    ReplicaMove,
    ScaleMachineGroup,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
)
from estate.effects import Step
from estate.errors import PlacetError
from estate.hardware import Taint, TaintEffect
from estate.ids import NodeId, WorkloadId
from estate.results import RefusalCode
from estate.units import Watts
from estate.workloads import Binding
from policies.admission import grants, identities
from policies.admission.roles import bound_in
from tests import builders
from tests.admission.clusters import Cluster, collection, named
from tests.execution.clusters import CLUSTER, QUICK, ClusterWorld, cluster_world
from tests.execution.mig_managers import LABELS, mig_manager
from tests.execution.providers import kinds_in, provider_in
from tests.execution.rig import key
from tests.objects import SPECS, apply, delete, manifest
from tests.partitioned import repartition
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.target import KubernetesTarget
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE, Access, Connection

KINDS: dict[str, dict[str, object]] = {
    "Deployment": {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}},
    "StatefulSet": {"serviceName": "x"},
    "ReplicaSet": {},
}

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]


@dataclass
class Played:
    """A test's piece of the cluster, and hands that speak as the writer."""

    world: ClusterWorld
    hands: KubernetesTarget
    plane: ControlPlane
    connection: Connection
    """As the writer."""

    async def done_and_undone(self, change: Change) -> Step:
        """Rehearse, apply, verify; then the inverse, where there is one, and whether all is as it was."""
        (step,) = await self.world.steps(change)
        assert await self.hands.rehearse((step,)) is None
        assert await self.hands.apply(key(1), step.change, step.preconditions, step.postconditions) is None
        assert await self.hands.check(step.postconditions) == ()
        if not isinstance(step.inverse, NoInverse):
            undo = (key(1, undo=True), step.inverse, step.postconditions, step.preconditions)
            assert await self.hands.apply(*undo) is None
            assert isinstance(change, DrainNode) or await self.hands.check(step.preconditions) == ()
        return step


@pytest.fixture
async def played(guarded: Cluster) -> AsyncIterator[Played]:
    account = await guarded.plane.service_account(identities.NAMESPACE, identities.WRITER)
    suffix = named("door")
    async with (
        cluster_world(guarded.plane, lambda stem: f"{stem}-{suffix}") as world,
        await Connection.open(Access(account.kubeconfig)) as connection,
    ):
        yield Played(world, KubernetesTarget({CLUSTER: connection}, world.facts, QUICK), guarded.plane, connection)


async def test_a_node_is_fenced_and_freed(played: Played) -> None:
    await played.done_and_undone(CordonNode(node=await played.world.node("a1"), reason="xid 79"))


async def test_a_node_is_tainted_and_freed(played: Played) -> None:
    taint = Taint(key="placet.dev/suspect", value="xid-79", effect=TaintEffect.NO_SCHEDULE)
    await played.done_and_undone(TaintNode(node=await played.world.node("a1"), taint=taint, reason="xid 79"))


async def test_a_node_is_cut_and_made_whole_again(played: Played) -> None:
    node = await played.world.node("a1", accelerators=2, labels=LABELS)
    async with mig_manager(played.world, node):
        await played.done_and_undone(repartition(node))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_workload_is_scaled_up_and_down_again(played: Played, kind: str) -> None:
    """Down too: of a Deployment's equal pods those stop that the plan gives up, which takes a write to pods."""
    serve, _, three = await _serving(played.world, kind)
    added = (Binding(replica=2, node=three, accelerators=(0, 1)),)
    await played.done_and_undone(ScaleWorkload(workload=serve, replicas=3, bindings=added))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replica_is_moved_and_moved_back(played: Played, kind: str) -> None:
    serve, one, three = await _serving(played.world, kind)
    await played.done_and_undone(await _move(played.world, serve, one, three))


async def test_a_node_is_drained(played: Played) -> None:
    _, one, _ = await _serving(played.world, "Deployment")
    await played.done_and_undone(DrainNode(node=one, reason="xid 79"))


async def test_a_replica_is_evicted_from_a_fenced_node(played: Played) -> None:
    serve, one, _ = await _serving(played.world, "Deployment")
    (fence,) = await played.world.steps(CordonNode(node=one, reason="xid 79"))
    assert await played.hands.apply(key(2), fence.change, fence.preconditions, fence.postconditions) is None
    found = (await played.world.sight()).workload(serve)
    assert found is not None
    replica = next(b.replica for b in found.bindings if b.node == one)
    await played.done_and_undone(EvictPod(workload=serve, replica=replica, node=one))


@pytest.mark.parametrize("kind", manifests.KINDS)
async def test_an_object_is_made_changed_and_deleted(played: Played, kind: str) -> None:
    """Each under a warrant of its own: a creation, a change, and a deletion that is announced on the object first."""
    granted: Any = bound_in(played.world.namespace)
    await played.world.ask("POST", collection(granted), granted)
    first = manifest(kind, namespace=played.world.namespace)
    second = manifest(kind, namespace=played.world.namespace, labels={"team": "a"}, **SPECS[kind])
    await played.done_and_undone(apply(first))
    (step,) = builders.steps(apply(first))
    assert await played.hands.apply(key(2), step.change, step.preconditions, step.postconditions) is None
    uid = (await played.world.object(apply(first).address)).uid
    await played.done_and_undone(apply(second, before=first, uid=uid))
    (gone,) = builders.steps(delete(first, uid=uid))
    assert await played.hands.rehearse((gone,)) is None
    assert await played.hands.apply(key(3), gone.change, gone.preconditions, gone.postconditions) is None
    assert await played.hands.check(gone.postconditions) == ()
    await played.world.ask("DELETE", f"{collection(granted)}/{granted['metadata']['name']}")


async def test_a_machine_group_is_scaled_and_nothing_else_of_it_is_ours_to_write(played: Played) -> None:
    """The roles let the writer patch groups and machines; the door lets it set the number and the mark alone."""
    async with kinds_in(played.plane), provider_in(played.world, 1) as fleet:
        hands = KubernetesTarget({CLUSTER: played.connection}, fleet.facts, QUICK)
        (step,) = builders.steps(ScaleMachineGroup(group=fleet.group, machines=2), on=await fleet.sight())
        assert await hands.rehearse((step,)) is None
        assert await hands.apply(key(1), step.change, step.preconditions, step.postconditions) is None
        assert await hands.check(step.postconditions) == ()
        mark: Any = {"metadata": {"annotations": {"placet.dev/warrant": "forged"}}}
        machine = resources.CAPI_MACHINES.path(played.world.namespace, "gpu-1")
        for path, spec in (
            (fleet.path, {"template": {"spec": {"version": "v1.0.0"}}}),
            (fleet.path, {"paused": True}),
            (machine, {"providerID": "test://mine"}),
        ):
            with pytest.raises(PlacetError, match="never which"):
                await played.connection.request("PATCH", path, body=mark | {"spec": spec}, content_type=MERGE)


async def test_an_object_of_a_namespace_that_facts_give_nobody_is_refused_by_the_cluster_too(played: Played) -> None:
    """There the writer has no right at all: what the law missed, RBAC would refuse, by the dry run already."""
    (step,) = builders.steps(apply(manifest(namespace=played.world.namespace)))
    refusal = await played.hands.rehearse((step,))
    assert refusal is not None
    assert "forbidden" in refusal.message


async def test_what_has_no_row_in_the_table_the_hands_refuse_themselves(played: Played) -> None:
    """A kind without rights must never reach the API server: nobody would know what it would have needed."""
    node = await played.world.node("a1")
    for kind, change in {"SetPowerCap": SetPowerCap(node=node, watts=Watts(9_000))}.items():
        assert grants.BY_CHANGE[kind] == ()
        (step,) = builders.steps(change, on=builders.estate(nodes=(builders.node(node),), workloads=()))
        refusal = await played.hands.rehearse((step,))
        assert refusal is not None
        assert refusal.code is RefusalCode.NOT_SUPPORTED
    of_placets_own = {"ReleaseCapacity", "ReserveCapacity"}
    assert {k for k, granted in grants.BY_CHANGE.items() if not granted} == of_placets_own | {"SetPowerCap"}


async def _serving(world: ClusterWorld, kind: str) -> tuple[WorkloadId, NodeId, NodeId]:
    """Two replicas that fill two nodes, and a third node that is free: the workload, its first node, the free one."""
    one, _ = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload(kind, "serve", **KINDS[kind])
    return serve, one, await world.node("a3")


async def _move(world: ClusterWorld, workload: WorkloadId, source: NodeId, target: NodeId) -> MoveWorkload:
    found = (await world.sight()).workload(workload)
    assert found is not None
    replica = next(b.replica for b in found.bindings if b.node == source)
    moves = (ReplicaMove(replica=replica, source=source, target=target, accelerators=(0, 1)),)
    return MoveWorkload(workload=workload, moves=moves)
