"""Children that run Placet, and what senders and people do to it from outside while it dies and comes back."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from console import config, identities, whereabouts
from console.config import Config
from console.demo import payloads
from console.door.commands import Command, Get, Kind, Pending, Reply
from console.door.sealing import Decided, seal_enrolment, seal_word
from console.initialising import Founding, found
from console.installations import Installation
from console.state import StateDirectory
from console.visiting import visiting
from estate.approvals import Diff, Word
from estate.errors import RetryLater
from estate.identities import Role
from estate.ids import IncidentId, InstallationId, NodeId, TenantId
from estate.incidents import CaseState
from tests import surroundings
from tests.spawning import Program, Spawned, spawn
from tools.twin.seed import seed
from tools.twin.world import World

PATIENCE = 180.0
APPROVER = "grace"
SELDOM = 0.2
"""Seconds between looks that cost those who are looked at: a connection of its own, a signed question, an answer."""
FAILING, DEVICE = NodeId("eu-a1"), 2
WEBHOOKS = 2
EVENTS = 2 + WEBHOOKS * len(payloads.MANY_ALERTS)
"""What one lost accelerator comes to: a kernel line, a health event and the alerts."""
_HISTORY = """
CREATE TABLE history (number INTEGER PRIMARY KEY, kind TEXT, id TEXT, body TEXT, revision INTEGER);
CREATE TRIGGER remember AFTER INSERT ON things BEGIN
  INSERT INTO history (kind, id, body, revision) VALUES (NEW.kind, NEW.id, NEW.body, NEW.revision);
END;
"""


@dataclass(slots=True)
class Outside:
    """An installation as its senders and its people see it."""

    state: StateDirectory
    roles: Path | None = None
    """Where each role's own directory is, once the installation was taken apart."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Config:
        return config.load(self.state.config_path, self.environment)

    @property
    def twin(self) -> Path:
        """The twin's own store, where the inventory looks at it."""
        state = self.state if self.roles is None else self.directory("inventory")
        return Installation.open(state, config.load(state.config_path, {})).twin_path

    def directory(self, role: str) -> StateDirectory:
        """The state directory that a role was issued."""
        assert self.roles is not None, "the installation is whole"
        return StateDirectory(self.roles / role)

    @property
    def front(self) -> StateDirectory:
        """Where the console says how it can be reached."""
        return self.state if self.roles is None else self.directory("console")

    async def ask(self, person: str, command: Command) -> Reply:
        """The reply of whatever console is up, asked again while there is none. For queries and repeatable commands."""

        async def asked() -> Reply | None:
            with suppress(RetryLater, TimeoutError):
                async with visiting(self.state, self.settings, identities.load(self.state, person)) as door:
                    return await asyncio.wait_for(door.call(command), 3)
            return None

        return await until(asked, f"an answer to `{command.verb}`")

    async def tell(self, person: str, command: Command) -> Reply:
        """The reply to a command that is given once: asked again, `ask` and `propose` would open a second case."""
        async with visiting(self.state, self.settings, identities.load(self.state, person)) as door:
            return await door.call(command)

    async def post(self, format: str, body: bytes) -> None:
        """Post as a sender does: again, with the same body, until it is taken."""
        token = (self.state.root / "keys" / "local.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": _media(format)}

        async def posted() -> bool | None:
            with suppress(RetryLater, httpx.HTTPError):
                base = f"http://127.0.0.1:{whereabouts.read(self.front).http_port}"
                async with httpx.AsyncClient(base_url=base, headers=headers, timeout=3) as http:
                    answer = await http.post(f"/v1/channels/local/{format}", content=body)
                assert answer.status_code in {202, 503}, answer.text
                return True if answer.status_code == 202 else None
            return None

        await until(posted, f"the door to take a body of `{format}`")

    async def enrol(self, name: str = APPROVER, tenant: str = "tenant-b") -> None:
        """The administrator enrols a tenant's owner."""
        made, _ = identities.make(self.state, name)
        word = identities.enrolment(
            made.subject, made.signer.public_key, (Role.TENANT_OWNER,), (TenantId(tenant),), datetime.now(UTC)
        )
        reply = await self.ask("admin", seal_enrolment(self.state, "admin", word))
        assert reply.ok, reply.message

    async def lose_accelerator(self, node: NodeId = FAILING, device: int = DEVICE) -> None:
        """A device falls off the bus, and everybody says so as they do in the demo."""
        async with self.world() as world:
            await world.fail_accelerator(node, device)
            lost = (await world.snapshot()).node(node)
        assert lost is not None
        at, accelerator = datetime.now(UTC), lost.accelerators[device]
        await self.post("kernel", payloads.kernel_line(lost, accelerator, at))
        await self.post("cloudevents", payloads.health_event(lost, accelerator, at))
        bursts = payloads.alert_bursts(lost, accelerator, at, WEBHOOKS)
        await asyncio.gather(*(self.post("alertmanager", body) for body in bursts))

    async def incident(self, *states: CaseState) -> dict[str, Any]:
        """The one incident, once it is in one of these states."""

        async def seen() -> dict[str, Any] | None:
            rows = (await self.ask("admin", Get(what=Kind.INCIDENT))).result
            assert isinstance(rows, list)
            assert len(rows) <= 1, f"one cause, one incident: {rows}"
            found = rows[0] if rows else None
            return found if isinstance(found, dict) and CaseState(str(found["state"])) in states else None

        return await until(seen, f"the incident to be {' or '.join(states)}", every=SELDOM)

    async def approve(self, incident: str, person: str = APPROVER) -> None:
        """A person signs, once, exactly what they are shown; whether the reply comes back is another matter."""
        pending = (await self.ask(person, Pending(incident=IncidentId(incident)))).result
        assert isinstance(pending, dict)
        assert isinstance(pending["diff"], dict)
        word = seal_word(
            self.state, person, Decided(IncidentId(incident), Diff.read(pending["diff"]), Word.APPROVE, "go")
        )
        with suppress(RetryLater, TimeoutError):
            async with visiting(self.state, self.settings, identities.load(self.state, person)) as door:
                reply = await asyncio.wait_for(door.call(word), 3)
                assert reply.ok, reply.message

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """The twin, opened beside the processes that write it."""
        installation = Installation.open(self.state, self.settings)
        world = await World.open(self.twin, installation.verify_facts(installation.facts_envelope()))
        try:
            yield world
        finally:
            await world.close()


