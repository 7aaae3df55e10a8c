"""`capacity.pressure` of a promise that a single loss would break: told once, resolved once, never for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from estate.ids import WorkloadId
from estate.observations import EventType
from estate.units import Seconds
from estate.workloads import Workload
from tests import builders
from tests.sensors.series import Series, nothing
from tools.placement.assurance.domains import Sort
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.looking import Looking
from tools.sensors.assurance import Assurance
from tools.sensors.port import Seen
from tools.sensors.sensing import Sensors


def work(name: str, node: str, least: int = 1) -> Workload:
    seats = (builders.binding(0, node, *range(8)),)
    return builders.workload(name, replicas=1, contract=builders.contract(8, min_available=least), bindings=seats)


def sensors(**over: object) -> Sensors:
    return {"assurance": Assurance.model_validate({"raise_after_seconds": 60, "clear_after_seconds": 60} | over)}


def running(**over: object) -> Series:
    """One promised workload, and one free node beside its own in another rack."""
    nodes = (builders.node("eu-a1"), builders.node("eu-b1"))
    return Series(builders.estate(nodes=nodes, workloads=(work("a-serve", "eu-a1"),)), sensors(**over)).begin()


def test_a_promise_without_a_second_home_is_told_once_and_resolved_once() -> None:
    series = running()
    series.wait(120)
    assert series.told == []
    series.put(work("b-takes", "eu-b1", least=0))
    series.wait(600, 5)
    (raised,) = series.told
    assert (raised.type, raised.code) == (EventType.CAPACITY_PRESSURE, "assurance-second-home")
    assert raised.whereabouts.workload == "a-serve"
    assert "no second home if one is lost of leaf/" not in raised.message
    assert "rack/eu-a: lacks free accelerators on one node" in raised.message
    assert raised.evidence.value("replicas-without-second-home") == 1
    series.put(work("b-takes", "eu-b1", least=0).without((builders.binding(0, "eu-b1", *range(8)),)))
    series.wait(120, 5)
    assert (series.raised(raised.code), series.cleared(raised.code)) == (1, 1)


def test_room_that_is_short_for_a_moment_is_never_told() -> None:
    series = running()
    for _ in range(10):
        series.put(work("b-takes", "eu-b1", least=0))
        series.wait(40, 5)
        series.put(work("b-takes", "eu-b1", least=0).without((builders.binding(0, "eu-b1", *range(8)),)))
        series.wait(70, 5)
    assert series.told == []


def test_a_breach_is_resolved_when_its_workload_is_gone_and_only_named_losses_count() -> None:
    series = running(losses=("site",))
    series.wait(90)
    assert series.raised("assurance-second-home") == 1, "there is no other lawful site"
    before = series.estate
    series.estate = before.without_workload(WorkloadId("a-serve"))
    series.put(builders.node("eu-a1"))
    series.put(work("a-serve", "eu-a1", least=0))
    series.wait(90)
    assert series.cleared("assurance-second-home") == 1
    quiet = running(losses=())
    quiet.wait(90)
    assert quiet.told == []


def test_a_look_works_out_no_more_than_it_is_set_to() -> None:
    series = running(at_once=1, raise_after_seconds=Seconds(1))
    series.put(work("b-takes", "eu-b1", least=0))
    series.wait(20)
    assert series.raised("assurance-second-home") == 1


def test_a_look_that_takes_long_keeps_nobody_waiting_and_ends_when_it_is_stopped() -> None:
    """Who senses goes on while losses are worked out; a look that is stopped begins no other loss."""
    estate = builders.estate(nodes=(builders.node("eu-a1"),), workloads=(work("a-serve", "eu-a1"),))
    first, sensor, goes_on = Seen(builders.START, nothing(), estate), Assurance(), threading.Event()
    with patient(sensor, first, goes_on) as looking:
        later = Seen(builders.START + timedelta(seconds=9), estate, estate)
        assert (list(sensor.touched(later)), looking.busy) == ([], True)
        sensor.stop()
        goes_on.set()
        looking.settle()
        assert looking.collect() == {}
    keeper = Keeper({Sort.NODE, Sort.RACK})
    keeper.follow(estate)
    losses = keeper.waiting()
    assert (keeper.work(stopped=lambda: True), keeper.waiting()) == (frozenset(), losses)
    assert (keeper.work(), keeper.waiting()) == ({WorkloadId("a-serve")}, 0)


@contextmanager
def patient(sensor: Assurance, seen: Seen, goes_on: threading.Event) -> Iterator[Looking]:
    """The sensor's looks, of which the first has to wait for something."""
    list(sensor.touched(Seen(seen.now, seen.before, nothing())))
    looking = sensor._looking
    assert looking is not None
    looking.settle()
    looking.collect()
    looking._pool.submit(goes_on.wait, 30)
    looking.begin(seen.after, seen.now, frozenset(), 16)
    yield looking
