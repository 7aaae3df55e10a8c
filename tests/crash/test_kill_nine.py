"""kill -9 of a whole system at each point where something has just become durable; what is started again goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from estate.incidents import CaseState
from tests.crash.accounting import estate_is_right, everything_was_heard, ledger_is_right
from tests.crash.supervision import founded, supervised

pytestmark = [pytest.mark.nats, pytest.mark.processes]

POINTS = {
    "receipt": ("delivered:intake", 1),
    "correlation": ("stored:incident", 1),
    "checkpoint": ("saved:checkpoint", 6),
    "verdict": ("appended:decided:case", 1),
    "approval": ("appended:approved:case", 1),
    "warrant issued": ("appended:issued:case", 1),
    "warrant consumed": ("appended:consumed:case", 1),
    "first write": ("wrote:MoveWorkload", 1),
    "second write": ("wrote:MoveWorkload", 2),
    "before the warrant's ack": ("handled:executor-twin-case", 1),
    "before the approval's ack": ("handled:gate-approvals", 1),
    "before the event's ack": ("handled:correlation", 1),
}


@pytest.mark.parametrize(("point", "at"), POINTS.values(), ids=POINTS.keys())
async def test_nothing_is_lost_and_nothing_done_twice_when_killed_after(point: str, at: int, tmp_path: Path) -> None:
    outside = await founded(tmp_path / "state", "crash")
    async with supervised(outside, tmp_path / "log", "--kill", point, "--at", str(at)) as system:
        await outside.enrol()
        await outside.lose_accelerator()
        waiting = await outside.incident(CaseState.AWAITING_APPROVAL)
        await outside.approve(str(waiting["name"]))
        await outside.incident(CaseState.VERIFIED)
        await everything_was_heard(outside)
        assert system.deaths == [-signal.SIGKILL], "it died once, at the point"
    estate_is_right(outside)
    await ledger_is_right(outside)
