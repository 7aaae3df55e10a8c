"""What happens in a twin world, by our hand or another's, must reach every follower under a version."""

from __future__ import annotations

import asyncio
from pathlib import Path

from estate.changes import CordonNode
from estate.hardware import Health
from estate.ids import InstallationId, NodeId, WorkloadId
from estate.law import Facts
from estate.subjects import Subjects
from tests import builders
from tools.bus.port import Bus
from tools.inventory.follower import Follower
from tools.inventory.sources import TwinSource
from tools.inventory.writer import Writer
from tools.twin.seed import seed
from tools.twin.world import World


async def test_the_world_reaches_the_follower(
    bus: Bus, installation: InstallationId, subjects: Subjects, tmp_path: Path
) -> None:
    world = await World.open(tmp_path / "world.sqlite", builders.facts())
    await seed(world, builders.world())
    writer = Writer(bus, installation, "w1", [TwinSource(world)], builders.TestClock())
    follower = Follower(bus, subjects, Facts.read)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(writer.run(builders.facts().canonical(), Facts.read)),
            group.create_task(follower.run()),
        ]
        version = (await follower.ready()).version
        assert await world.apply("k", CordonNode(node=NodeId("eu-a1")), ()) is None
        second = await follower.reached(version.model_copy(update={"sequence": 2}))
        node = second.node(NodeId("eu-a1"))
        assert node is not None
        assert node.cordoned
        await world.fail_accelerator(NodeId("eu-a1"), 0)
        await world.start_workload(builders.workload("a-new"))
        await world.stop_workload(WorkloadId("b-train"))
        wanted, seen = await world.snapshot(), follower.newest()
        while tuple(seen.workloads()) != tuple(wanted.workloads()):
            seen = await follower.reached(seen.version.model_copy(update={"sequence": seen.version.sequence + 1}))
        failed = follower.newest().node(NodeId("eu-a1"))
        assert failed is not None
        assert failed.accelerators[0].health is Health.FAILED
        for task in tasks:
            task.cancel()
    await world.close()
