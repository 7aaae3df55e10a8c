"""The path on a real API server, its processes apart: any of them is killed in the middle, and the cluster ends right.

What is asserted is what the API server showed: its pods from the first to the last, its objects, its audit log.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from estate.ids import ClusterId
from estate.incidents import CaseState
from tests.crash import grounds
from tests.crash.accounting import ledger_is_right, streams_come_to_rest
from tests.crash.grounds import Ground, ground, lose_accelerator, settled
from tests.crash.sightings import Sightings, cluster_is_right, rollout_begun, sighted
from tests.crash.supervision import Child, Outside
from tests.parting import taken_apart
from tools.controlplane.launching import controlplane

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.postgres,
    pytest.mark.processes,
    pytest.mark.xdist_group("siege"),
    pytest.mark.timeout(300),
]
EXECUTOR = "executor-eu"
ROLES = ("agent", "console", EXECUTOR, "gate", "inventory")


@pytest.fixture(scope="module")
async def eu() -> AsyncIterator[Ground]:
    """The cluster `eu-1` on a control plane of these tests' own: they kill its parts."""
    async with controlplane() as plane, ground(plane, ClusterId("eu-1")) as made:
        yield made


@pytest.fixture
async def apart(eu: Ground, tmp_path: Path) -> AsyncIterator[Outside]:
    """An installation on that cluster, taken apart; no process of it runs."""

    async def founding(root: Path, name: str, **settings: object) -> Outside:
        return await grounds.founded(root, name, eu, **settings)

    async with settled(eu), taken_apart(tmp_path, "siege", founding) as outside:
        yield outside


@pytest.fixture
async def seen(eu: Ground, apart: Outside) -> AsyncIterator[Sightings]:
    """What the API server shows from now on."""
    async with sighted(eu) as sightings:
        yield sightings


@asynccontextmanager
async def fleet(outside: Outside, log: Path) -> AsyncIterator[dict[str, Child]]:
    """All five, killed at the end."""
    children = {role: await Child.apart(outside, log, role) for role in ROLES}
    try:
        await children["console"].reachable(outside)
        yield children
    finally:
        await asyncio.gather(*(child.end() for child in children.values()))


async def approved(outside: Outside, at: Ground) -> None:
    """A device is lost, its node is fenced, and a person has let what runs there be moved."""
    await outside.enrol()
    await lose_accelerator(outside, at)
    waiting = await outside.incident(CaseState.AWAITING_APPROVAL)
    await outside.approve(str(waiting["name"]))


async def all_is_right(outside: Outside, seen: Sightings) -> None:
    await outside.incident(CaseState.VERIFIED)
    await streams_come_to_rest(outside)
    await cluster_is_right(seen)


@pytest.mark.parametrize("victim", ROLES)
async def test_a_move_survives_the_death_of_a_process_in_the_middle(
    victim: str, eu: Ground, apart: Outside, seen: Sightings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fleet(apart, log) as children:
        await approved(apart, eu)
        await rollout_begun(seen)
        assert await children[victim].end() == -signal.SIGKILL
        children[victim] = await Child.apart(apart, log, victim)
        await all_is_right(apart, seen)
    await ledger_is_right(apart)
