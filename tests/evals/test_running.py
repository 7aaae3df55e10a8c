"""The three acts, scored on a whole running system: real NATS, SQLite, twin, gate and executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.changes import UncordonNode
from estate.ids import NodeId
from evals import scenarios
from evals.proving import prove
from evals.running import run
from evals.scenarios import Settle

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system")]


@pytest.mark.parametrize("folder", scenarios.shipped(), ids=lambda p: p.name)
async def test_placet_scores_one_on_each_shipped_scenario(folder: Path) -> None:
    done = await run(scenarios.load(folder))
    assert done.result.score == 1, done.result.faults


async def test_a_system_that_is_asked_nothing_scores_zero() -> None:
    """The score comes from the world, so that doing nothing cannot earn it."""
    loaded = scenarios.load(scenarios.ROOT / "unlawful-move")
    idle = loaded.scenario.model_copy(update={"script": loaded.scenario.script[:2]})
    done = await run(loaded.model_copy(update={"scenario": idle}))
    assert done.cases == ("forbidden",)
    assert done.result.score == 0


def test_lifting_the_fence_too_early_is_among_the_wrong_answers() -> None:
    loaded = scenarios.load(scenarios.ROOT / "gpu-off-the-bus")
    lifted = UncordonNode(node=NodeId("eu-a1"))
    assert any(lifted in wrong for wrong in loaded.scenario.wrong)
    assert prove(loaded).holds
    assert isinstance(loaded.scenario.script[-1], Settle)
