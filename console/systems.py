"""A running system, seen from whoever started it: its parts, its tasks, its end. Built by `console.bootstrap` only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from console.door.client import DoorClient
from console.identities import Identity
from console.interpreting import tuned
from estate.errors import BadInput
from estate.ids import InstallationId
from estate.subjects import Subjects
from policies.ledger.archives import Archive
from policies.ledger.port import Ledger
from tools.bus.port import Bus
from tools.inventory.follower import Follower
from tools.twin.world import World

type Work = Coroutine[object, object, None]


@dataclass(frozen=True, slots=True)
class Stores:
    """What is opened once for all processes that run here; None where none of them needs it."""

    ledger: Ledger | None
    world: World | None
    archive: Archive | None = None
    """The same ledger as its custodian holds it."""


@dataclass(slots=True)
class System:
    """What demo, evals, benchmarks and tests hold."""

    installation: InstallationId
    subjects: Subjects
    stores: Stores
    buses: Mapping[str, Bus]
    """A connection for each process that runs here; in a whole installation `watcher` too, which may only listen."""
    nats_url: str
    speak: Callable[[Identity], DoorClient]
    http_port: int = 0
    """0 where no console runs here."""
    inventories: dict[str, Follower] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises BadInput: no process that runs here holds it."""
        if self.stores.ledger is None:
            raise BadInput("no process that runs here holds the ledger; ask the console")
        return self.stores.ledger

    @property
    def archive(self) -> Archive:
        """The ledger's proofs, checkpoints and erasures. Raises BadInput: no process that runs here holds it."""
        if self.stores.archive is None:
            raise BadInput("no process that runs here holds the ledger; ask the console")
        return self.stores.archive

    @property
    def world(self) -> World:
        """The twin. Raises BadInput: no process that runs here looks at it or writes it."""
        if self.stores.world is None:
            raise BadInput("there is no twin here: the world is a cluster, or another process holds it")
        return self.stores.world

    def door(self, identity: Identity) -> DoorClient:
        """A client of the front door that speaks for `identity`, over a connection of the visitors' user."""
        return self.speak(identity)

    async def wait(self) -> None:
        """Until a process ends. Raises what ended it."""
        done, _ = await asyncio.wait(self.tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """End every process in order: what takes in first, what writes last."""
        for name in sorted(self.tasks, key=_ORDER.index):
            task = self.tasks[name]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


_ORDER = ("console", "agent", "gate", "executor", "inventory")


@asynccontextmanager
async def kept(system: System, works: Mapping[str, Work], ready: Work) -> AsyncIterator[System]:
    """Run the processes for the length of a block, once they are ready. A process that fails first is raised."""
    for name, work in works.items():
        system.tasks[name] = asyncio.create_task(work, name=name)
    waiting = asyncio.create_task(ready, name="ready")
    try:
        await asyncio.wait((waiting, *system.tasks.values()), return_when=asyncio.FIRST_COMPLETED)
        for task in system.tasks.values():
            if task.done():
                task.result()
        with tuned():
            yield system
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await system.stop()
