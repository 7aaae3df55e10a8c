"""`contract.breached` of a reservation: told when it could not be had any more, or when somebody does not leave."""

from __future__ import annotations

from datetime import timedelta

from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.observations import EventType, Severity
from estate.references import Ref
from estate.reserving import UNKEPT as CODE
from tests import builders
from tests.reserved import TONIGHT, holding, reserve
from tests.sensors.series import Series
from tools.sensors.reservations import Reservations
from tools.sensors.sensing import Sensors


def watching(estate: FrozenEstate) -> Series:
    sensors: Sensors = {"reservations": Reservations()}
    return Series(estate, sensors).begin()


def test_a_lost_device_is_told_once_however_far_ahead_and_resolved_once() -> None:
    series = watching(holding(reserve()))
    series.wait(120, 10)
    assert series.told == []
    sick = builders.accelerator("eu-b2", 3, health=Health.FAILED)
    well = builders.node("eu-b2")
    series.put(well.model_copy(update={"accelerators": (*well.accelerators[:3], sick, *well.accelerators[4:])}))
    series.wait(120, 10)
    (raised,) = series.told
    assert (raised.type, raised.code, raised.severity) == (EventType.CONTRACT_BREACHED, CODE, Severity.WARNING)
    assert raised.message == "reservation/b-night of tenant-b: eu-b2 accelerator 3 is failed"
    assert raised.whereabouts.node_name == well.name
    series.put(well)
    series.wait(120, 10)
    assert (series.raised(CODE), series.cleared(CODE)) == (1, 1)
    series.put(builders.node("eu-b2", cordoned=True))
    series.wait(60, 10)
    assert series.raised(CODE) == 2
    before = series.estate
    series.estate = before.with_stock(before.stock.without(Ref("reservation", "b-night")))
    series.put(builders.node("eu-b2", cordoned=True))
    series.wait(300, 10)
    assert series.cleared(CODE) in {1, 2}


def test_work_that_may_stay_till_the_start_is_told_of_only_when_that_is_near() -> None:
    """A quarter of an hour is what the house gives people to have it moved."""
    guest = builders.workload(
        "a-guest", contract=builders.contract(2, preemptible=True), bindings=(builders.binding(0, "eu-b2", 0, 1),)
    )
    series = watching(holding(reserve(), on=builders.estate().with_workload(guest)))
    series.now = TONIGHT - timedelta(minutes=20)
    series.wait(240, 30)
    assert series.told == []
    series.wait(300, 30)
    (raised,) = series.told
    assert (raised.severity, "`a-guest` still runs on eu-b2" in raised.message) == (Severity.CRITICAL, True)
    series.put(guest.without(guest.bindings))
    series.wait(120, 30)
    assert series.cleared(CODE) == 1
