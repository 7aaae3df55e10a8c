"""`contract.breached` of a reservation: told when it could not be had any more, or when somebody does not leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.observations import EventType, Severity
from estate.references import Ref
from estate.reserving import UNKEPT as CODE
from estate.workloads import Binding, Workload
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


def on_it(*bindings: Binding, **contract: Any) -> Workload:
    """Work of tenant-a on the reserved devices."""
    promised = builders.contract(2, **contract)
    return builders.workload("a-guest", replicas=len(bindings), contract=promised, bindings=bindings)


ONE, OTHER = builders.binding(0, "eu-b2", 0, 1), builders.binding(1, "eu-b2", 2, 3)


@pytest.mark.parametrize(
    ("guest", "minutes"),
    [
        (on_it(ONE, preemptible=True), 17),
        (on_it(ONE, OTHER, preemptible=True, min_available=1), 19),
        (on_it(ONE, deadline=TONIGHT), 0),
    ],
    ids=["a quarter of an hour and a round", "and another round", "from the start on"],
)
def test_who_is_still_there_is_told_of_as_long_before_as_it_takes_to_clear_it(guest: Workload, minutes: int) -> None:
    series = watching(holding(reserve(), on=builders.estate().with_workload(guest)))
    near = TONIGHT - timedelta(minutes=minutes)
    series.now = near - timedelta(minutes=2)
    series.wait(90, 30)
    assert series.told == []
    series.wait(90, 30)
    (raised,) = series.told
    assert (raised.severity, "`a-guest` still runs on eu-b2" in raised.message) == (Severity.CRITICAL, True)
    assert near <= raised.at <= near + timedelta(minutes=1)
    series.put(guest.without(guest.bindings))
    series.wait(120, 30)
    assert series.cleared(CODE) == 1
