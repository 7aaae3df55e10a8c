"""`cooling.degraded`: heat, supply, state and leaks."""

from __future__ import annotations

import pytest

from estate.facilities.cooling import Cdu, LeakSensor, Loop
from estate.ids import CduId, LoopId, SiteId
from estate.itemkinds import State
from estate.observations import Severity
from estate.units import MilliCelsius, Watts
from tests.sensors.series import Series

CDU = Cdu(
    id=CduId("cdu-1"),
    loop=LoopId("loop-1"),
    capacity_watts=Watts(500_000),
    carried_watts=Watts(300_000),
    supply=MilliCelsius(32_000),
    state=State.OK,
    leak_sensors=(LeakSensor(name="rope-1", wet=False),),
)
WRONG: dict[str, dict[str, object]] = {
    "cooling-heat": {"carried_watts": Watts(520_000)},
    "cooling-supply": {"supply": MilliCelsius(47_000)},
    "cooling-state": {"state": State.FAILED},
    "cooling-leak": {"leak_sensors": (LeakSensor(name="rope-1", wet=True),)},
}


def cooled() -> Series:
    series = Series().begin()
    series.put(Loop(id=LoopId("loop-1"), site=SiteId("eu-de"), capacity_watts=Watts(900_000)), CDU)
    return series


@pytest.mark.parametrize("code", WRONG)
def test_trouble_is_told_once_of_its_site_and_resolved_once(code: str) -> None:
    series = cooled()
    series.put(CDU.model_copy(update=WRONG[code]))
    series.wait(600, 5)
    series.put(CDU)
    series.wait(305, 5)
    raised, cleared = series.told
    assert (raised.code, raised.resolved, cleared.code, cleared.resolved) == (code, False, code, True)
    assert raised.whereabouts.site == "eu-de"


@pytest.mark.parametrize("code", WRONG)
def test_trouble_that_comes_and_goes_is_told_once(code: str) -> None:
    series = cooled()
    for _ in range(20):
        series.put(CDU.model_copy(update=WRONG[code]))
        series.wait(70, 5)
        series.put(CDU)
        series.wait(100, 5)
    assert [(s.code, s.resolved) for s in series.told] == [(code, False)]


def test_what_is_well_or_unknown_is_never_told() -> None:
    series = cooled()
    for turn in range(20):
        update = {"carried_watts": None, "supply": None, "state": State.UNKNOWN} if turn % 2 else {}
        series.put(CDU.model_copy(update={**update, "carried_watts": Watts(490_000 + turn)}))
        series.wait(100, 20)
    assert series.told == []


def test_a_leak_is_told_at_once() -> None:
    series = cooled()
    series.put(CDU.model_copy(update=WRONG["cooling-leak"]))
    (told,) = series.told
    assert told.severity is Severity.CRITICAL
    assert "rope-1" in told.message
