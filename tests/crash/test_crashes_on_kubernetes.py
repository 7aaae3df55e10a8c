"""The path on a real API server, its processes apart: any of them is killed in the middle, and the cluster ends right.

What is asserted is what the API server showed: its pods from the first to the last, its objects, its audit log.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from estate.incidents import CaseState
from tests.crash import grounds
from tests.crash.accounting import ledger_is_right, streams_come_to_rest
from tests.crash.grounds import BY_EVICTION, BY_ROLLOUT, Ground, lose_accelerator, settled
from tests.crash.sightings import Sightings, cluster_is_right, pod_gone, sighted
from tests.crash.supervision import PATIENCE, Child, Outside
from tests.parting import taken_apart
from tools.controlplane.components import Part

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.postgres,
    pytest.mark.processes,
    pytest.mark.xdist_group("siege"),
    pytest.mark.timeout(900),
]
EXECUTOR = "executor-eu"
POINTS = {
    # The fence's warrant is the first. Apart, an executor's mine sees no proposal, and so knows no lane.
    "warrant consumed": ("appended:consumed:unknown", 2),
    "first write": ("wrote:MoveWorkload", 1),
    "second write": ("wrote:MoveWorkload", 2),
    "before the warrant's ack": ("handled:executor-eu-case", 1),
}
ROLES = ("agent", "console", EXECUTOR, "gate", "inventory")


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


async def start(role: str, outside: Outside, log: Path, *flags: str) -> Child:
    """The process as it ships, or an executor with a mine laid."""
    if not flags:
        return await Child.apart(outside, log, role)
    root = str(outside.directory(role).root)
    return await Child.start(log, "tests.crash.worker_program", root, "--processes", "executor", *flags)


@asynccontextmanager
async def fleet(outside: Outside, log: Path, *mine: str) -> AsyncIterator[dict[str, Child]]:
    """All five, killed at the end; the executor with that mine."""
    children = {r: await start(r, outside, log, *(mine if r == EXECUTOR else ())) for r in ROLES}
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


@pytest.mark.parametrize(("victim", "workload"), [*((r, BY_ROLLOUT) for r in ROLES), (EXECUTOR, BY_EVICTION)])
async def test_a_move_survives_the_death_of_a_process_in_the_middle(
    victim: str, workload: str, eu: Ground, apart: Outside, seen: Sightings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fleet(apart, log) as children:
        await approved(apart, eu)
        await pod_gone(seen, workload)
        assert await children[victim].end() == -signal.SIGKILL
        children[victim] = await start(victim, apart, log)
        await all_is_right(apart, seen)
    await ledger_is_right(apart)


@pytest.mark.parametrize(("point", "at"), POINTS.values(), ids=POINTS.keys())
async def test_an_executor_killed_at_a_point_leaves_nothing_undone_and_does_nothing_twice(
    point: str, at: int, eu: Ground, apart: Outside, seen: Sightings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fleet(apart, log, "--kill", point, "--at", str(at)) as children:
        await approved(apart, eu)
        dead = await asyncio.wait_for(children[EXECUTOR].process.wait(), PATIENCE)
        assert dead == -signal.SIGKILL, "it died at the point"
        children[EXECUTOR] = await start(EXECUTOR, apart, log)
        await all_is_right(apart, seen)
    await ledger_is_right(apart)


async def test_an_api_server_killed_in_the_middle_and_started_again_sees_the_move_to_its_end(
    eu: Ground, apart: Outside, seen: Sightings, tmp_path: Path
) -> None:
    """All five processes live on: those that lost their cluster find it again by themselves."""
    async with fleet(apart, tmp_path / "log") as children:
        await approved(apart, eu)
        await pod_gone(seen, BY_EVICTION)
        await eu.plane.kill(Part.API_SERVER)
        await eu.plane.start(Part.API_SERVER)
        await all_is_right(apart, seen)
        assert [r for r, c in children.items() if c.process.returncode is not None] == [], "nobody died of it"
    await ledger_is_right(apart)
