"""Two real clusters with an executor each: a warrant for one is refused by the other, and nothing is written there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from console.installations import Installation
from console.visiting import credentials_of
from estate.incidents import CaseState
from estate.proposals import Lane
from policies.admission import identities
from policies.ledger.port import EntryKind
from tests.crash import grounds
from tests.crash.accounting import ledger_is_right, opened
from tests.crash.grounds import Ground, lose_accelerator, settled
from tests.crash.sightings import cluster_is_right, sighted
from tests.crash.supervision import Child, Outside, until
from tests.parting import taken_apart
from tools.bus import accounts, streams
from tools.bus.dead_letters import REASON
from tools.bus.nats import NatsBus
from tools.controlplane import auditing

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.postgres,
    pytest.mark.processes,
    pytest.mark.xdist_group("siege"),
    pytest.mark.timeout(900),
]
ROLES = ("agent", "console", "executor-eu", "executor-us", "gate", "inventory")


@asynccontextmanager
async def both(eu: Ground, us: Ground, folder: Path) -> AsyncIterator[tuple[Outside, dict[str, Child]]]:
    """An installation on both clusters, its six processes running."""

    async def founding(root: Path, name: str, **settings: object) -> Outside:
        return await grounds.founded(root, name, eu, us, **settings)

    async with AsyncExitStack() as stack:
        for cluster in (eu, us):
            await stack.enter_async_context(settled(cluster))
        outside = await stack.enter_async_context(taken_apart(folder, "both", founding))
        children = {role: await Child.apart(outside, folder / "log", role) for role in ROLES}
        try:
            await children["console"].reachable(outside)
            yield outside, children
        finally:
            await ended(children)


async def ended(children: dict[str, Child]) -> None:
    """Kill whatever still runs."""
    await asyncio.gather(*(child.end() for child in children.values()))


async def test_a_warrant_for_one_cluster_is_refused_by_the_executor_of_the_other(
    eu: Ground, us: Ground, tmp_path: Path
) -> None:
    """Its own executor is dead at that moment, so that the other one has it first; then the right one does it."""
    async with both(eu, us, tmp_path) as (outside, children), sighted(eu) as seen, bus_of(outside) as bus:
        before = len(asked(us))
        await outside.enrol()
        await lose_accelerator(outside, eu)
        waiting = await outside.incident(CaseState.AWAITING_APPROVAL)
        assert await children["executor-eu"].end() == -signal.SIGKILL
        await outside.approve(str(waiting["name"]))
        envelope = await until(lambda: issued(bus), "the gate to issue the warrant")
        subject = Installation.open(outside.state, outside.settings).subjects.warrant(Lane.CASE, us.executor)
        await bus.publish(subject, envelope, message_id="astray")
        assert "executor" in await until(lambda: refused(bus), "the other executor to refuse it")
        assert await consumed(outside) == 1, "the fence alone"
        children["executor-eu"] = await Child.apart(outside, tmp_path / "log", "executor-eu")
        await outside.incident(CaseState.VERIFIED)
        await cluster_is_right(seen)
        assert set(asked(us)[before:]) <= auditing.READING, "nobody wrote in the other cluster, nor tried to"
        await ended(children)
        await ledger_is_right(outside)


def asked(at: Ground) -> list[str]:
    """What our writer has asked of a cluster so far, dry runs and refusals too."""
    writer = identities.username(identities.WRITER)
    return [r.verb for r in auditing.requests(at.plane.audit_log, writer)]


@asynccontextmanager
async def bus_of(outside: Outside) -> AsyncIterator[NatsBus]:
    """The administrator's own connection, which may publish anything."""
    user, url = accounts.ADMINISTRATOR, outside.settings.nats_url
    assert url is not None
    installation = Installation.open(outside.state, outside.settings)
    bus = await NatsBus.connect(credentials_of(installation, url, user), installation.subjects, name="astray")
    try:
        yield bus
    finally:
        await bus.close()


async def issued(bus: NatsBus) -> bytes | None:
    """The warrant that waits for its executor."""
    waiting = await bus.replay(streams.WARRANTS_CASE)
    return waiting[0].data if waiting else None


async def refused(bus: NatsBus) -> str | None:
    """Why the one dead letter could not be handled."""
    letters = await bus.replay(streams.DEAD)
    assert len(letters) <= 1
    return letters[0].headers[REASON] if letters else None


async def consumed(outside: Outside) -> int:
    """How many warrants were consumed so far."""
    ledger = await opened(outside)
    try:
        return len([entry async for entry in ledger.entries(kind=EntryKind.CONSUMED)])
    finally:
        await ledger.close()
