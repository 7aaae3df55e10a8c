"""The GPU operator's MIG manager as a cluster meets it: it answers one label by another; then devices are counted anew.

No more than that protocol: `nvidia.com/mig.config` is read, `nvidia.com/mig.config.state` and the kubelet's counts are
written. What a configuration comes to is the operator's config map's, here the very layouts that facts state.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from estate.ids import NodeId
from estate.law import Layout
from tests.execution.clusters import ClusterWorld
from tests.partitioned import LAYOUTS
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE

LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.deploy.mig-manager": "true",
}
"""What the operator has on a node that can be cut, before anybody asked for a layout."""
_CONFIG, _WHOLE = "nvidia.com/mig.config", "nvidia.com/gpu"


@asynccontextmanager
async def mig_manager(
    world: ClusterWorld, node: NodeId, *, accelerators: int = 2, fails: Iterable[str] = ()
) -> AsyncIterator[None]:
    """While inside, it serves that node; of the layouts in `fails` it says that it failed."""
    task = asyncio.create_task(_serve(world, node, accelerators, frozenset(fails)), name=f"mig manager of {node}")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _serve(world: ClusterWorld, node: NodeId, accelerators: int, fails: frozenset[str]) -> None:
    path, done = resources.NODES.path(name=node), ""
    while True:
        labels = (await world.ask("GET", path))["metadata"]["labels"]
        if (wanted := labels.get(_CONFIG, "")) not in ("", done):
            await _say(world, path, "pending")
            if wanted in fails:
                await _say(world, path, "failed")
            else:
                await _count(world, path, next(x for x in LAYOUTS if x.name == wanted), accelerators)
                await _say(world, path, "success")
            done = wanted
        await asyncio.sleep(0.05)


async def _say(world: ClusterWorld, path: str, state: str) -> None:
    about = {"metadata": {"labels": {f"{_CONFIG}.state": state}}}
    await world.connection.request("PATCH", path, {"fieldManager": "nvidia-mig-manager"}, about, content_type=MERGE)


async def _count(world: ClusterWorld, path: str, layout: Layout, accelerators: int) -> None:
    names = {f"nvidia.com/mig-{s.profile}" for x in LAYOUTS for c in x.cuts for s in c.slices}
    plan = layout.of(accelerators) or ()
    made = Counter(f"nvidia.com/mig-{p}" if p else _WHOLE for slices in plan for p in slices or ("",))
    counts = {name: str(made[name]) for name in sorted({_WHOLE, *names})}
    status = {"status": {"capacity": counts, "allocatable": counts}}
    await world.ask("PATCH", f"{path}/status", status, content_type=MERGE)
