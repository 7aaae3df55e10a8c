"""A node that fails is fenced; once it is well again the fence is lifted, by a proposal like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.hardware import Health
from estate.incidents import CaseState, Incident
from estate.observations import FENCE_IDLE
from estate.units import Seconds
from policies.ledger.port import EntryKind
from tests.system.composed import SPARE, Composed, found, founded, settings, started
from tools.sensors.fences import Fences
from tools.sensors.registry import Settings

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-2")]


async def test_a_fence_goes_by_a_proposal_of_its_own_once_what_was_wrong_is_gone(tmp_path: Path) -> None:
    quick = Settings(fences=Fences(raise_after_seconds=Seconds(1)))
    async with started(founded(tmp_path / "state"), settings(sensors=quick)) as composed:
        world = composed.system.world
        await world.fail_accelerator(SPARE, 0)
        assert (await composed.post(await composed.good())).is_success
        await found(lambda: _fenced(composed), "the fence", 30)
        await world.fail_accelerator(SPARE, 0, Health.HEALTHY)
        lifted = await found(lambda: _lifted(composed), "the end of the case that lifts it", 40)
        assert lifted.summary.startswith(f"lift the fence of {SPARE}: what was wrong there is gone")
        assert not await composed.cordoned(SPARE)
        kinds = {e.kind for e in await composed.entries(incident=lifted.id)}
        assert {EntryKind.PROPOSED, EntryKind.DECIDED, EntryKind.ISSUED, EntryKind.CONSUMED} <= kinds


async def _fenced(composed: Composed) -> bool | None:
    return True if await composed.cordoned(SPARE) else None


async def _lifted(composed: Composed) -> Incident | None:
    every = await composed.incidents()
    told = [i for i in every if any(e.code == FENCE_IDLE for e in i.events)]
    return next((i for i in told if i.state is CaseState.VERIFIED), None)
