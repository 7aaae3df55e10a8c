"""The demo's stage: a fresh installation, its people, its senders, and a view of the world from outside Placet."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from console import identities, initialising
from console.bootstrap import Installation, running
from console.config import Channel, Config, Http, Sync
from console.demo.narrator import CheckFailed, Narrator
from console.demo.scenery import Ground, Scenery
from console.demo.twin_scenery import TWIN
from console.door.client import DoorClient
from console.door.commands import Command, Get, Kind, Pending, Reply
from console.door.following import EXITS
from console.door.sealing import Decided, seal_enrolment, seal_word
from console.http.channels import token_digest
from console.initialising import Founding
from console.state import StateDirectory
from console.systems import System
from estate.approvals import Diff, Word
from estate.conditions import Condition, lasting
from estate.identities import Role
from estate.ids import ChannelId, ClusterId, IncidentId, InstallationId, TenantId
from estate.incidents import CaseState
from estate.modes import Mode
from estate.progress import Progress
from estate.proposals import Proposal
from estate.snapshots import Snapshot
from estate.workloads import Workload
from policies.ledger.port import EntryKind

ADMINISTRATOR = "dora"
PROFILE = Path(__file__).with_name("profile.yaml")
FOUNDING = Founding(installation=InstallationId("demo"), administrator=ADMINISTRATOR, profile=str(PROFILE))
"""What the house of the demo owes beside its changes."""
type Hook = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the cast."""

    name: str
    role: Role
    tenants: tuple[TenantId, ...] = ()


CAST = (
    Person("ada", Role.REQUESTER, (TenantId("tenant-a"),)),
    Person("grace", Role.TENANT_OWNER, (TenantId("tenant-b"),)),
    Person("olga", Role.OPERATOR),
)
SENDERS = ("eu-de-kernel", "eu-de-nvsentinel", "eu-de-alerts")