async def founded(root: Path, name: str, **settings: Any) -> Outside:
    """A fresh installation whose twin remembers every revision that it ever had."""
    outside = Outside(StateDirectory(root))
    found(outside.state, Founding(installation=InstallationId(name)), datetime.now(UTC))
    written = outside.settings.model_copy(update=settings)
    outside.state.config_path.write_text(config.write(written))
    outside.twin.parent.mkdir(exist_ok=True)
    async with outside.world() as world:
        await seed(world, Installation.open(outside.state, outside.settings).world_file())
    with sqlite3.connect(outside.twin) as database:
        database.executescript(_HISTORY)
    database.close()
    return outside


@dataclass(slots=True)
class Child:
    """One operating-system process of ours."""

    process: Spawned
    log: Path

    @classmethod
    async def start(cls, log: Path, *command: str) -> Child:
        """Start it; whoever waits for `ready` must call `ready`."""
        module, *arguments = command
        program = Program(module, tuple(arguments), surroundings.plain() | {"NO_COLOR": "1"}, log)
        return cls(await spawn(program), log)

    @property
    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-4000:]

    @classmethod
    async def placet(cls, outside: Outside, log: Path, *arguments: str) -> Child:
        """`placet` itself, as it ships, for this installation."""
        return await cls.start(log, "console.cli.main", "--state-dir", str(outside.state.root), *arguments)

    @classmethod
    async def apart(cls, outside: Outside, log: Path, role: str) -> Child:
        """One process as it ships, on nothing but its own directory."""
        state = outside.directory(role)
        held = state.role()
        assert held is not None
        assert held.process is not None
        return await cls.start(log, "console.cli.main", "--state-dir", str(state.root), held.process)

    async def reachable(self, outside: Outside) -> None:
        """Until the console that runs in it has said where it is."""

        async def found() -> bool | None:
            assert self.process.returncode is None, f"it ended: {self.said}"
            with suppress(RetryLater):
                return whereabouts.read(outside.front).pid == self.process.pid or None
            return None

        await until(found, "its doors to open", 3 * PATIENCE)

    async def ready(self) -> None:
        """Until it says so."""
        line = await asyncio.wait_for(self.process.stdout.readline(), 3 * PATIENCE)
        assert line == b"ready\n", f"{line!r}\n{self.said}"

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send it a signal and wait; what it ended with."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@dataclass(slots=True)
class Supervisor:
    """Keeps a whole system up, as systemd would: when it dies it is started again, then without its mine."""

    outside: Outside
    log: Path
    deaths: list[int] = field(default_factory=list)
    child: Child | None = None

    async def run(self, flags: Sequence[str]) -> None:
        """Until cancelled. A second death is a failure."""
        for given in (flags, ()):
            self.child = await self._started(given)
            self.deaths.append(await self.child.process.wait())
        raise AssertionError(f"died again, with {self.deaths[-1]}: {self.log.read_text()[-4000:]}")

    async def _started(self, flags: Sequence[str]) -> Child:
        root = self.outside.state.root
        return await Child.start(self.log, "tests.crash.worker_program", str(root), *flags)


@asynccontextmanager
async def supervised(outside: Outside, log: Path, *flags: str) -> AsyncIterator[Supervisor]:
    """A whole system that starts with these flags; stopped in order at the end."""
    supervisor = Supervisor(outside, log)
    running = asyncio.create_task(supervisor.run(flags), name="supervisor")
    try:
        yield supervisor
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if supervisor.child is not None:
            await supervisor.child.end(signal.SIGTERM)


async def until[T](
    look: Callable[[], Awaitable[T | None]], what: str, seconds: float = PATIENCE, every: float = 0.05
) -> T:
    """The first sight that is not None."""
    try:
        async with asyncio.timeout(seconds):
            while (seen := await look()) is None:  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(every)
            return seen
    except TimeoutError as error:
        raise AssertionError(f"waited {seconds:.0f} s for {what}") from error


def _media(format: str) -> str:
    return "application/cloudevents+json" if format == "cloudevents" else "application/json"
