"""The composition root: with the modules of `console.composing` the only place that pairs ports with adapters.

`running` builds the processes of an installation in this event loop, each with a NATS connection and user of its own,
and keeps them for the length of a block. `placet run`, each process apart, the demo, evals, benchmarks and tests use
it. Nothing is connected before it is entered. On a whole installation it first makes what the processes meet in; in a
directory that was issued to one role it cannot, and `console.composing.meeting.provision` must have.

What is imported follows what runs: each role, each kind of world and ledger, and the making of a whole installation are
modules that are loaded when they are chosen, so that a process apart starts with its own engines alone. A person who
visits a system that runs elsewhere needs none of this: `console.visiting`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from agents.observing import Observer
from console import visiting, whereabouts
from console.adapters import PLAIN, Adapters
from console.composing import grounds, ledgers
from console.composing.parts import Host, Parts, connected
from console.installations import Installation
from console.systems import Stores, System, kept
from estate.errors import RetryLater
from estate.ids import KeyId
from policies.ledger.port import Ledger
from policies.signed_facts import owner, recorded, retired
from tools.bus import accounts
from tools.bus.port import Bus

__all__ = ["PROCESSES", "Installation", "running"]

ROLES = {
    "inventory": "inventories",
    "executor": "executors",
    "gate": "gates",
    "agent": "agents",
    "console": "consoles",
}
"""The module of `console.composing` that composes each process, in the order in which they are composed."""
PROCESSES = frozenset(ROLES)
RECORDERS = frozenset({"gate", "executor", "console"})
"""Who appends to the ledger before the next thing may happen."""
OBSERVERS = frozenset({"inventory", "executor"})
"""Who looks at the world itself, and who writes it."""

type Compose = Callable[[Parts], Awaitable[Host]]


@asynccontextmanager
async def running(
    installation: Installation,
    processes: frozenset[str] = PROCESSES,
    observer: Observer | None = None,
    adapters: Adapters = PLAIN,
) -> AsyncIterator[System]:
    """Keep these processes running for the length of a block.

    `observer` is awaited at every line of a case's story, in the place of the agents' signals (demo, evals).
    """
    async with AsyncExitStack() as stack:
        parts = await _Composition(installation, processes, adapters, stack).parts(observer)
        hosts = {name: await _composer(name)(parts) for name in ROLES if name in processes}
        async with kept(parts.system, {n: h.run() for n, h in hosts.items()}, _ready(parts)) as system:
            if "console" in processes:
                await asyncio.to_thread(whereabouts.write, installation.state, system.nats_url, system.http_port)
            yield system


@dataclass(frozen=True, slots=True)
class _Composition:
    """What is opened before any process is composed, and only what these processes need."""

    installation: Installation
    processes: frozenset[str]
    adapters: Adapters
    stack: AsyncExitStack

    async def parts(self, observer: Observer | None) -> Parts:
        installation = self.installation
        url = await self._met()
        archive = await ledgers.opened(installation, self.stack) if self.processes & RECORDERS else None
        ledger = self.adapters.ledger(archive) if archive is not None else None
        version = await self._facts_version(ledger)
        gone = await retired(ledger) if ledger is not None else frozenset[KeyId]()
        heir = await owner(ledger) if ledger is not None else None
        latch = partial(installation.facts_latch, version, gone, heir)
        ground = await grounds.opened(installation, self.stack) if self.processes & OBSERVERS else None
        buses: dict[str, Bus] = {}
        if installation.role is None:
            buses["watcher"] = await connected(installation, url, accounts.CLIENT, self.stack)
        system = System(
            installation=installation.record.id,
            subjects=installation.subjects,
            stores=Stores(ledger, ground.world if ground else None, archive),
            buses=buses,
            nats_url=url,
            speak=lambda identity: visiting.client_of(installation, buses["watcher"], identity),
        )
        return Parts(installation, system, self.adapters, self.stack, buses, ground, observer, latch)

    async def _met(self) -> str:
        """Where the processes meet; a whole installation makes it."""
        if self.installation.role is None:
            from console.composing import meeting

            return await meeting.served(self.installation, self.stack)
        assert self.installation.config.nats_url is not None, "a process apart is refused without it"
        return self.installation.config.nats_url

    async def _facts_version(self, ledger: Ledger | None) -> int:
        """The law base below which nothing is believed here.

        Raises:
            RetryLater: this role's installation was not provisioned.
        """
        if self.installation.role is None:
            from console.composing import meeting

            assert ledger is not None, "a whole installation holds its ledger"
            return await meeting.begun(self.installation, ledger)
        known = await recorded(ledger) if ledger is not None else 0
        if ledger is not None and not known:
            raise RetryLater("the ledger has no first entry; run `placet provision` where the whole installation lies")
        return max(known, self.installation.role.facts_version)


def _composer(process: str) -> Compose:
    """What composes that process; its engines are loaded here."""
    compose: Compose = import_module(f"console.composing.{ROLES[process]}").compose
    return compose


async def _ready(parts: Parts) -> None:
    for follower in parts.system.inventories.values():
        await follower.ready()
    for event in parts.awaited:
        await event.wait()
