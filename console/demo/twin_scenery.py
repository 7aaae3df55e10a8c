"""The demo's scenery on the twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from console.demo.scenery import Errand, Ground, Proof
from console.systems import System
from estate.conditions import Condition
from estate.ids import NodeId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Workload

CHANGE_FILE = {
    "kind": "placet.change-file",
    "v": 1,
    "summary": "cap two nodes of rack us-a and give the pilot a third replica",
    "changes": [
        {"kind": "SetPowerCap", "node": "us-a1", "watts": 6000},
        {"kind": "SetPowerCap", "node": "us-a2", "watts": 6000},
        {
            "kind": "ScaleWorkload",
            "workload": "c-pilot",
            "replicas": 3,
            "bindings": [{"replica": 2, "node": "us-c1", "accelerators": [0, 1, 2, 3]}],
        },
    ],
}
FAULT = "the BMC of us-a2 does not answer"


class TwinScenery:
    """The twin that the inventory watches and the executor writes."""

    def __init__(self, system: System) -> None:
        self._world = system.world

    async def look(self) -> Snapshot:
        """See the port."""
        return await self._world.snapshot()

    async def objects(self) -> Mapping[str, object]:
        """See the port."""
        now = await self._world.snapshot()
        return {n.id: n for n in now.nodes()} | {w.id: w for w in now.workloads()}

    async def lose_device(self, node: NodeId, index: int) -> None:
        """See the port."""
        await self._world.fail_accelerator(node, index)

    async def start_job(self, job: Workload) -> None:
        """See the port."""
        await self._world.start_workload(job)

    def errand(self, now: Snapshot) -> Errand:
        """See the port."""
        return Errand(CHANGE_FILE, "both caps are set and the third replica runs", _done)

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """See the port."""
        await self._world.inject("node/us-a2", "SetPowerCap", FAULT)
        yield

    async def proofs(self, promised: Sequence[Condition]) -> Sequence[Proof]:
        """See the port."""
        return ()


TWIN = Ground(TwinScenery)


def _done(now: Snapshot) -> bool:
    caps = [n.power_cap_watts if (n := now.node(NodeId(name))) else None for name in ("us-a1", "us-a2")]
    pilot = now.workload(WorkloadId("c-pilot"))
    return caps == [6000, 6000] and pilot is not None and len(pilot.bindings) == 3
