"""What a process may not do, the server refuses: on the composed system, with the credentials it generated."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import nats
import pytest

from estate.ids import ExecutorId
from estate.proposals import Lane
from estate.subjects import Subjects
from tests.system.composed import KERNEL, Composed
from tools.bus import accounts
from tools.bus.port import NotAllowed
from tools.bus.wire import inbox_of

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-1")]
AGENTS = Path(__file__).resolve().parents[2] / "agents"

type Subject = Callable[[Subjects], str]

FORBIDDEN: dict[str, dict[str, Subject]] = {
    accounts.AGENT: {
        "a proposal in another's name": lambda s: s.proposal(Lane.CASE, "eu-de", "other"),
        "a verdict": lambda s: s.verdict("eu-de", "permit"),
        "an approval": lambda s: s.approval("eu-de"),
        "a warrant": lambda s: s.warrant(Lane.CASE, ExecutorId("twin")),
        "a fence's warrant": lambda s: s.warrant(Lane.CONTAINMENT, ExecutorId("twin")),
        "a control": lambda s: s.control("freeze"),
        "a mode": lambda s: s.control("mode"),
        "an enrolment": lambda s: s.control("enrolment"),
        "an outcome": lambda s: s.outcome("eu-de", "verified"),
        "a delta": lambda s: s.delta(),
        "a command": lambda s: s.command("ask"),
        "a request in somebody's name": lambda s: s.intake("front-door", "request"),
        "another's dead letter": lambda s: s.dead_letter("PROPOSALS_CASE", "gate-cases"),
    },
    accounts.CLIENT: {
        "intake": lambda s: s.intake("front-door", "request"),
        "a sender's body": lambda s: s.intake(KERNEL, "kernel"),
        "an event": lambda s: s.event(Lane.CASE, "eu-de", "node.failed"),
        "a proposal": lambda s: s.proposal(Lane.CASE, "eu-de", "agent"),
        "a verdict": lambda s: s.verdict("eu-de", "permit"),
        "an approval": lambda s: s.approval("eu-de"),
        "a control": lambda s: s.control("freeze"),
    },
    accounts.CONSOLE: {
        "a verdict": lambda s: s.verdict("eu-de", "permit"),
        "a warrant": lambda s: s.warrant(Lane.CASE, ExecutorId("twin")),
        "an outcome": lambda s: s.outcome("eu-de", "verified"),
    },
    accounts.GATE: {
        "a proposal": lambda s: s.proposal(Lane.CASE, "eu-de", "agent"),
        "an approval": lambda s: s.approval("eu-de"),
        "an outcome": lambda s: s.outcome("eu-de", "verified"),
        "a control": lambda s: s.control("mode"),
    },
    "executor-twin": {
        "a warrant to itself": lambda s: s.warrant(Lane.CASE, ExecutorId("twin")),
        "a verdict": lambda s: s.verdict("eu-de", "permit"),
        "a proposal": lambda s: s.proposal(Lane.CASE, "eu-de", "agent"),
    },
    f"channel-{KERNEL}": {
        "another channel's body": lambda s: s.intake("eu-alerts", "alertmanager"),
        "an event": lambda s: s.event(Lane.CASE, "eu-de", "node.failed"),
        "a command": lambda s: s.command("set"),
    },
}
CASES = [(user, what) for user, all_of_it in FORBIDDEN.items() for what in all_of_it]


@pytest.mark.parametrize(("user", "what"), CASES, ids=[f"{u} cannot publish {w}" for u, w in CASES])
async def test_a_users_own_password_does_not_let_it_publish(shared: Composed, user: str, what: str) -> None:
    bus = await shared.as_user(user)
    subject = FORBIDDEN[user][what](shared.system.subjects)
    with pytest.raises(NotAllowed):
        await bus.publish(subject, b"{}", message_id=f"forged-{user}-{what}")


@pytest.mark.parametrize("user", sorted(FORBIDDEN))
@pytest.mark.parametrize(
    "request_",
    ["STREAM.CREATE.EVIL", "STREAM.DELETE.test_DEAD", "STREAM.PURGE.test_INTAKE", "STREAM.UPDATE.test_EVENTS_CASE"],
)
async def test_nobody_but_the_administrator_touches_streams(shared: Composed, user: str, request_: str) -> None:
    """Who could make a stream could have the server copy anything into it, and who could purge one could lose work."""
    before = await _streams(shared)
    client = await nats.connect(
        shared.system.nats_url,
        user=user,
        password=shared.state.nats_password(user),
        inbox_prefix=inbox_of(user),
        error_cb=_ignore,
    )
    body = json.dumps({"name": "EVIL", "subjects": ["evil.>"]}).encode()
    with pytest.raises((nats.errors.TimeoutError, nats.errors.NoRespondersError)):
        await client.request(f"$JS.API.{request_}", body, timeout=0.2)
    await client.close()
    assert await _streams(shared) == before


async def _ignore(error: Exception) -> None:
    """The server says that the permission is missing; the test looks at what it did."""


async def _streams(shared: Composed) -> list[str]:
    user = accounts.ADMINISTRATOR
    client = await nats.connect(shared.system.nats_url, user=user, password=shared.state.nats_password(user))
    answer = json.loads((await client.request("$JS.API.STREAM.NAMES", b"{}", timeout=5)).data)
    await client.close()
    return sorted(answer["streams"])


async def test_the_administrator_can(shared: Composed) -> None:
    """Otherwise the refusals above would show nothing."""
    assert "test_DEAD" in await _streams(shared)


def test_the_agents_package_imports_no_key_no_ledger_and_no_hands() -> None:
    """Read off every file, beside import-linter's own contract on indirect imports (`tests/test_repository.py`)."""
    forbidden = ("policies.signing", "policies.ledger", "tools.execution", "console", "nacl", "cryptography")
    named = {
        (path.name, module)
        for path in AGENTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for module in _imported(node)
        if module.startswith(forbidden)
    }
    assert named == set()


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module)):
            return [module, *(f"{module}.{alias.name}" for alias in node.names)]
        case _:
            return []
