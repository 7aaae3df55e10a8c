"""The composition root: the only module that pairs ports with adapters.

`running` builds the processes of an installation in this event loop, each with a NATS connection and user of its own,
and keeps them for the length of a block. `placet run`, each process apart, the demo, evals, benchmarks and tests use
it. Nothing is connected before it is entered. On a whole installation it first makes what the processes meet in; in a
directory that was issued to one role it cannot, and `provision` must have. A person who visits a system that runs
elsewhere needs none of this: `console.visiting`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from agents import incidents
from agents.checkpoints.jetstream import BUCKET as CHECKPOINTS
from agents.checkpoints.jetstream import BucketShelf
from agents.checkpoints.port import Shelf
from agents.checkpoints.postgres import PostgresShelf
from agents.checkpoints.savers import PlacetSaver
from agents.minds.runbook import Runbook
from agents.observing import Observer, telling
from agents.process import AgentProcess, Setting
from console import clusters, databases, provisioning, visiting, whereabouts
from console.adapters import PLAIN, Adapters
from console.config import ExecutorSpec, Sync
from console.door.calls import Calls
from console.door.desk import Desk
from console.door.server import DoorServer
from console.door.spooling import Spool
from console.http.app import Door, application
from console.http.channels import Channels
from console.http.server import bound
from console.installations import Installation, channels_of
from console.processes.agent import AgentHost
from console.processes.console import ConsoleProcess
from console.processes.executor import ExecutorProcess
from console.processes.gate import GateProcess
from console.processes.inventory import InventoryProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from console.processes.watching import keep
from console.provisioning import users
from console.systems import Stores, System, kept
from estate.clocks import Clock
from estate.errors import BadInput, RetryLater
from estate.identities import SubjectKind
from estate.progress import Progress, Stage
from estate.subjects import Subjects
from estate.warrants import Warrant
from policies.bundle import Bundle
from policies.gate import Gate
from policies.ledger.port import Ledger
from policies.ledger.postgres import PostgresLedger
from policies.ledger.sqlite import SqliteLedger
from policies.signed_facts import Latch, recorded
from tools.bus import accounts
from tools.bus.nats import NatsBus
from tools.bus.port import Bus
from tools.bus.precedence import RightOfWay
from tools.bus.provisioning import provision as make_streams
from tools.bus.server import EmbeddedServer
from tools.execution.authority import Law, Trust
from tools.execution.executor import Executor
from tools.execution.hands import Hands, Tell
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.port import Target
from tools.execution.recording import Holder
from tools.execution.twin import TwinTarget
from tools.inventory.declared import DeclaredSource
from tools.inventory.follower import Follower
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.port import Source
from tools.inventory.sources import TwinSource
from tools.inventory.writer import Writer
from tools.placement.engine import MaskEngine
from tools.twin.seed import seed
from tools.twin.world import World

__all__ = ["PROCESSES", "Installation", "provision", "running", "users"]

PROCESSES = frozenset({"gate", "executor", "inventory", "agent", "console"})
RECORDERS = frozenset({"gate", "executor", "console"})
"""Who appends to the ledger before the next thing may happen."""
OBSERVERS = frozenset({"inventory", "executor"})
"""Who looks at the world itself, and who writes it."""


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
        parts = await _Parts.made(installation, processes, adapters, stack)
        hosts = await _Hosts(installation, parts, observer).made(processes)
        async with kept(parts.system, {n: h.run() for n, h in hosts.items()}, _ready(parts, hosts)) as system:
            if "console" in processes:
                await asyncio.to_thread(whereabouts.write, installation.state, system.nats_url, system.http_port)
            yield system


async def provision(installation: Installation) -> None:
    """Make what processes apart meet in: databases and their users, streams, buckets, consumers, the first entries.

    Raises:
        BadInput: no NATS server is named, or this is the directory of one role.
        RetryLater: a server does not answer.
    """
    url, role = installation.config.nats_url, installation.role
    if role is not None:
        raise BadInput(f"`{installation.state.root}` was issued to `{role.name}`; provision from what `init` made")
    if url is None:
        raise BadInput("processes apart meet at a NATS server; name it with `--nats-url`")
    for store in provisioning.stores(installation):
        await databases.provision(store, installation.state.postgres_password(databases.SUPERUSER))
    async with AsyncExitStack() as stack:
        await _declare(installation, await _connected(installation, url, accounts.ADMINISTRATOR, stack), fresh=False)
        ledger = await _ledger(provisioning.as_owner(installation), stack)
        await provisioning.founded(installation, ledger)
        await provisioning.established(installation, ledger)


type _Host = GateProcess | ExecutorProcess | InventoryProcess | AgentHost | ConsoleProcess | _Several


@dataclass(frozen=True, slots=True)
class _Several:
    """Hosts of one kind beside each other."""

    name: str
    hosts: tuple[ExecutorProcess, ...]

    async def run(self) -> None:
        await keep(self.name, {h.name: h.run() for h in self.hosts})


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the processes share: the ledger, the twin, and a way to connect."""

    system: System
    adapters: Adapters
    stack: AsyncExitStack
    buses: dict[str, Bus]
    listener: socket.socket | None
    way: RightOfWay
    """Fences before cases, over all processes of this interpreter."""
    latch: Callable[[], Latch]
    """Each reader of facts has one of its own, none of which goes below what is known to have been in force."""

    @classmethod
    async def made(
        cls, installation: Installation, processes: frozenset[str], adapters: Adapters, stack: AsyncExitStack
    ) -> _Parts:
        url = installation.config.nats_url or await _embedded(installation, stack)
        if installation.role is None:
            admin = await _connected(installation, url, accounts.ADMINISTRATOR, stack)
            await _declare(installation, admin, fresh=installation.config.nats_url is None)
        ledger = adapters.ledger(await _ledger(installation, stack)) if processes & RECORDERS else None
        facts_version = await _facts_version(installation, ledger)
        world = (
            await _world(installation, stack) if processes & OBSERVERS and not installation.config.clusters else None
        )
        listener = _listener(installation, stack) if "console" in processes else None
        buses: dict[str, Bus] = {}
        system = System(
            installation=installation.record.id,
            subjects=installation.subjects,
            stores=Stores(ledger, world),
            buses=buses,
            nats_url=url,
            http_port=listener.getsockname()[1] if listener else 0,
            speak=lambda identity: visiting.client_of(installation, buses["watcher"], identity),
            inventories={},
        )
        if installation.role is None:
            buses["watcher"] = await _connected(installation, url, accounts.CLIENT, stack)
        latch = partial(installation.facts_latch, facts_version)
        return cls(system, adapters, stack, buses, listener, RightOfWay(), latch)


