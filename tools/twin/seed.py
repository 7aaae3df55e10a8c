"""Fill a new twin world from a world file's model. The demo, `placet init` and evals call this once."""

from __future__ import annotations

from estate.worlds import World as WorldFile
from tools.twin.world import World


async def seed(world: World, start: WorldFile) -> bool:
    """Put everything of `start` into an empty world; False (and nothing done) when the world has begun already."""
    return await world.seed(start.nodes, start.workloads, start.machine_groups)
