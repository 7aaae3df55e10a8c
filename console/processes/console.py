"""The console process: the front door for people's signed calls and the HTTP door for senders' payloads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from socket import socket

from starlette.applications import Starlette

from console.alarming import Alarms
from console.door.desk import Desk
from console.door.server import DoorServer
from console.http.server import serving
from console.processes.settings import Standing
from console.processes.watching import keep
from console.rotating import LedgerSuccession
from console.strangers import Strangers
from estate.canonical import Json
from policies import skews
from policies.heartbeats import Pulse, Watch
from policies.ledger import checkpoints
from policies.signing.port import Signer
from tools.inventory.follower import Follower
from tools.placement.online.publishing import Outlooks

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
    every: timedelta = timedelta(minutes=1)
    """How often a checkpoint is signed."""
    succession: LedgerSuccession | None = None
    """The ledger's key, where it lies here and may be replaced while it runs."""
    second_succession: LedgerSuccession | None = None
    """Its second key likewise, where it has one."""
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
                "checkpoints": self._checkpoint(),
                "heartbeat": self._listen(),
                "strangers": self._meet(),
                "clocks": self._compare_clocks(),
                "outlook": self._expect(),
                "key": self._succeed(self.succession),
                "second key": self._succeed(self.second_succession),
            },
        )

    async def _expect(self) -> None:
        """What whoever looks ahead has published is expected here too: one installation has one answer."""
        outlooks = await Outlooks.open(self.desk.bus)
        async for foretold in outlooks.followed():
            self.desk.engine.expect(foretold.outlook)

    async def _checkpoint(self) -> None:
        """Sign the heads of a ledger that has grown and show them to its witnesses, where its key is here."""
        await self.standing.loaded.wait()
        await checkpoints.keep(self.desk.archive, self.every)

    async def _succeed(self, succession: LedgerSuccession | None) -> None:
        """Sign with each new key that an administrator has put beside the old one."""
        await self.standing.loaded.wait()
        if succession is None:
            await asyncio.Event().wait()
            return

        async def use(signer: Signer) -> dict[str, Json]:
            until = await self.desk.archive.succeed(signer, lambda size: succession.make_known(signer, size))
            return {"until": until}

        await succession.follow(self.desk.ledger, use)

    async def _listen(self) -> None:
        """An alarm for every period in which the gate said nothing, or the ledger was out of reach."""
        await self.standing.loaded.wait()
        await self.inventory.ready()
        desk = self.desk
        alarms = Alarms(desk.bus, desk.subjects, self.inventory, desk.clock)
        await Watch(Pulse(desk.ledger, desk.clock, desk.heartbeat), alarms.tell).keep_looking()

    async def _meet(self) -> None:
        """An event for each digest of whoever proposed without being registered."""
        await self.inventory.ready()
        await Strangers(self.desk.bus, self.desk.subjects, self.desk.clock).keep_telling()

    async def _compare_clocks(self) -> None:
        """An alarm for every clock that gate or executor found ahead."""
        await self.standing.loaded.wait()
        await self.inventory.ready()
        desk = self.desk
        alarms = Alarms(desk.bus, desk.subjects, self.inventory, desk.clock)
        await skews.Watch(desk.ledger, desk.clock, alarms.tell_skew).keep_looking()

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