@dataclass(slots=True)
class _Hosts:
    """Builds each process on a connection of its own."""

    installation: Installation
    parts: _Parts
    observer: Observer | None
    bundle: Bundle = field(init=False)

    async def made(self, processes: frozenset[str]) -> dict[str, _Host]:
        self.bundle = await asyncio.to_thread(Bundle.load)
        makers: dict[str, Callable[[], Awaitable[_Host]]] = {
            "inventory": self._inventory,
            "executor": self._executors,
            "gate": self._gate,
            "agent": self._agent,
            "console": self._console,
        }
        return {name: await make() for name, make in makers.items() if name in processes}

    async def _inventory(self) -> InventoryProcess:
        bus = await self._bus(accounts.INVENTORY)
        installation, sources = self.installation, await self._sources()
        writer = Writer(bus, installation.record.id, self._holder("inventory"), sources, installation.clock)
        return InventoryProcess(writer, installation.facts_envelope(), self.parts.latch())

    async def _sources(self) -> tuple[Source, ...]:
        config, facts = self.installation.config, self.installation.facts()
        declared = (DeclaredSource(config.estate, facts),) if config.estate else ()
        if not config.clusters:
            return (TwinSource(self.parts.system.world), *declared)
        connections = await clusters.readers(config, self.parts.stack)
        sources = tuple(KubernetesSource(c, cluster, lambda: facts) for cluster, c in connections.items())
        for source in sources:
            await source.recognise()
        return (*sources, *declared)

    async def _gate(self) -> GateProcess:
        installation, bus = self.installation, await self._bus(accounts.GATE)
        standing, inventory = self._standing(), self._follower("gate", bus)
        gate = Gate(
            installation=installation.record.id,
            ledger=self.parts.system.ledger,
            signer=installation.signer("gate"),
            bundle=self.bundle,
            newest=inventory.newest,
            controls=standing.controls,
            enrolments=standing.enrolments,
            clock=installation.clock,
            entropy=installation.entropy,
            audience=installation.audience,
        )
        lease = Leasing(bus, "gate", self._holder("gate"))
        return GateProcess(
            gate,
            bus,
            installation.subjects,
            standing,
            inventory,
            installation.ring("gate"),
            lease,
            installation.config.clusters_of,
        )

    async def _executors(self) -> _Several:
        return _Several("executor", tuple([await self._executor(e) for e in self.installation.executors]))

    async def _executor(self, spec: ExecutorSpec) -> ExecutorProcess:
        installation, user = self.installation, accounts.executor_user(spec.id)
        bus = await self._bus(user)
        standing, inventory = self._standing(), self._follower(user, bus)
        holder = Holder(spec.id, installation.subject(SubjectKind.EXECUTOR, spec.id), self._holder(user))
        trust = Trust(
            gate_keys=installation.ring("gate"),
            audience=spec.id,
            installation=installation.record.id,
            bundle=self.bundle,
            controls=standing.controls,
            enrolled=standing.enrolments.of_key,
        )
        law = Law.of(trust, installation.clock)
        target = self.parts.adapters.target(await self._target(spec, inventory))
        hands = Hands(target, inventory, installation.clock)
        telling = _telling(bus, installation.subjects, installation.clock)

        def executor(fence: Callable[[], int]) -> Executor:
            return Executor(holder, law, hands, self.parts.system.ledger, fence, telling)

        return ExecutorProcess(
            audience=spec.id,
            executor=executor,
            bus=bus,
            subjects=installation.subjects,
            standing=standing,
            inventory=inventory,
            ledger=self.parts.system.ledger,
            lease=Leasing(bus, user, holder.name),
            clusters=installation.config.clusters_of(spec.id),
        )

    async def _target(self, spec: ExecutorSpec, inventory: Follower) -> Target:
        config = self.installation.config
        if not config.clusters:
            return TwinTarget(self.parts.system.world)
        connections = await clusters.writers(config, spec.id, self.parts.stack)
        return KubernetesTarget(connections, lambda: inventory.newest().facts)

    async def _agent(self) -> AgentHost:
        installation, bus = self.installation, await self._bus(accounts.AGENT)
        inventory = self._follower("agent", bus)
        setting = Setting(
            bus=bus,
            reader=inventory,
            engine=MaskEngine(),
            mind=self.parts.adapters.mind(Runbook()),
            channels=channels_of(installation.config),
            clock=installation.clock,
            subjects=installation.subjects,
            proposer=installation.subject(SubjectKind.AGENT, "agent"),
            observer=self.observer,
            way=self.parts.way,
        )
        saver = PlacetSaver(self.parts.adapters.shelf(await _shelf(installation, bus, self.parts.stack)))
        return AgentHost(await AgentProcess.open(setting, saver), inventory)

    async def _console(self) -> ConsoleProcess:
        installation, bus = self.installation, await self._bus(accounts.CONSOLE)
        standing, inventory = self._standing(), self._follower("console", bus)
        spool = Spool(
            installation.state.run_path, installation.entropy(4).hex(), installation.clock, installation.entropy
        )
        desk = Desk(
            installation=installation.record.id,
            subjects=installation.subjects,
            bus=bus,
            ledger=self.parts.system.ledger,
            incidents=await incidents.Incidents.open(bus),
            reader=inventory,
            enrolments=standing.enrolments,
            controls=standing.controls,
            spool=spool,
            clock=installation.clock,
        )
        enrolments = standing.enrolments
        calls = Calls(installation.record.id, enrolments.ring(), enrolments.of_key, installation.clock)
        listener = self.parts.listener
        assert listener is not None, "the listener is bound whenever the console runs"
        app = application(
            Door(
                bus,
                installation.subjects,
                Channels(installation.config.channels),
                _readiness(inventory),
                installation.clock,
            )
        )
        return ConsoleProcess(desk, DoorServer(desk, calls), app, listener, standing, inventory)

    async def _bus(self, user: str) -> Bus:
        parts = self.parts
        connected = await _connected(self.installation, parts.system.nats_url, user, parts.stack, parts.way)
        self.parts.buses[user] = bus = self.parts.adapters.bus(connected)
        return bus

    def _follower(self, name: str, bus: Bus) -> Follower:
        follower = Follower(bus, self.installation.subjects, self.parts.latch())
        self.parts.system.inventories[name] = follower
        return follower

    def _standing(self) -> Standing:
        record, config = self.installation.record, self.installation.config
        return Standing.of(record.id, record.administrator_key, self.installation.clock, config.standing_mode)

    def _holder(self, role: str) -> str:
        """Unique to this start of this process."""
        return f"{role}-{os.getpid()}-{self.installation.entropy(4).hex()}"


