"""What the server itself refuses to somebody who owns a process's NATS credentials. All on a real nats-server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from estate.ids import ChannelId, ExecutorId, InstallationId
from estate.proposals import Lane
from estate.subjects import Subjects
from tools.bus import dead_letters, streams
from tools.bus.accounts import ADMINISTRATOR, Accounts, channel_user, executor_user
from tools.bus.nats import NatsBus
from tools.bus.port import Conflict, ConsumerSpec, Delivery, NotAllowed
from tools.bus.provisioning import provision
from tools.bus.server import EmbeddedServer
from tools.bus.wire import Wire

pytestmark = pytest.mark.nats

SUBJECTS = Subjects(InstallationId("guarded"))
TWIN = ExecutorId("twin")
CONSUMERS = {
    "agent": (ConsumerSpec(streams.EVENTS_CASE, "correlation"), ConsumerSpec(streams.VERDICTS, "case-verdicts")),
    "gate": (ConsumerSpec(streams.PROPOSALS_CASE, "gate-case"), ConsumerSpec(streams.APPROVALS, "gate-approvals")),
    executor_user(TWIN): (
        ConsumerSpec(streams.WARRANTS_CASE, "twin-case", subjects=(SUBJECTS.warrant(Lane.CASE, TWIN),)),
    ),
}
FORBIDDEN_TO_AN_AGENT = {
    "verdict": SUBJECTS.verdict("eu", "permit"),
    "approval": SUBJECTS.approval("eu"),
    "warrant": SUBJECTS.warrant(Lane.CASE, TWIN),
    "containment warrant": SUBJECTS.warrant(Lane.CONTAINMENT, TWIN),
    "outcome": SUBJECTS.outcome("eu", "verified"),
    "delta": SUBJECTS.delta(),
    "telemetry": SUBJECTS.telemetry(),
    "freeze": SUBJECTS.control("freeze"),
    "command": SUBJECTS.command("approve"),
    "intake": SUBJECTS.intake("front-door", "proposal"),
    "another agent's proposal": SUBJECTS.proposal(Lane.CASE, "eu", "other"),
    "another agent's presence": "$KV.guarded_workers.other.w-1",
    "lease": "$KV.guarded_leases.inventory-writer",
    "another's dead letters": SUBJECTS.dead_letter(streams.PROPOSALS_CASE, "gate-case"),
    "another's left records": "$KV.guarded_left.PROPOSALS_CASE.gate-case.1",
}
FORBIDDEN_CALLS = [
    "$JS.API.STREAM.CREATE.evil",
    "$JS.API.STREAM.UPDATE.guarded_EVENTS",
    "$JS.API.STREAM.DELETE.guarded_EVENTS",
    "$JS.API.STREAM.PURGE.guarded_EVENTS",
    "$JS.API.STREAM.MSG.DELETE.guarded_EVENTS",
    "$JS.API.STREAM.SNAPSHOT.guarded_VERDICTS",
    "$JS.API.STREAM.RESTORE.evil",
    "$JS.API.STREAM.MSG.GET.guarded_WARRANTS_CASE",
    "$JS.API.STREAM.LIST",
    "$JS.API.DIRECT.GET.guarded_EVENTS",
    "$JS.API.CONSUMER.CREATE.guarded_EVENTS.evil",
    "$JS.API.CONSUMER.CREATE.guarded_EVENTS",
    "$JS.API.CONSUMER.DURABLE.CREATE.guarded_EVENTS.evil",
    "$JS.API.CONSUMER.DELETE.guarded_PROPOSALS_CASE.gate-case",
    "$JS.API.CONSUMER.PAUSE.guarded_PROPOSALS_CASE.gate-case",
    "$JS.API.CONSUMER.RESET.guarded_EVENTS.correlation",
    "$JS.API.CONSUMER.MSG.NEXT.guarded_PROPOSALS_CASE.gate-case",
    "$JS.API.ACCOUNT.PURGE.PLACET",
    "$JS.ACK.guarded_PROPOSALS_CASE.gate-case.1.1.1.1.0",
    "$JS.ACK.guarded_EVENTS.another.1.1.1.1.0",
    "$SYS.REQ.SERVER.PING",
]


@dataclass
class Guarded:
    """A provisioned server with users, and connections to it."""

    server: EmbeddedServer
    opened: list[NatsBus] = field(default_factory=list)

    async def bus(self, user: str) -> NatsBus:
        """That user's connection."""
        self.opened.append(await NatsBus.connect(self.server.credentials(user), SUBJECTS, name=user))
        return self.opened[-1]

    async def wire(self, user: str) -> Wire:
        """The bare connection of an attacker who owns that user's credentials."""
        return (await self.bus(user))._wire


