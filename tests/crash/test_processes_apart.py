"""Five operating-system processes, each on its own directory: any may be killed in the middle of a drain."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from estate.ids import WorkloadId
from estate.incidents import CaseState
from tests.crash.accounting import estate_is_right, everything_was_heard, ledger_is_right
from tests.crash.supervision import Child, Outside, until

pytestmark = [pytest.mark.nats, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(300)]
EXECUTOR = "executor-twin"
ROLES = ("agent", "console", EXECUTOR, "gate", "inventory")
SLOW = 1.5
"""Seconds that the executor needs for each move, so that there is a middle of the drain to be killed in."""


async def start(role: str, outside: Outside, log: Path, slow: float = 0.0) -> Child:
    """The process as it ships, or an executor with slow hands."""
    if role != EXECUTOR:
        return await Child.apart(outside, log, role)
    flags = ("--processes", "executor", "--slow", str(slow))
    return await Child.start(log, "tests.crash.worker_program", str(outside.directory(role).root), *flags)


@asynccontextmanager
async def fleet(outside: Outside, log: Path) -> AsyncIterator[dict[str, Child]]:
    """All five, killed at the end."""
    children = {role: await start(role, outside, log, SLOW) for role in ROLES}
    try:
        await children["console"].reachable(outside)
        yield children
    finally:
        await asyncio.gather(*(child.end() for child in children.values()))


async def first_move(outside: Outside) -> WorkloadId:
    """The workload that was moved first, once it was; the second is not on its way yet."""

    async def moved() -> list[str] | None:
        database = sqlite3.connect(outside.twin)
        found = database.execute("SELECT id FROM history WHERE kind = 'workload'").fetchall()
        database.close()
        return [name for (name,) in found] or None

    (workload,) = await until(moved, "the drain to begin")
    return WorkloadId(workload)


@pytest.mark.parametrize("victim", ROLES)
async def test_a_drain_survives_the_death_of_a_process_in_the_middle(victim: str, apart: Outside, tmp_path: Path):
    async with fleet(apart, tmp_path / "log") as children:
        await apart.enrol()
        await apart.lose_accelerator()
        waiting = await apart.incident(CaseState.AWAITING_APPROVAL)
        await apart.approve(str(waiting["name"]))
        await first_move(apart)
        assert await children[victim].end() == -signal.SIGKILL
        children[victim] = await start(victim, apart, tmp_path / "log")
        await apart.incident(CaseState.VERIFIED)
        await everything_was_heard(apart)
    estate_is_right(apart)
    await ledger_is_right(apart)
