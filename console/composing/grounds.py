"""The world that an installation looks at and writes: the twin, or clusters of Kubernetes.

Opened by `console.bootstrap` for the inventory and the executors. Only the adapters of the one that is configured are
loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

from console.config import ExecutorSpec
from console.installations import Installation
from estate.law import Facts
from tools.execution.port import Target
from tools.inventory.follower import Follower
from tools.inventory.port import Source
from tools.twin.world import World


class Ground(Protocol):
    """Eyes and hands on one kind of world."""

    @property
    def world(self) -> World | None:
        """The twin, where it is one."""
        ...

    async def sources(self, facts: Callable[[], Facts]) -> tuple[Source, ...]:
        """Where the inventory's observations come from, read under the facts that are in force."""
        ...

    async def target(self, spec: ExecutorSpec, inventory: Follower) -> Target:
        """What that executor writes."""
        ...


async def opened(installation: Installation, stack: AsyncExitStack) -> Ground:
    """The configured world; what it holds open is closed by the stack."""
    if installation.config.clusters:
        from console.composing.cluster_grounds import ClusterGround

        return ClusterGround(installation, stack)
    from console.composing.twin_grounds import TwinGround

    return await TwinGround.open(installation, stack)
