"""The agent process: the agents' consumers beside a follower of the inventory. No key, no ledger, no hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.process import AgentProcess
from console.processes.watching import keep
from tools.inventory.follower import Follower
from tools.placement.engine import MaskEngine
from tools.placement.online.publishing import Outlooks
from tools.placement.tending import tend

NAME = "agent"


@dataclass(frozen=True, slots=True)
class AgentHost:
    """One agent process on one connection."""

    agent: AgentProcess
    inventory: Follower
    engine: MaskEngine
    outlooks: Outlooks

    async def run(self) -> None:
        """Until cancelled, or until a consumer fails."""
        tasks = {"inventory": self.inventory.run(), "agents": self._consume(), "placement": self._tend()}
        await keep(NAME, tasks)

    async def _consume(self) -> None:
        await self.inventory.ready()
        await self.agent.run(asyncio.Event())

    async def _tend(self) -> None:
        await self.inventory.ready()
        await tend(self.engine, self.inventory.newest, self.outlooks)
