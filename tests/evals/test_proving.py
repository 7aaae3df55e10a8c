"""A scenario that cannot tell right from wrong is worth nothing: each shipped one proves itself here."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.errors import BadInput
from evals import scenarios
from evals.proving import prove


@pytest.mark.parametrize("folder", scenarios.shipped(), ids=lambda p: p.name)
def test_the_gold_fix_scores_one_and_everything_else_zero(folder: Path) -> None:
    proof = prove(scenarios.load(folder))
    assert proof.gold.score == 1, proof.gold.faults
    assert proof.nothing.score == 0
    assert [w.score for w in proof.wrong] == [0] * len(proof.wrong)
    assert proof.holds


def test_there_are_three_acts() -> None:
    assert {"gpu-off-the-bus", "unlawful-move", "failing-step"} <= {p.name for p in scenarios.shipped()}


def test_a_scenario_whose_wrong_fix_is_right_does_not_hold() -> None:
    """The proof itself must be able to fail."""
    loaded = scenarios.load(scenarios.ROOT / "failing-step")
    bent = loaded.scenario.model_copy(update={"wrong": (loaded.scenario.gold,)})
    assert not prove(loaded.model_copy(update={"scenario": bent})).holds


def test_a_broken_file_is_named_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("kind: placet.scenario\nv: 1\nname: x\n")
    with pytest.raises(BadInput, match=r"scenario\.yaml.*script"):
        scenarios.load(tmp_path)