async def _ready(parts: _Parts, hosts: Mapping[str, _Host]) -> None:
    for follower in parts.system.inventories.values():
        await follower.ready()
    for host in hosts.values():
        if isinstance(host, ConsoleProcess):
            await host.open.wait()


async def _embedded(installation: Installation, stack: AsyncExitStack) -> str:
    sync_always = installation.config.nats_sync is Sync.ALWAYS
    server = EmbeddedServer(installation.state.nats_path, users=users(installation), sync_always=sync_always)
    return (await stack.enter_async_context(server)).url


async def _connected(
    installation: Installation, url: str, user: str, stack: AsyncExitStack, way: RightOfWay | None = None
) -> NatsBus:
    bus = await visiting.connect(installation, url, user, way)
    stack.push_async_callback(bus.close)
    return bus


async def _declare(installation: Installation, admin: NatsBus, *, fresh: bool) -> None:
    """Streams, buckets and consumers. On a server of our own, whoever held a lease or a message has died with it."""
    consumers = tuple(chain.from_iterable(provisioning.consumers(installation).values()))
    await make_streams(admin, installation.subjects, consumers)
    await admin.bucket(CHECKPOINTS)
    if fresh:
        await admin.recall(*consumers)
        leases = await admin.bucket("leases")
        for name in await leases.keys():
            await leases.delete(name)


