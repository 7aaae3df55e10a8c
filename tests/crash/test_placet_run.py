"""`placet run` itself: stopped in order or killed, started again with all that it knew."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.door.commands import WhoAmI
from estate.incidents import CaseState
from tests.crash.accounting import estate_is_right, everything_was_heard, ledger_is_right, streams_come_to_rest
from tests.crash.supervision import APPROVER, Child, Outside, founded

pytestmark = [pytest.mark.nats, pytest.mark.processes]


@asynccontextmanager
async def placet_run(outside: Outside, log: Path, ends_by: signal.Signals) -> AsyncIterator[Child]:
    """`placet run` for the length of a block, ended by that signal."""
    child = await Child.placet(outside, log, "run", "--http-port", "0")
    try:
        await child.reachable(outside)
        yield child
        expected = 0 if ends_by is signal.SIGTERM else -signal.SIGKILL
        assert await child.end(ends_by) == expected, child.said
    finally:
        await child.end()


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_pending_approval_outlives_the_program_and_is_carried_out(ends_by: signal.Signals, tmp_path: Path):
    """Incidents, enrolments and the ledger are there again; so is the flush before each acknowledgement."""
    outside, log = await founded(tmp_path / "state", "run"), tmp_path / "log"
    async with placet_run(outside, log, ends_by):
        assert "sync_interval: always" in (outside.state.nats_path / "nats.conf").read_text()
        await outside.enrol()
        await outside.lose_accelerator()
        await outside.incident(CaseState.AWAITING_APPROVAL)
        await streams_come_to_rest(outside)
        waiting = await outside.incident(CaseState.AWAITING_APPROVAL)
    async with placet_run(outside, log, ends_by):
        again = await outside.incident(CaseState.AWAITING_APPROVAL)
        assert again == waiting, "the incident is what it was"
        assert (await outside.ask(APPROVER, WhoAmI())).ok, "whoever was enrolled still is"
        await outside.approve(str(again["name"]))
        ended = await outside.incident(CaseState.VERIFIED)
        await streams_come_to_rest(outside)
    async with placet_run(outside, log, signal.SIGTERM):
        assert await outside.incident(CaseState.VERIFIED) == ended
        await everything_was_heard(outside)
    estate_is_right(outside)
    await ledger_is_right(outside)
