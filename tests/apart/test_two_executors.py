"""Two clusters with an executor each, in processes apart: a warrant for one is nothing to the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.door.commands import Ask, DeadLetters, Get, Kind
from console.installations import Installation
from console.visiting import credentials_of
from estate.ids import ExecutorId, NodeId
from estate.proposals import Lane
from policies.ledger.port import Entry, EntryKind
from tests.crash.accounting import opened
from tests.crash.supervision import Child, Outside, until
from tools.bus import accounts, streams
from tools.bus.nats import NatsBus
from tools.bus.port import Delivery

pytestmark = [pytest.mark.nats, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(300)]
REST = ("agent", "console", "gate", "inventory")


@asynccontextmanager
async def processes(outside: Outside, log: Path, *executors: str) -> AsyncIterator[dict[str, Child]]:
    """All but the executors that are not named."""
    children = {role: await Child.apart(outside, log, role) for role in (*REST, *executors)}
    try:
        await children["console"].reachable(outside)
        yield children
    finally:
        await asyncio.gather(*(child.end() for child in children.values()))


@asynccontextmanager
async def administrator(outside: Outside) -> AsyncIterator[NatsBus]:
    """Who may publish anywhere: worse than a gate that was taken over, which could address both as well."""
    installation, user = Installation.open(outside.state, outside.settings), accounts.ADMINISTRATOR
    credentials = credentials_of(installation, str(installation.config.nats_url), user)
    bus = await NatsBus.connect(credentials, installation.subjects, name="administrator")
    try:
        yield bus
    finally:
        await bus.close()


async def asked(outside: Outside, text: str) -> str:
    """The incident that a request opened."""
    result = (await outside.tell("admin", Ask(text=text))).result
    assert isinstance(result, dict)
    return str(result["incident"])


async def verified(outside: Outside, incident: str) -> None:
    async def ended() -> bool | None:
        found = await outside.ask("admin", Get(what=Kind.INCIDENT, name=incident))
        if not found.ok:
            return None  # it was asked a moment ago, and its record is still on its way
        (row,) = _rows(found.result)
        return row["state"] == "verified" or None

    await until(ended, f"`{incident}` to be verified")


async def cordoned(outside: Outside, node: str) -> bool:
    async with outside.world() as world:
        found = (await world.snapshot()).node(NodeId(node))
    assert found is not None
    return found.cordoned


async def consumed_by(outside: Outside) -> set[str]:
    """The executors that the ledger names as having used a warrant."""
    ledger = await opened(outside)
    found: list[Entry] = [entry async for entry in ledger.entries(kind=EntryKind.CONSUMED)]
    await ledger.close()
    return {entry.by.rpartition("/")[2] for entry in found}


async def waiting_warrant(bus: NatsBus) -> Delivery:
    """The one that nobody has taken."""

    async def seen() -> Delivery | None:
        found = await bus.replay(streams.warrants(Lane.CASE))
        return found[-1] if found else None

    return await until(seen, "a warrant to wait in its stream")


def _rows(result: object) -> list[dict[str, object]]:
    assert isinstance(result, list)
    return result


async def test_each_cluster_is_written_by_its_own_executor(apart: Outside, tmp_path: Path) -> None:
    async with processes(apart, tmp_path / "log", "executor-eu", "executor-us"):
        for node in ("eu-d1", "us-d1"):
            await verified(apart, await asked(apart, f"cordon {node}"))
            assert await cordoned(apart, node)
    assert await consumed_by(apart) == {"eu", "us"}


async def test_a_warrant_for_one_is_refused_by_the_other(apart: Outside, tmp_path: Path) -> None:
    """Its own executor is down, so that the warrant is fresh, signed, unconsumed, and still not for the other."""
    async with processes(apart, tmp_path / "log", "executor-us") as children, administrator(apart) as bus:
        incident = await asked(apart, "cordon eu-d1")
        warrant = await waiting_warrant(bus)
        other = Installation.open(apart.state, apart.settings).subjects.warrant(Lane.CASE, ExecutorId("us"))
        await bus.publish(other, warrant.data, message_id="redirected")

        async def refused() -> str | None:
            letters = _rows((await apart.ask("admin", DeadLetters())).result)
            return str(letters[0]["reason"]) if letters else None

        assert "the warrant is for executor `eu`, this one is `us`" in await until(refused, "the refusal")
        assert not await cordoned(apart, "eu-d1")
        assert await consumed_by(apart) == set(), "what was refused is not used up"
        children["executor-eu"] = await Child.apart(apart, tmp_path / "log", "executor-eu")
        await verified(apart, incident)
        assert await cordoned(apart, "eu-d1")
    assert await consumed_by(apart) == {"eu"}
