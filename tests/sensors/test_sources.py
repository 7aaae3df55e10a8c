"""`inventory.stale` and `inventory.conflicted`."""

from __future__ import annotations

from estate.references import Ref
from tests.sensors.series import Series
from tools.inventory.disagreements import Disagreement
from tools.inventory.port import Heard

NODE = Ref("node", "eu-a1")
QUARREL = Disagreement(NODE, "boot_id", "eu-1", "files")


def spoke(series: Series, failure: str = "", target: str = "bmc-1") -> None:
    series.hear("redfish", Heard(target=target, at=series.now, failure=failure))


def test_a_target_that_falls_silent_is_told_once_and_resolved_once() -> None:
    series = Series().begin()
    for _ in range(10):
        spoke(series)
        series.wait(30)
    series.wait(400)
    (told,) = series.of("inventory-stale")
    assert told.evidence.value("age") > told.evidence.value("stale-after") == 300
    assert "`bmc-1` of source `redfish`" in told.message
    for _ in range(5):
        spoke(series)
        series.wait(30)
    assert (series.raised("inventory-stale"), series.cleared("inventory-stale")) == (1, 1)


def test_a_target_that_speaks_in_time_or_fails_now_and_then_is_never_told() -> None:
    series = Series().begin()
    for turn in range(100):
        spoke(series, "timed out" if turn % 3 else "")
        series.wait(60, 10)
    assert series.told == []


def test_a_target_that_comes_and_goes_is_told_once() -> None:
    series = Series().begin()
    spoke(series)
    for _ in range(10):
        series.wait(310, 10)
        spoke(series)
        series.wait(20, 10)
        spoke(series, "timed out")
        series.wait(10, 10)
    # each time it is fresh for less than it must be before it counts as back, save that silence is judged by its age
    assert series.raised("inventory-stale") == 1 + series.cleared("inventory-stale")


def test_a_source_of_changes_may_be_silent_but_not_out_of_reach() -> None:
    series = Series().begin()
    series.hear("eu-1", said=(NODE,))
    series.wait(4_000, 50)
    assert series.told == []
    for _ in range(40):
        series.hear("eu-1", Heard(target="", at=series.now, failure="connection refused"))
        series.wait(10)
    (told,) = series.of("inventory-stale")
    assert told.whereabouts.cluster == "eu-1"
    assert "connection refused" in told.message
    series.hear("eu-1", said=(NODE,))
    series.wait(61)
    assert series.cleared("inventory-stale") == 1


def test_two_sources_that_contradict_each_other_are_told_once() -> None:
    series = Series().begin()
    for _ in range(20):
        series.hear("files", said=(NODE,), conflicts=(QUARREL,))
        series.wait(20)
    (told,) = series.of("inventory-conflicted")
    assert told.whereabouts.node_name == "eu-a1.eu.example"
    assert "`eu-1` and `files` contradict each other about `boot_id` of node/eu-a1" in told.message
    series.hear("files", said=(NODE,))
    series.wait(70)
    assert series.cleared("inventory-conflicted") == 1


def test_a_contradiction_that_is_gone_at_once_is_never_told() -> None:
    series = Series().begin()
    for _ in range(10):
        series.hear("files", said=(NODE,), conflicts=(QUARREL,))
        series.wait(20)
        series.hear("eu-1", said=(NODE,))
        series.wait(100)
    assert series.told == []


def test_a_contradiction_that_comes_and_goes_is_told_once() -> None:
    series = Series().begin()
    for _ in range(20):
        series.hear("files", said=(NODE,), conflicts=(QUARREL,))
        series.wait(50)
        series.hear("files", said=(NODE,))
        series.wait(20)
    assert (series.raised("inventory-conflicted"), series.cleared("inventory-conflicted")) == (1, 0)


def test_a_third_source_ends_no_quarrel_of_two_others() -> None:
    series = Series().begin()
    series.hear("files", said=(NODE,), conflicts=(QUARREL,))
    series.wait(40)
    series.hear("redfish", said=(NODE,))
    series.wait(200)
    assert (series.raised("inventory-conflicted"), series.cleared("inventory-conflicted")) == (1, 0)
