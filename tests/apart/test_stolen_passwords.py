"""What whoever stole one role's directory can do with it, on the servers themselves: what the role can, and no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from console import config, databases
from console.authorities import Authority
from console.composing import meeting
from console.databases import as_user
from console.installations import Installation
from console.state import StateDirectory
from console.visiting import credentials_of
from estate.errors import BadInput, RetryLater
from tests.crash.supervision import Child, Outside
from tools.bus import accounts
from tools.bus.port import NotAllowed
from tools.bus.wire import Credentials, Wire

pytestmark = [pytest.mark.nats, pytest.mark.postgres]


def issued(outside: Outside, role: str) -> Installation:
    """What a role knows of its installation."""
    state = outside.directory(role)
    return Installation.open(state, config.load(state.config_path, {}))


def enters(address: str, statement: str = "SELECT 1") -> bool:
    """Whether PostgreSQL lets somebody in and do that."""
    try:
        with psycopg.connect(address, connect_timeout=5) as connection:
            connection.execute(statement.encode())
    except psycopg.Error:
        return False
    return True


async def test_an_agents_password_makes_nobody_an_administrator(apart: Outside) -> None:
    agent = issued(apart, "agent")
    own = credentials_of(agent, str(agent.config.nats_url), "agent")
    for user in (accounts.ADMINISTRATOR, accounts.GATE, accounts.CONSOLE, "executor-eu", "executor-us"):
        with pytest.raises(NotAllowed):
            await Wire.connect(replace(own, user=user), name="thief")
    await nobody_else_is_believed(apart, own)
    wire = await Wire.connect(own, name="thief")
    try:
        for call in ("STREAM.CREATE.EVIL", "STREAM.DELETE.apart_DEAD", "STREAM.LIST", "ACCOUNT.INFO"):
            with pytest.raises(NotAllowed):
                await wire.api(call, {"name": "EVIL", "subjects": ["evil.>"]})
        with pytest.raises(NotAllowed):
            await wire.request(agent.subjects.verdict("eu-de", "permit"), b"{}")
    finally:
        await wire.close()


async def nobody_else_is_believed(outside: Outside, own: Credentials) -> None:
    """A server with another's certificate gets no password, and one that is spoken to in the clear gives no answer."""
    other = StateDirectory(outside.state.root.parent / "other")
    Authority.of(other, "other", datetime.now(UTC))
    with pytest.raises(RetryLater, match="certificate verify failed"):
        await Wire.connect(replace(own, authority=other.authority_path), name="deceived")
    with pytest.raises(RetryLater, match="no NATS server at"):
        await Wire.connect(replace(own, url=own.url.replace("tls://", "nats://")), name="overheard")
    (other.root / "empty.pem").touch()
    with pytest.raises(BadInput, match="holds no certificates"):
        await Wire.connect(replace(own, authority=other.root / "empty.pem"), name="careless")


def test_an_agent_enters_the_checkpoints_and_never_the_ledger(apart: Outside) -> None:
    agent, gate = issued(apart, "agent"), issued(apart, "gate")
    ledger, own = gate.config.ledger, agent.state.postgres_password("agent")
    assert enters(databases.as_role(agent, agent.config.checkpoints), "CREATE TABLE mine ()")
    assert enters(databases.as_role(gate, ledger), "SELECT * FROM ledger_entries")
    assert not enters(as_user(ledger, "agent", own)), "the ledger's database is closed to it"
    for other in ("gate", "console", "executor-eu", "postgres"):
        assert not enters(as_user(ledger, other, own)), other
    for wish in ("SET ROLE placet_ledger", "CREATE ROLE thief", "ALTER ROLE gate PASSWORD 'x'", "SET ROLE postgres"):
        assert not enters(databases.as_role(agent, agent.config.checkpoints), wish), wish


def test_who_keeps_the_ledger_cannot_enter_the_checkpoints(apart: Outside) -> None:
    gate, agent = issued(apart, "gate"), issued(apart, "agent")
    assert not enters(as_user(agent.config.checkpoints, "gate", gate.state.postgres_password("gate")))


async def test_an_executor_that_is_no_more_is_shut_out_by_the_next_provision(apart: Outside) -> None:
    """Its directory may be anywhere; its user is let into the ledger no longer. Provisioning twice is harmless."""
    gone, stays = issued(apart, "executor-us"), issued(apart, "executor-eu")
    assert enters(databases.as_role(gone, gone.config.ledger), "SELECT * FROM ledger_entries")
    kept = apart.settings.executors[:1]
    apart.state.config_path.write_text(config.write(apart.settings.model_copy(update={"executors": kept})))
    for _ in range(2):
        await meeting.provision(Installation.open(apart.state, apart.settings))
    assert not enters(databases.as_role(gone, gone.config.ledger))
    assert enters(databases.as_role(stays, stays.config.ledger), "SELECT * FROM ledger_entries")


@pytest.mark.processes
async def test_a_role_cannot_provision(apart: Outside) -> None:
    """Nor does a process that starts make anything: it has no user for it."""
    child = await Child.start(
        apart.state.root.parent / "log",
        "console.cli.main",
        "--state-dir",
        str(apart.directory("agent").root),
        "provision",
    )
    assert await child.process.wait() == 2, child.said
    assert "issued to `agent`; provision from what `init` made" in child.said
