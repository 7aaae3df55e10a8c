"""The twin as the world of an installation without clusters, kept in its own file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from console.config import ExecutorSpec
from console.installations import Installation
from estate.law import Facts
from tools.execution.port import Target
from tools.execution.twin import TwinTarget
from tools.inventory.follower import Follower
from tools.inventory.port import Source
from tools.inventory.sources import TwinSource
from tools.twin.seed import seed
from tools.twin.world import World


@dataclass(frozen=True, slots=True)
class TwinGround:
    """One world for the inventory and every executor of this interpreter."""

    world: World

    @classmethod
    async def open(cls, installation: Installation, stack: AsyncExitStack) -> Self:
        """The twin as it was left, or as the installation's world file begins it; closed by the stack."""
        world = await World.open(installation.twin_path, installation.facts())
        stack.push_async_callback(world.close)
        await seed(world, await asyncio.to_thread(installation.world_file))
        return cls(world)

    async def sources(self, facts: Callable[[], Facts]) -> tuple[Source, ...]:
        """The world itself."""
        return (TwinSource(self.world),)

    async def target(self, spec: ExecutorSpec, inventory: Follower) -> Target:
        """The same world for each executor."""
        return TwinTarget(self.world)
