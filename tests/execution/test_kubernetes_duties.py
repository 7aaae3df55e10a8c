"""Duties on a real cluster: what is kept of its objects, and a canary whose executor is killed while it soaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from estate.changes import CordonNode, EvictPod
from estate.obligations import Canary, PostCheck, SnapshotFirst
from estate.outcomes import Ending
from estate.things import Thing
from policies.ledger.port import EntryKind
from tests.execution.clusters import ClusterWorld, cluster_world
from tests.execution.rig import LiveReader, Rig, sealed, warrant
from tools.controlplane.launching import ControlPlane
from tools.execution.memory import MemoryTarget
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE

pytestmark = pytest.mark.kubernetes

DUTIES = (SnapshotFirst(), Canary(steps=1, soak_seconds=60), PostCheck(after_seconds=60))


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


async def test_a_canary_outlives_its_executor_and_what_stood_is_kept_without_secrets(world: ClusterWorld) -> None:
    """Fence, soak, evict. The pod is bare, so that nothing else moves it; its environment holds a password."""
    node = await world.node("a1", accelerators=2)
    inner = {
        "env": [
            {"name": "PASSWORD", "value": "hunter2"},
            {"name": "FROM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]
    }
    serve = await world.workload("StatefulSet", "serve", replicas=1, serviceName="serve", pod={"containers": [
        {"name": "main", "image": "example", "resources": {"limits": {"nvidia.com/gpu": 2}}, **inner}
    ]})  # fmt: skip
    seen = MemoryTarget(await world.sight())
    rig = Rig(world=seen, reader=LiveReader(seen))
    given = warrant(
        CordonNode(node=node, reason="cooling is serviced"),
        EvictPod(workload=serve, replica=0, node=node),
        on=await world.sight(),
        obligations=DUTIES,
    )

    async def killed(seconds: float) -> None:
        rig.clock.advance(seconds)
        if rig.clock() >= given.issued_at + timedelta(seconds=30):
            raise asyncio.CancelledError

    rig.sleep = killed
    with pytest.raises(asyncio.CancelledError):
        await rig.executor(target=world.target()).execute(sealed(given))
    assert await world.on("serve") == [node], "nothing but the fence was written"
    (entry,) = [e for e in await rig.entries() if e.kind is EntryKind.PRESERVED]
    kept = {str(Thing.model_validate(k["about"])): json.loads(k["state"]) for k in entry.body["things"]}
    assert not kept[f"node/{node}"]["spec"].get("unschedulable")
    controller = kept[f"workload/{serve}"]["controller"]
    assert controller["spec"]["template"]["spec"]["containers"][0]["env"][0] == {
        "name": "PASSWORD",
        "value": "(withheld)",
    }
    assert "hunter2" not in json.dumps(kept)
    assert {"status", "managedFields"}.isdisjoint({*controller, *controller["metadata"]})

    rig.sleep = rig.pass_time
    successor = rig.executor("next", 2, target=world.target())
    (outcome,) = await successor.resume_all()
    assert outcome.ending is Ending.VERIFIED, outcome.reason
    passed = next(e for e in await rig.entries() if e.kind is EntryKind.CANARY_PASSED)
    assert (passed.at - given.issued_at).total_seconds() == 60
    lifted = {"spec": {"unschedulable": False}}
    await world.ask("PATCH", resources.NODES.path(name=node), lifted, content_type=MERGE)
    seen.estate = await world.sight()
    rig.clock.advance(61)
    (lapsed,) = await successor.aftercare.settle()
    assert lapsed.ending is Ending.LAPSED
    assert f"`node/{node}` cordoned has another value" in lapsed.reason