async def _ledger(installation: Installation, stack: AsyncExitStack) -> Ledger:
    record, address = installation.record, installation.config.ledger
    signer = installation.signer("ledger") if installation.signs("ledger") else None
    ledger: Ledger
    if address == "sqlite":
        ledger = await SqliteLedger.open(installation.state.ledger_path, record.id, signer=signer)
    else:
        ledger = await PostgresLedger.open(installation.database(address), record.id, signer=signer)
    stack.push_async_callback(ledger.close)
    return ledger


async def _facts_version(installation: Installation, ledger: Ledger | None) -> int:
    """The law base below which nothing is believed here.

    Raises:
        RetryLater: this role's installation was not provisioned.
    """
    if installation.role is None:
        assert ledger is not None, "a whole installation holds its ledger"
        await provisioning.founded(installation, ledger)
        return await provisioning.established(installation, ledger)
    known = await recorded(ledger) if ledger is not None else 0
    if ledger is not None and not known:
        raise RetryLater("the ledger has no first entry; run `placet provision` where the whole installation lies")
    return max(known, installation.role.facts_version)


async def _world(installation: Installation, stack: AsyncExitStack) -> World:
    world = await World.open(installation.twin_path, installation.facts())
    stack.push_async_callback(world.close)
    await seed(world, await asyncio.to_thread(installation.world_file))
    return world


async def _shelf(installation: Installation, bus: Bus, stack: AsyncExitStack) -> Shelf:
    address = installation.config.checkpoints
    if address == "embedded":
        return await BucketShelf.open(bus)
    return await stack.enter_async_context(PostgresShelf.open(installation.database(address)))


def _listener(installation: Installation, stack: AsyncExitStack) -> socket.socket:
    http = installation.config.http
    listener = bound(http.host, http.port)
    stack.callback(listener.close)
    return listener


def _readiness(inventory: Follower) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        inventory.newest()
        return inventory.stale is None

    return ready


def _telling(bus: Bus, subjects: Subjects, clock: Clock) -> Callable[[Warrant], Tell]:
    """The executor's words on the progress subject of the warrant's incident."""
    tell = telling(bus, subjects)

    def of(warrant: Warrant) -> Tell:
        async def say(stage: Stage, text: str) -> None:
            await tell(Progress(incident=warrant.incident, at=clock(), stage=stage, text=text))

        return say

    return of
