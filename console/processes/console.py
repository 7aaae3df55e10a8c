"""The console process: the front door for people's signed calls and the HTTP door for senders' payloads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from socket import socket

from starlette.applications import Starlette

from console.door.desk import Desk
from console.door.server import DoorServer
from console.http.server import serving
from console.processes.settings import Standing
from console.processes.watching import keep
from tools.inventory.follower import Follower

NAME = "console"


@dataclass(frozen=True, slots=True)
class ConsoleProcess:
    """Both doors on one connection. `listener` is bound already, so that its port is known."""

    desk: Desk
    door: DoorServer
    app: Starlette
    listener: socket
    standing: Standing
    inventory: Follower
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once both doors answer."""

    async def run(self) -> None:
        """Until cancelled, or until a task ends."""
        await keep(
            NAME,
            {
                "inventory": self.inventory.run(),
                "settings": self.standing.follow(self.desk.bus, self.desk.subjects),
                "doors": self._answer(),
            },
        )

    async def _answer(self) -> None:
        await self.standing.load(self.desk.ledger)
        await self.inventory.ready()
        await self.door.open()
        try:
            async with serving(self.app, self.listener) as task:
                self.open.set()
                await task
        finally:
            self.desk.spool.clear()
