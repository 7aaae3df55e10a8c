"""`fence-idle`: a node that was fenced with something wrong is told of once it has been well for a while."""

from __future__ import annotations

from estate.hardware import Health, Node
from estate.observations import FENCE_IDLE, EventType, Severity
from tests import builders
from tests.sensors.series import Series
from tools.sensors.fences import Fences


def node(*, cordoned: bool, well: bool = True) -> Node:
    found = builders.node("eu-a1", cordoned=cordoned)
    first = found.accelerators[0].model_copy(update={"health": Health.HEALTHY if well else Health.FAILED})
    return found.model_copy(update={"accelerators": (first, *found.accelerators[1:])})


def watching() -> Series:
    return Series(sensors={"fences": Fences()}).begin()


def test_a_fence_is_told_of_once_half_an_hour_after_its_node_is_well() -> None:
    series = watching()
    series.put(node(cordoned=True, well=False))
    series.wait(7_200, 60)
    series.put(node(cordoned=True))
    series.wait(1_700, 50)
    series.put(node(cordoned=True, well=False))
    series.put(node(cordoned=True))
    series.wait(1_750, 50)
    assert series.told == [], "it was not well for half an hour on end"
    series.wait(3_600, 50)
    (raised,) = series.told
    assert (raised.type, raised.code, raised.severity) == (EventType.CAPACITY_PRESSURE, FENCE_IDLE, Severity.WARNING)
    assert raised.message == "node/eu-a1 is well again and still fenced; 8 accelerators take no work"
    assert raised.whereabouts.node_name == node(cordoned=True).name
    series.put(node(cordoned=False))
    assert (series.raised(FENCE_IDLE), series.cleared(FENCE_IDLE)) == (1, 1)


def test_nothing_is_said_of_a_node_that_somebody_fenced_while_it_was_well() -> None:
    series = watching()
    series.put(node(cordoned=False, well=False))
    series.put(node(cordoned=False))
    series.put(node(cordoned=True))
    series.wait(7_200, 600)
    assert series.told == []
