"""The agent process: the agents' consumers beside a follower of the inventory. No key, no ledger, no hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.process import AgentProcess
from console.processes.watching import keep
from tools.inventory.follower import Follower

NAME = "agent"


@dataclass(frozen=True, slots=True)
class AgentHost:
    """One agent process on one connection."""

    agent: AgentProcess
    inventory: Follower

    async def run(self) -> None:
        """Until cancelled, or until a consumer fails."""
        await keep(NAME, {"inventory": self.inventory.run(), "agents": self._consume()})

    async def _consume(self) -> None:
        await self.inventory.ready()
        await self.agent.run(asyncio.Event())
