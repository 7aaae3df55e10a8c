"""A node's accelerators cut through the GPU operator's label: whose label it is, and what its manager answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.cases.placing import place
from agents.minds.plans import Plan, Seat
from estate.effects import Step
from estate.errors import NeverRetry
from estate.ids import NodeId
from estate.results import Refusal, RefusalCode
from tests.builders import START
from tests.execution import ways
from tests.execution.clusters import QUICK, ClusterWorld, cluster_world, until
from tests.execution.mig_managers import LABELS, mig_manager
from tests.execution.rig import key
from tests.partitioned import HALVES, SEVENTHS, repartition
from tools.controlplane.launching import ControlPlane
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE
from tools.placement.engine import MaskEngine

pytestmark = pytest.mark.kubernetes

IMPATIENT = replace(QUICK, cut=0.3)


async def told(world: ClusterWorld, step: Step, number: int, *, undo: bool = False) -> Refusal | None:
    change = step.inverse if undo else step.change
    before, after = (step.postconditions, step.preconditions) if undo else (step.preconditions, step.postconditions)
    assert change.kind != "NoInverse"
    return await world.target().apply(key(number, undo=undo), change, before, after)


async def label(world: ClusterWorld, node: NodeId, value: str) -> None:
    """Somebody else sets it."""
    body = {"metadata": {"labels": {"nvidia.com/mig.config": value, "nvidia.com/mig.config.state": "success"}}}
    path, query = resources.NODES.path(name=node), {"fieldManager": "kubectl-label"}
    await world.connection.request("PATCH", path, query, body, content_type=MERGE)


async def guest(world: ClusterWorld, node: NodeId) -> None:
    """A pod that holds a slice there."""
    inner = world.manifest("Deployment", "guest")["spec"]["template"]
    inner["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": str(node)}}
    inner["spec"]["containers"][0]["resources"]["limits"] = {"nvidia.com/mig-1g.10gb": "1"}
    body = {"metadata": {"name": "guest"} | inner["metadata"], "spec": inner["spec"]}
    await world.ask("POST", resources.PODS.path(world.namespace), body)
    await world.running("guest", 1)


async def test_the_label_is_its_holders_and_the_manager_has_the_last_word(
    control_plane: ControlPlane, cluster_names: Callable[[str], str]
) -> None:
    async with cluster_world(control_plane, cluster_names) as world:
        theirs, first, silent = [await world.node(n, accelerators=2, labels=LABELS) for n in ("a1", "a2", "a3")]
        await label(world, theirs, "all-disabled")
        (step,) = await world.steps(repartition(theirs))
        for refusal in (await world.target().rehearse([step]), await told(world, step, 1)):
            assert refusal is not None
            assert (refusal.code, "`kubectl-label`" in refusal.message) == (RefusalCode.OTHER_MANAGER, True)

        (step,) = await world.steps(repartition(silent))
        with pytest.raises(NeverRetry, match=r"says `pending` of the layout `all-1g\.10gb`"):
            await world.target(IMPATIENT).apply(key(2), step.change, step.preconditions, step.postconditions)

        async with mig_manager(world, first, fails=[HALVES.name]):
            (step,) = await world.steps(repartition(first))
            assert await told(world, step, 3) is None
            await guest(world, first)
            refusal = await told(world, step, 3, undo=True)
            assert refusal is not None, "its inverse reads no more than the layout"
            assert "runs 1 workloads" in refusal.message
            await world.ask("DELETE", resources.PODS.path(world.namespace, "guest"), {"gracePeriodSeconds": 0})
            await until(lambda: world.pods("guest"), lambda pods: not pods)
            (step,) = await world.steps(repartition(first, HALVES))
            with pytest.raises(NeverRetry, match="says `failed`"):
                await told(world, step, 4)
            seen = (await world.sight()).node(first)
            assert seen is not None
            assert [a.cut for a in seen.accelerators] == [SEVENTHS.cuts[0].slices[0].profile] * 14


async def test_what_waits_for_slices_is_rehearsed_and_bound_on_a_node_that_is_cut_in_the_same_plan(
    control_plane: ControlPlane, cluster_names: Callable[[str], str]
) -> None:
    """The slice is one among whole accelerators: neither may be taken for the other."""
    async with cluster_world(control_plane, cluster_names) as world:
        node = await world.node("a1", labels=LABELS)
        body = world.manifest("Deployment", "waits", pod=ways.GATED)
        asked = body["spec"]["template"]["spec"]["containers"][0]["resources"]
        asked["limits"] = {"nvidia.com/mig-4g.40gb": "1"}
        way = await ways.waiting(world, "Deployment", body, replicas=1)
        placed = place(
            Plan(summary="seat", aims=(Seat(workload=way.workload),)), await world.sight(), MaskEngine(), START
        ).changes
        assert [c.kind for c in placed] == ["RepartitionAccelerator", "MoveWorkload"]
        steps = await world.steps(*placed)
        assert await world.target().rehearse(steps) is None
        async with mig_manager(world, node, accelerators=8):
            for step in steps:
                assert await told(world, step, step.number) is None
        assert await world.on("waits") == [node]
