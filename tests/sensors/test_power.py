"""`power.exceeded` and its forecast, over whole-server power as it was recorded and over series made up."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from estate.facilities.power import Feed, Pdu
from estate.ids import FeedId, NodeId, PduId
from estate.observations import EventType, Severity
from estate.references import Ref
from estate.units import Watts
from tests import builders
from tests.sensors.series import Series
from tools.payloads.facts.metrics import Metric

POWER = Path(__file__).parents[3] / "shared" / "data" / "acme-2023" / "acme_power_cdf.csv"
PDU = Pdu(id=PduId("pdu-1"), feed=FeedId("a"), capacity_watts=Watts(10_000), drawn_watts=Watts(5_000))
NODES = tuple(Ref("node", f"eu-a{n}") for n in range(1, 5))


def drawing(watts: int) -> Pdu:
    return PDU.model_copy(update={"drawn_watts": Watts(watts)})


def fed() -> Series:
    """A PDU whose feed is known."""
    series = Series().begin()
    series.put(Feed(id=FeedId("a"), capacity_watts=Watts(100_000)), PDU)
    return series


def test_what_draws_more_than_its_limit_is_told_once_and_resolved_once() -> None:
    series = fed()
    series.put(drawing(10_500))
    series.wait(29)
    assert series.raised("power-exceeded") == 0, "not before it has held"
    series.wait(600)
    series.put(drawing(9_000))
    series.wait(299)
    assert (series.raised("power-exceeded"), series.cleared("power-exceeded")) == (1, 0)
    series.wait(10)
    (raised, cleared) = series.of("power-exceeded")
    assert (raised.type, raised.severity, raised.resolved) == (EventType.POWER_EXCEEDED, Severity.CRITICAL, False)
    assert raised.evidence.value("drawn") == 10_500 > raised.evidence.value("raise-above") == 10_000
    assert raised.evidence.snapshot == "test/1.3"
    assert cleared.resolved
    assert raised.occurrence == cleared.occurrence == 1


def test_what_stays_within_its_limit_is_never_told() -> None:
    series, chance = fed(), random.Random(7)
    for _ in range(500):
        series.put(drawing(chance.randint(6_000, 9_990)))
        series.wait(30, 30)
    assert series.raised("power-exceeded") == 0


def test_what_hovers_about_its_limit_is_told_once() -> None:
    series = fed()
    for turn in range(200):
        series.put(drawing(10_400 if turn % 3 else 9_600))
        series.wait(40, 10)
    assert (series.raised("power-exceeded"), series.cleared("power-exceeded")) == (1, 0)


def test_a_rack_of_measured_servers_is_held_to_the_budget_of_the_facts() -> None:
    """The draws are quantiles of whole servers' power, recorded by IPMI in a training cluster."""
    with POWER.open() as file:
        servers = [float(r["seren_gpu_server_power_w"]) for r in csv.DictReader(file)]
    chance, series = random.Random(3), Series().begin()
    for _ in range(60):
        series.read(Metric.POWER_DRAWN, *((node, chance.choice(servers)) for node in NODES))
        series.wait(30, 30)
    assert series.raised("power-exceeded") == 0, "four such servers stay below 22 kW"
    for _ in range(10):
        series.read(Metric.POWER_DRAWN, *((node, 5_900.0) for node in NODES))
        series.wait(30, 30)
    (raised,) = series.of("power-exceeded")
    assert raised.whereabouts.rack == "eu-a"
    assert raised.evidence.value("drawn") == 4 * 5_900 > raised.evidence.value("limit") == builders.RACK_BUDGET


def test_readings_that_have_grown_old_count_no_more() -> None:
    series = Series().begin()
    series.read(Metric.POWER_DRAWN, *((node, 5_900.0) for node in NODES))
    series.wait(900, 10)
    (raised, cleared) = series.of("power-exceeded")
    assert not raised.resolved
    assert cleared.resolved, "the rack is reckoned again"


def test_a_late_reading_changes_nothing() -> None:
    series = Series().begin()
    before = series.now
    series.wait(120)
    series.read(Metric.POWER_DRAWN, *((node, 4_000.0) for node in NODES))
    series.read(Metric.POWER_DRAWN, *((node, 9_000.0) for node in NODES), at=before)
    series.wait(100)
    assert series.raised("power-exceeded") == 0


def test_a_rise_is_forecast_with_the_time_at_which_the_limit_is_reached() -> None:
    """4 W a second from 6 kW: 10 kW after a thousand seconds, and noise of 40 W."""
    series, chance, start = fed(), random.Random(5), 6_000
    begun = series.now
    while not series.raised("power-forecast"):
        passed = (series.now - begun).total_seconds()
        assert passed < 1_000, "told before it is too late"
        series.put(drawing(int(start + 4 * passed + chance.gauss(0, 40))))
        series.wait(15, 15)
    (told,) = series.of("power-forecast")
    reached = told.evidence.value("limit-reached-at") - begun.timestamp()
    assert reached == pytest.approx(1_000, abs=120)
    assert told.severity is Severity.WARNING
    assert "reaches its limit of 10000 W at 2026-11-21T08:1" in told.message
    assert told.evidence.value("time-to-limit") <= told.evidence.value("within")
    assert series.raised("power-exceeded") == 0


@pytest.mark.parametrize("seed", range(5))
def test_noise_a_step_and_an_outlier_forecast_nothing(seed: int) -> None:
    series, chance = fed(), random.Random(seed)
    for turn in range(240):
        watts = chance.gauss(7_500 if turn < 120 else 8_200, 150)
        series.put(drawing(9_900 if turn == 60 else int(watts)))
        series.wait(15, 15)
    assert series.raised("power-forecast") == 0


def test_a_rise_that_pauses_is_forecast_once() -> None:
    series, watts = fed(), 6_500.0
    for turn in range(120):
        watts += 60 if turn % 4 else -60
        series.put(drawing(int(min(watts, 9_500))))
        series.wait(20, 20)
    assert series.raised("power-forecast") == 1


def test_a_pdu_is_found_where_its_rack_stands() -> None:
    series = fed()
    series.put(PDU.model_copy(update={"rack": "eu-a", "drawn_watts": Watts(12_000)}))
    series.wait(40)
    assert series.of("power-exceeded")[0].whereabouts.rack == "eu-a"


def test_a_part_that_is_gone_is_resolved() -> None:
    series = fed()
    series.put(drawing(12_000))
    series.wait(40)
    before = series.estate
    series.estate = before.with_stock(before.stock.without(PDU.ref))
    from tools.sensors.port import Change, Seen

    series.see(Seen(series.now, before, series.estate, Change(items=(PDU.ref,))))
    assert series.cleared("power-exceeded") == 1


def test_the_cost_of_a_reading_does_not_grow_with_the_estate() -> None:
    """One reading is one subject's judgement, and a tick in which nothing is due is none."""
    series = Series().begin()
    series.read(Metric.POWER_DRAWN, (Ref("node", "eu-a1"), 2_000.0))
    assert series.looked == 1
    series.wait(1)
    assert series.looked == 0
    assert series.estate.node(NodeId("us-b4")) is not None