@pytest.fixture(scope="module")
async def provisioned(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    accounts = Accounts(SUBJECTS, CONSUMERS, executors=[TWIN], channels={ChannelId("dcgm"): ("kernel",)})
    users = accounts.users(lambda name: f"secret-of-{name}")
    async with EmbeddedServer(tmp_path_factory.mktemp("guarded"), users=users, sync_always=False) as server:
        admin = await NatsBus.connect(server.credentials(ADMINISTRATOR), SUBJECTS, name="admin")
        await provision(admin, SUBJECTS, [spec for specs in CONSUMERS.values() for spec in specs])
        await provision(admin, SUBJECTS, [spec for specs in CONSUMERS.values() for spec in specs])
        await admin.close()
        yield server


@pytest.fixture
async def guarded(provisioned: EmbeddedServer) -> AsyncIterator[Guarded]:
    made = Guarded(provisioned)
    yield made
    for bus in made.opened:
        await bus.close()


@pytest.mark.parametrize("subject", FORBIDDEN_TO_AN_AGENT.values(), ids=FORBIDDEN_TO_AN_AGENT.keys())
async def test_an_agents_user_cannot_publish_what_is_not_its_own(guarded: Guarded, subject: str):
    agent = await guarded.bus("agent")
    started = asyncio.get_running_loop().time()
    with pytest.raises(NotAllowed, match="may not publish"):
        await agent.publish(subject, b"{}", message_id="m1")
    assert asyncio.get_running_loop().time() - started < 1, "the refusal is told at once, not after a timeout"


@pytest.mark.parametrize("call", FORBIDDEN_CALLS)
async def test_an_agents_user_cannot_touch_streams_or_others_consumers(guarded: Guarded, call: str):
    agent = await guarded.wire("agent")
    with pytest.raises(NotAllowed):
        await agent.request(call, b"{}")


@pytest.mark.parametrize(
    "subject", [">", "_INBOX_gate.>", "$JS.ACK.>", SUBJECTS.warrant("case", "*"), SUBJECTS.command("*"), "$JS.API.>"]
)
async def test_an_agents_user_cannot_overhear_others(guarded: Guarded, subject: str):
    refusals: list[str] = []
    agent, admin = await guarded.wire("agent"), await guarded.wire(ADMINISTRATOR)
    heard: list[bytes] = []

    async def note(error: Exception) -> None:
        refusals.append(str(error))

    async def hear(message: object) -> None:
        heard.append(b"heard")

    agent.client._error_cb = note
    await agent.client.subscribe(subject, cb=hear)
    await agent.client.flush()
    await admin.send(subject.replace(">", "x").replace("*", "x"), b"secret")
    await admin.client.flush()
    await agent.client.flush()
    assert heard == []
    assert "permissions violation" in refusals[0].lower()


async def test_a_forged_verdict_copied_by_the_server_never_reaches_a_reader(guarded: Guarded):
    """NATS does not check reply subjects: a pull or a read can be answered into another stream."""
    agent, admin = await guarded.wire("agent"), await guarded.bus(ADMINISTRATOR)
    into = SUBJECTS.delta()
    headers = {"Nats-Msg-Id": "forged-1"}
    stored = await agent.publish(SUBJECTS.event(Lane.CASE, "eu", "forged"), b"forged", headers)
    pull = f"$JS.API.CONSUMER.MSG.NEXT.guarded_EVENTS.{CONSUMERS['agent'][0].name}"
    await agent.send(pull, json.dumps({"batch": 1, "expires": 10**9}).encode(), into)
    await agent.send("$JS.API.STREAM.MSG.GET.guarded_DELTAS", json.dumps({"seq": stored["seq"]}).encode(), into)
    await agent.send(SUBJECTS.event(Lane.CASE, "eu", "other"), b"x", into)
    await agent.send("$JS.API.STREAM.INFO.guarded_DELTAS", b"", into)
    await agent.client.flush()
    await asyncio.sleep(0.3)
    state = (await admin._wire.api("STREAM.INFO.guarded_DELTAS"))["state"]
    assert state["messages"] > 0, "the server does copy; if it stopped, this package could be simpler"
    inventory, gate = await guarded.bus("inventory"), await guarded.bus("gate")
    assert await gate.replay(streams.DELTAS) == ()
    await inventory.publish(SUBJECTS.delta(), b"genuine", message_id="d1")
    async for delivery in gate.follow(streams.DELTAS):
        assert delivery.data == b"genuine"
        break
    await admin._wire.api("STREAM.PURGE.guarded_DELTAS", {})


async def test_copies_into_a_work_queue_are_dead_letters_not_work(guarded: Guarded):
    agent, gate, console = await guarded.wire("agent"), await guarded.bus("gate"), await guarded.bus("console")
    into = SUBJECTS.approval("eu")
    await agent.send(SUBJECTS.event(Lane.CASE, "eu", "other"), b"x", into)
    await agent.client.flush()
    await console.publish(into, b"genuine", message_id="a1")
    seen: list[bytes] = []

    async def handler(delivery: Delivery) -> None:
        seen.append(delivery.data)

    task = asyncio.create_task(gate.consume(CONSUMERS["gate"][1], handler))
    async with asyncio.timeout(5):
        while not (letters := await dead_letters.listed(console)) or not seen:  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert seen == [b"genuine"]
    assert "no message id" in letters[0].reason


async def test_every_process_can_do_its_own_work(guarded: Guarded):
    agent, gate = await guarded.bus("agent"), await guarded.bus("gate")
    console, executor = await guarded.bus("console"), await guarded.bus(executor_user(TWIN))
    seen: dict[str, bytes] = {}

    def pass_on(name: str, bus: NatsBus, subject: str):
        async def handler(delivery: Delivery) -> None:
            seen[name] = delivery.data
            await bus.publish(subject, delivery.data + b">" + name.encode(), message_id=f"{name}-{delivery.sequence}")

        return handler

    runs = [
        agent.consume(CONSUMERS["agent"][0], pass_on("agent", agent, SUBJECTS.proposal(Lane.CASE, "eu", "agent"))),
        gate.consume(CONSUMERS["gate"][0], pass_on("gate", gate, SUBJECTS.warrant(Lane.CASE, TWIN))),
        executor.consume(
            CONSUMERS[executor_user(TWIN)][0], pass_on("executor", executor, SUBJECTS.outcome("eu", "verified"))
        ),
    ]
    tasks = [asyncio.create_task(run) for run in runs]
    await console.publish(SUBJECTS.event(Lane.CASE, "eu", "node.failed"), b"event", message_id="e1")
    async with asyncio.timeout(10):
        async for outcome in console.follow(streams.OUTCOMES):
            if outcome.data.startswith(b"event"):
                assert outcome.data == b"event>agent>gate>executor"
                break
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_each_keeps_its_records_and_its_lease(guarded: Guarded):
    agent, inventory, console = await guarded.bus("agent"), await guarded.bus("inventory"), await guarded.bus("console")
    incidents = await agent.bucket("incidents")
    revision = await incidents.create("i1", b"{}")
    with pytest.raises(Conflict):
        await incidents.create("i1", b"{}")
    await incidents.update("i1", b"{2}", revision)
    assert await (await console.bucket("incidents")).keys() == ("i1",)
    with pytest.raises(NotAllowed):
        await (await console.bucket("incidents")).put("i1", b"{}")
    async for stored in (await console.bucket("incidents")).watch():
        assert stored.value == b"{2}"
        break
    lease = await inventory.lease("inventory-writer", "one", ttl=timedelta(seconds=1))
    await lease.renew()
    with pytest.raises(NotAllowed):
        await inventory.lease("another", "one", ttl=timedelta(seconds=1))
    await (await agent.bucket("checkpoints")).put("head.t.=", b"{}")


async def test_a_client_asks_the_door_and_nothing_else(guarded: Guarded):
    client, console = await guarded.bus("client"), await guarded.bus("console")

    async def answer(data: bytes, _: object) -> bytes:
        return data.upper()

    await console.respond(SUBJECTS.command("get"), answer, queue="door")
    assert await client.request(SUBJECTS.command("get"), b"x", within=timedelta(seconds=2)) == b"X"
    with pytest.raises(NotAllowed):
        await client.publish(SUBJECTS.approval("eu"), b"x", message_id="m1")
    with pytest.raises(NotAllowed):
        await client.replay(streams.VERDICTS)


async def test_a_channel_publishes_on_its_own_subject_only(guarded: Guarded):
    channel = await guarded.bus(channel_user(ChannelId("dcgm")))
    assert await channel.publish(SUBJECTS.intake("dcgm", "kernel"), b"{}", message_id="m1")
    with pytest.raises(NotAllowed):
        await channel.publish(SUBJECTS.intake("front-door", "proposal"), b"{}", message_id="m1")


async def test_wrong_credentials_are_refused_with_the_user(provisioned: EmbeddedServer):
    wrong = replace(provisioned.credentials("agent"), password="guess")
    with pytest.raises(NotAllowed, match="`agent`"):
        await NatsBus.connect(wrong, SUBJECTS, name="intruder")
