"""Whole executions on a real cluster that meets them otherwise than was seen: changed already, or changed meanwhile.

What becomes of each kind of change where a write fails is shown in `test_every_change.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from estate.changes import Change, CordonNode, DrainNode, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.outcomes import Ending
from estate.workloads import Binding
from tests.execution.clusters import SHORT, ClusterWorld, bare, cluster_world, until
from tests.execution.rig import LiveReader, Rig, sealed, warrant
from tools.controlplane.launching import ControlPlane
from tools.execution.memory import MemoryTarget
from tools.kubernetes import resources
from tools.kubernetes.connecting import Object

pytestmark = pytest.mark.kubernetes

ON_DELETE = {"updateStrategy": {"type": "OnDelete"}, "serviceName": "serve"}


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def rig(world: ClusterWorld) -> Rig:
    """An executor's surroundings; its inventory has seen the cluster as it is now."""
    seen = MemoryTarget(await world.sight())
    return Rig(world=seen, reader=LiveReader(seen))


async def changes(world: ClusterWorld) -> tuple[Change, ...]:
    """A fence, a move, a scaling and another fence, on `serve` with a pod on each of two full nodes."""
    one, _ = await world.node("a1", accelerators=2), await world.node("a2", accelerators=2)
    serve = await world.workload("StatefulSet", "serve", **ON_DELETE)
    three, four, five = [await world.node(n) for n in ("a3", "a4", "a5")]
    seen = (await world.sight()).workload(serve)
    assert seen is not None
    replica = next(b.replica for b in seen.bindings if b.node == one)
    return (
        CordonNode(node=five),
        MoveWorkload(
            workload=serve, moves=(ReplicaMove(replica=replica, source=one, target=three, accelerators=(0, 1)),)
        ),
        ScaleWorkload(workload=serve, replicas=3, bindings=(Binding(replica=2, node=four, accelerators=(0, 1)),)),
        CordonNode(node=one, reason="xid 79"),
    )


async def objects(world: ClusterWorld) -> list[Object]:
    """Every node and the controller, without what each write changes."""
    paths = [resources.NODES.path(name=n) for n in world.nodes]
    paths.append(resources.STATEFUL_SETS.path(world.namespace, "serve"))
    return [bare(await world.ask("GET", path)) for path in paths]


async def test_an_execution_is_verified_and_a_redelivered_warrant_changes_nothing(world: ClusterWorld) -> None:
    planned = await changes(world)
    surroundings = await rig(world)
    given = warrant(*planned, on=surroundings.world.estate)
    outcome = await surroundings.executor(target=world.target()).execute(sealed(given))
    assert outcome.ending is Ending.VERIFIED
    after = await objects(world)
    again = Rig(world=surroundings.world, reader=surroundings.reader)
    repeated = await again.executor(target=world.target()).execute(sealed(given))
    assert repeated.ending is Ending.REFUSED, "a ledger that knows nothing of it finds the cluster changed"
    assert await objects(world) == after


async def test_a_drain_that_a_budget_stops_half_way_is_uncordoned_and_told(world: ClusterWorld) -> None:
    planned = await changes(world)
    moved = planned[1]
    assert isinstance(moved, MoveWorkload)
    drained = moved.moves[0].source
    assert drained is not None
    surroundings = await rig(world)
    given = warrant(DrainNode(node=drained), on=surroundings.world.estate)
    before = await objects(world)
    # The budget looks open to a dry run (one pod may go), and is used up by somebody else before the drain begins.
    await world.budget("serve", minAvailable=1)
    other = next(p for p in await world.pods("serve") if p["spec"]["nodeName"] != drained)
    await world.hold(other)
    outcome = await surroundings.executor(target=world.target(SHORT)).execute(sealed(given))
    assert outcome.ending is Ending.ROLLED_BACK
    assert "the disruption budget `serve` did not let it go" in outcome.reason
    await until(lambda: objects(world), lambda now: now == before)