@dataclass(slots=True)
class Stage:
    """What the acts share."""

    system: System
    scenery: Scenery
    state: StateDirectory
    narrator: Narrator
    http: httpx.AsyncClient
    tokens: dict[str, str]
    patience: timedelta
    hooks: list[Hook] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def door(self, person: str) -> DoorClient:
        """The front door, for one of the cast."""
        return self.system.door(identities.load(self.state, person))

    async def tell(self, person: str, command: Command) -> Reply:
        """The reply to a command; anything but an ok reply ends the demo."""
        reply = await self.door(person).call(command)
        if not reply.ok:
            raise CheckFailed(f"{person}'s `{command.verb}` was answered: {reply.message}")
        return reply

    async def post(self, channel: str, format: str, body: bytes) -> None:
        """A sender posts a body to the HTTP door."""
        kind = "application/cloudevents+json" if format == "cloudevents" else "application/json"
        headers = {"Authorization": f"Bearer {self.tokens[channel]}", "Content-Type": kind}
        answer = await self.http.post(f"/v1/channels/{channel}/{format}", content=body, headers=headers)
        self.sent.append({"channel": channel, "format": format, "body": body.decode()})
        if answer.status_code != httpx.codes.ACCEPTED:
            raise CheckFailed(f"the HTTP door answered {channel} with {answer.status_code}: {answer.text}")

    async def incidents(self) -> list[dict[str, Any]]:
        """Every incident, newest first, as the administrator sees them."""
        result = (await self.tell(ADMINISTRATOR, Get(what=Kind.INCIDENT))).result
        assert isinstance(result, list)
        return [row for row in result if isinstance(row, dict)]

    async def settled(self, incident: str) -> dict[str, Any]:
        """The incident once it has ended or waits for people."""
        return await self.until(lambda: self._look(incident, EXITS.keys()), f"incident {incident} to settle")

    async def ended(self, incident: str) -> dict[str, Any]:
        """The incident once it has ended."""
        endings = {state for state in CaseState if state.ended}
        return await self.until(lambda: self._look(incident, endings), f"incident {incident} to end")

    async def _look(self, incident: str, states: Collection[CaseState]) -> dict[str, Any] | None:
        reply = await self.door(ADMINISTRATOR).call(Get(what=Kind.INCIDENT, name=incident))
        rows = reply.result if reply.ok and isinstance(reply.result, list) else []
        row = rows[0] if rows and isinstance(rows[0], dict) else None
        return row if row and CaseState(str(row["state"])) in states else None

    async def sign(self, person: str, incident: str, word: Word, reason: str) -> Reply:
        """A person signs exactly the diff that they are shown; the reply says whether it was taken."""
        pending = (await self.tell(person, Pending(incident=IncidentId(incident)))).result
        assert isinstance(pending, dict)
        assert isinstance(pending["diff"], dict)
        diff = Diff.read(pending["diff"])
        for line in diff.lines:
            self.narrator.says(person, f"is shown: {line.change}  (undo: {line.undo})")
        return await self.door(person).call(
            seal_word(self.state, person, Decided(IncidentId(incident), diff, word, reason))
        )

    async def until[T](self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        """The first answer that is not None; the demo ends when there is none in time."""
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                while (found := await look()) is None:  # noqa: ASYNC110 - it looks from outside, as a person would
                    await asyncio.sleep(0.05)
                return found
        except TimeoutError as error:
            raise CheckFailed(f"waited {self.patience.total_seconds():.0f} s for {what}") from error

    async def prove(self, incident: str) -> None:
        """Claim what the world's own objects say of everything that was carried out for that incident."""
        for proof in await self.scenery.proofs(await self._promised(IncidentId(incident))):
            self.narrator.check(proof.claim, proof.holds, proof.found)

    async def _promised(self, incident: IncidentId) -> tuple[Condition, ...]:
        """What every executed step of the incident said would be true after it, and still counts."""
        ledger = self.system.ledger
        done = [e.proposal async for e in ledger.entries(kind=EntryKind.OUTCOME, incident=incident)]
        found: list[Condition] = []
        async for entry in ledger.entries(kind=EntryKind.PROPOSED, incident=incident):
            if entry.proposal in done and isinstance(entry.body["proposal"], dict):
                steps = Proposal.read(entry.body["proposal"]).steps
                found += [c for step in steps for c in step.postconditions]
        return lasting(found)


def called(name: str, now: Snapshot) -> Workload | None:
    """The workload of that name: clusters give it an id of their own, and names are unique in the demo."""
    return next((w for w in now.workloads() if w.name == name), None)


@asynccontextmanager
async def set_up(
    root: Path, narrator: Narrator, founding: Founding = FOUNDING, ground: Ground = TWIN
) -> AsyncIterator[Stage]:
    """A fresh installation under `root`, running, with its cast enrolled and its senders known."""
    state = StateDirectory(root)
    await asyncio.to_thread(initialising.found, state, founding, datetime.now(UTC))
    tokens = {sender: secrets.token_urlsafe(24) for sender in SENDERS}
    hooks: list[Hook] = []

    async def observer(progress: Progress) -> None:
        narrator.progress(progress)
        await asyncio.sleep(narrator.pace)
        for hook in tuple(hooks):
            await hook(progress)

    async with AsyncExitStack() as stack:
        installation = Installation.open(state, _config(tokens, ground, founding))
        system = await stack.enter_async_context(running(installation, observer=observer))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{system.http_port}"))
        scenery = ground.scenery(system)
        stage = Stage(system, scenery, state, narrator, http, tokens, ground.patience, hooks)
        listening = asyncio.create_task(_listen(stage), name="narrator")
        stack.callback(listening.cancel)
        await _enrol(stage)
        yield stage


def _config(tokens: dict[str, str], ground: Ground, founding: Founding) -> Config:
    """Its senders watch the first cluster of the facts."""
    clusters = tuple(c.id for c in founding.facts.clusters[:1]) if founding.facts else (ClusterId("eu-1"),)
    channels = (
        Channel(id=ChannelId(name), clusters=clusters, token_sha256=token_digest(token))
        for name, token in tokens.items()
    )
    return Config(
        channels=tuple(channels),
        clusters=ground.clusters,
        executors=ground.executors,
        mode=Mode.AUTOMATIC,
        profile=str(PROFILE),
        http=Http(port=0),
        nats_sync=Sync.INTERVAL,
    )


async def _listen(stage: Stage) -> None:
    """What gate and executor say; the agents' own lines come through the observer."""
    async for _, data in stage.system.buses["watcher"].listen(stage.system.subjects.progress("*")):
        stage.narrator.progress(Progress.read(data))


async def _enrol(stage: Stage) -> None:
    for person in CAST:
        identity, _ = await asyncio.to_thread(identities.make, stage.state, person.name)
        enrolment = identities.enrolment(
            identity.subject, identity.signer.public_key, (person.role,), person.tenants, datetime.now(UTC)
        )
        await stage.tell(ADMINISTRATOR, seal_enrolment(stage.state, ADMINISTRATOR, enrolment))
