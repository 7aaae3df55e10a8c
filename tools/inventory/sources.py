"""Sources of observations: adapters of `tools.inventory.port.Source`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tools.inventory.port import Observed
from tools.twin.world import World


class TwinSource:
    """Watches a twin world: first all of it, then each batch of changes within a twentieth of a second."""

    def __init__(self, world: World, name: str = "twin") -> None:
        self._world = world
        self._name = name

    @property
    def cluster(self) -> None:
        """A twin may hold several."""

    async def watch(self) -> AsyncIterator[Observed]:
        whole = True
        async for found in self._world.watch():
            if not (whole or found.of_inventory):
                continue
            yield Observed(
                source=self._name,
                nodes=found.nodes,
                workloads=found.workloads,
                items=found.groups,
                removed_nodes=found.removed_nodes,
                removed_workloads=found.removed_workloads,
                whole=whole,
            )
            whole = False
