"""Whole systems for tests, with senders and people: real NATS with its users, SQLite, twin, gate and executor."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import nats

from agents.incidents import Incidents
from console import config, identities, initialising, profiles
from console.adapters import PLAIN, Adapters
from console.bootstrap import PROCESSES, Installation, running
from console.config import Channel, Config, Http, Sync
from console.demo import payloads
from console.door.client import DoorClient
from console.door.commands import Command, DeadLetters, Pending, Reply
from console.door.sealing import Decided, seal_enrolment, seal_word
from console.http.channels import token_digest
from console.initialising import Founding
from console.state import StateDirectory
from console.systems import System
from estate.approvals import Diff, Word
from estate.identities import Role
from estate.ids import ChannelId, ClusterId, IncidentId, InstallationId, NodeId, TenantId
from estate.incidents import CaseState, Incident
from estate.law import Facts
from policies.ledger.port import Entry, EntryKind
from tests import spawning, surroundings
from tools.bus.nats import NatsBus
from tools.bus.wire import Credentials, inbox_of

ALERTS, KERNEL = ChannelId("eu-alerts"), ChannelId("eu-kernel")
SENDERS = (ALERTS, KERNEL)
SPARE = NodeId("eu-d4")
"""A node that nothing runs on: what is fenced there disturbs nobody."""
_NUMBERS = itertools.count(1)
"""What makes each message another one, also over a restart of the system."""


@dataclass(slots=True)
class Composed:
    """A running system, what its people and senders hold, and a look at it from outside."""

    system: System
    state: StateDirectory
    stack: AsyncExitStack
    _users: dict[str, NatsBus] = field(default_factory=dict)
    _http: httpx.AsyncClient | None = None

    # -- senders

    async def post(
        self, body: bytes, format: str = "kernel", channel: ChannelId = KERNEL, media: str | None = None
    ) -> httpx.Response:
        """A body at the HTTP door, with the channel's token."""
        usual = "application/cloudevents+json" if format == "cloudevents" else "application/json"
        told = {"Content-Type": media or usual, "Authorization": f"Bearer token-of-{channel}"}
        url = f"http://127.0.0.1:{self.system.http_port}/v1/channels/{channel}/{format}"
        if self._http is None:
            self._http = await self.stack.enter_async_context(httpx.AsyncClient(timeout=30))
        return await self._http.post(url, content=body, headers=told)

    async def as_user(self, user: str) -> NatsBus:
        """A connection with a NATS user's own generated password, kept for as long as the system."""
        if user not in self._users:
            self._users[user] = await self.connect(user)
        return self._users[user]

    async def channel(self, channel: ChannelId) -> NatsBus:
        """A sender's own connection, with the credentials that its channel was given."""
        return await self.as_user(f"channel-{channel}")

    async def publish(
        self,
        body: bytes,
        format: str = "kernel",
        channel: ChannelId = KERNEL,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A body directly on the channel's intake subject, as no other message before."""
        bus = await self.channel(channel)
        subject = self.system.subjects.intake(channel, format)
        await bus.publish(subject, body, message_id=f"direct-{next(_NUMBERS)}", headers=headers)

    async def raw(self, channel: ChannelId, body: bytes, format: str = "kernel") -> str:
        """A body by another NATS client, without a message id; what the server answered."""
        user = f"channel-{channel}"
        client = await nats.connect(
            self.system.nats_url, user=user, password=self.state.nats_password(user), inbox_prefix=inbox_of(user)
        )
        try:
            answer = await client.request(self.system.subjects.intake(channel, format), body, timeout=5)
        finally:
            await client.close()
        return answer.data.decode()

    async def connect(self, user: str) -> NatsBus:
        """A connection of any NATS user of this installation, with its generated password."""
        credentials = Credentials(self.system.nats_url, user, self.state.nats_password(user))
        bus = await NatsBus.connect(credentials, self.system.subjects, name=f"test-{user}")
        self.stack.push_async_callback(bus.close)
        return bus

    # -- people

    def door(self, person: str = "admin") -> DoorClient:
        """The front door for one of the people."""
        return self.system.door(identities.load(self.state, person))

    async def tell(self, command: Command, person: str = "admin") -> Any:
        """The result of a command that must be ok."""
        reply: Reply = await self.door(person).call(command)
        assert reply.ok, reply.message
        return reply.result

    async def enrol(self, name: str, *roles: Role, tenants: tuple[str, ...] = ()) -> str:
        """Enrol a person with a key of their own; their name."""
        made, _ = identities.make(self.state, name)
        spoken = tuple(TenantId(t) for t in tenants)
        enrolment = identities.enrolment(made.subject, made.signer.public_key, roles, spoken, datetime.now(UTC))
        await self.tell(seal_enrolment(self.state, "admin", enrolment))
        return name

    async def sign(self, person: str, incident: str, word: Word = Word.APPROVE) -> Reply:
        """A person signs what they are shown."""
        pending = await self.tell(Pending(incident=IncidentId(incident)), person)
        decided = Decided(IncidentId(incident), Diff.read(pending["diff"]), word, "agreed")
        return await self.door(person).call(seal_word(self.state, person, decided))

    async def cli(self, *arguments: str) -> tuple[int, str, str]:
        """`placet …` in a process of its own: exit code, stdout, stderr."""
        return await cli("--state-dir", str(self.state.root), *arguments)

    # -- what there is

    async def incidents(self) -> tuple[Incident, ...]:
        """Every incident's record."""
        return await (await Incidents.open(self.system.buses["agent"])).every()

    async def incident(self, name: str) -> Incident | None:
        """One incident's record."""
        return next((i for i in await self.incidents() if i.id == name), None)

    async def ended(self, name: str, seconds: float = 30) -> Incident:
        """An incident's record once its case is over."""
        return await found(lambda: self._at(name, lambda i: i.state.ended), f"the end of {name}", seconds)

    async def waiting(self, name: str) -> Incident:
        """An incident's record once it waits for people (or is over: the assertion then shows it)."""
        record = await found(
            lambda: self._at(name, lambda i: i.state.ended or i.state is CaseState.AWAITING_APPROVAL), f"{name} to wait"
        )
        assert record.state is CaseState.AWAITING_APPROVAL, record.summary
        return record

    async def _at(self, name: str, holds: Callable[[Incident], bool]) -> Incident | None:
        record = await self.incident(name)
        return record if record is not None and holds(record) else None

    async def letters(self) -> list[dict[str, Any]]:
        """The dead letters, as people see them."""
        listed: list[dict[str, Any]] = await self.tell(DeadLetters())
        return listed

    async def letter_about(self, *words: str) -> dict[str, Any]:
        """The dead letter whose reason holds all these words."""

        async def look() -> dict[str, Any] | None:
            return next((r for r in await self.letters() if all(w in r["reason"] for w in words)), None)

        return await found(look, f"a dead letter about {words}")

    async def entries(self, kind: EntryKind | None = None, incident: str | None = None) -> list[Entry]:
        """Entries of the ledger."""
        name = IncidentId(incident) if incident else None
        return [e async for e in self.system.ledger.entries(kind=kind, incident=name)]

    async def cordoned(self, node: NodeId) -> bool:
        """Whether the world has that node fenced."""
        seen = (await self.system.world.snapshot()).node(node)
        return seen is not None and seen.cordoned

    async def works(self) -> None:
        """Assert that a good event of every transport is still handled: it joins the incident of the spare node."""
        before = await self._seen()
        assert (await self.post(await self.good())).is_success
        await until(lambda: self._reached(before + 1), 20)
        await self.publish(await self.good())
        await until(lambda: self._reached(before + 2), 20)

    async def good(self, node: NodeId = SPARE, device: int = 0) -> bytes:
        """A kernel line of a lost device; each call tells of another moment of the kernel's own clock."""
        known = (await self.system.world.snapshot()).node(node)
        assert known is not None
        line = payloads.kernel_line(known, known.accelerators[device], datetime.now(UTC))
        return line.replace(b"6781741.548779", b"6781741.%06d" % next(_NUMBERS))

    async def _reached(self, wanted: int) -> bool:
        return await self._seen() >= wanted

    async def _seen(self) -> int:
        return sum(i.events_seen for i in await self.incidents() if i.domain == f"node/{SPARE}")


async def cli(*arguments: str) -> tuple[int, str, str]:
    """`placet …` in a process of its own, without a terminal: exit code, stdout, stderr."""
    ended = await spawning.run("console.cli.main", *arguments, environment=surroundings.plain())
    return ended.returncode, ended.stdout, ended.stderr


def founded(
    root: Path, facts: Facts | None = None, name: str = "test", profile: str = profiles.HOUSE
) -> StateDirectory:
    """A state directory after `placet init`."""
    state = StateDirectory(root)
    founding = Founding(installation=InstallationId(name), facts=facts, profile=profile)
    initialising.found(state, founding, datetime.now(UTC))
    return state


def settings(**over: Any) -> Config:
    """A configuration with two senders' channels."""
    clusters = (ClusterId("eu-1"),)
    channels = tuple(Channel(id=s, clusters=clusters, token_sha256=token_digest(f"token-of-{s}")) for s in SENDERS)
    return Config(channels=channels, http=Http(port=0), nats_sync=Sync.INTERVAL).model_copy(update=over)


@asynccontextmanager
async def started(
    state: StateDirectory,
    settled: Config | None = None,
    *,
    adapters: Adapters = PLAIN,
    processes: frozenset[str] = PROCESSES,
) -> AsyncIterator[Composed]:
    """A system on that state directory, which the command line finds too."""
    settled = settled or settings()
    state.config_path.write_text(config.write(settled))
    async with AsyncExitStack() as stack:
        installation = Installation.open(state, settled)
        system = await stack.enter_async_context(running(installation, processes, adapters=adapters))
        yield Composed(system, state, stack)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 15.0, every: float = 0.03) -> None:
    """Wait until something holds, or fail; look seldom at what takes long to look at."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(every)


async def found[T](look: Callable[[], Awaitable[T | None]], what: str, seconds: float = 20.0) -> T:
    """The first answer that is not None."""
    try:
        async with asyncio.timeout(seconds):
            while (seen := await look()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.03)
            return seen
    except TimeoutError as error:
        raise AssertionError(f"waited {seconds:.0f} s for {what}") from error
