"""`link.degraded`: state, speed, and counters as rates."""

from __future__ import annotations

from datetime import timedelta

from estate.fabrics.links import End, Fabric, FabricSort, Link
from estate.ids import FabricId, LinkId, SiteId
from estate.machines import LinkState, Nic, NicUse
from estate.observations import EventType, Severity
from estate.references import Ref
from estate.units import MegabitsPerSecond
from tests import builders
from tests.sensors.series import Series
from tools.payloads.facts.metrics import Metric

LINK = Link(
    id=LinkId("wan-1"),
    fabric=FabricId("wan"),
    ends=(End(of=Ref("site", "eu-de")), End(of=Ref("site", "us-east"))),
    capacity=MegabitsPerSecond(100_000),
    state=LinkState.UP,
)
PORT = Ref("port", "eu-a1/mlx5_0/1")


def linked() -> Series:
    series = Series().begin()
    series.put(Fabric(id=FabricId("wan"), sort=FabricSort.WAN, site=SiteId("eu-de")), LINK)
    return series


def ported() -> Series:
    nic = Nic(name="mlx5_0", use=NicUse.RDMA, speed=MegabitsPerSecond(400_000), state=LinkState.UP)
    return Series(builders.estate(nodes=(builders.node("eu-a1", nics=(nic,)),), workloads=())).begin()


def test_a_link_that_goes_down_is_told_once_and_resolved_once() -> None:
    series = linked()
    series.put(LINK.model_copy(update={"state": LinkState.DOWN}))
    series.wait(600, 5)
    series.put(LINK)
    series.wait(125, 5)
    raised, cleared = series.of("link-state")
    assert (raised.type, raised.severity, raised.resolved) == (EventType.LINK_DEGRADED, Severity.CRITICAL, False)
    assert raised.whereabouts.site in ("eu-de", "us-east")
    assert cleared.resolved


def test_a_link_that_flaps_is_told_once() -> None:
    series = linked()
    for _ in range(30):
        series.put(LINK.model_copy(update={"state": LinkState.DOWN}))
        series.wait(20, 5)
        series.put(LINK)
        series.wait(60, 5)
    assert (series.raised("link-state"), series.cleared("link-state")) == (1, 0)


def test_a_link_that_is_retrained_in_a_moment_is_never_told() -> None:
    series = linked()
    for _ in range(30):
        series.put(LINK.model_copy(update={"state": LinkState.DOWN}))
        series.wait(5)
        series.put(LINK)
        series.wait(60, 5)
    assert series.told == []


def test_a_link_that_has_lost_a_lane_is_told() -> None:
    series = linked()
    series.put(LINK.model_copy(update={"capacity": MegabitsPerSecond(75_000)}))
    series.wait(15)
    (told,) = series.of("link-speed")
    assert told.evidence.value("speed") == 75_000 < told.evidence.value("raise-below") == 90_000


def test_a_link_whose_lane_comes_and_goes_is_told_once() -> None:
    series = linked()
    for _ in range(30):
        series.put(LINK.model_copy(update={"capacity": MegabitsPerSecond(75_000)}))
        series.wait(20, 5)
        series.put(LINK)
        series.wait(60, 5)
    assert (series.raised("link-speed"), series.cleared("link-speed")) == (1, 0)


def test_errors_that_come_in_bursts_are_told_once() -> None:
    series, count = ported(), 0
    for turn in range(60):
        count += 400 if turn < 10 or turn % 4 == 0 else 0
        series.read(Metric.PORT_SYMBOL_ERRORS, (PORT, float(count)))
        series.wait(30, 30)
    assert (series.raised("link-errors"), series.cleared("link-errors")) == (1, 0)


def test_errors_are_told_as_a_rate_and_a_counter_that_was_reset_is_none() -> None:
    series, count = ported(), 1_000_000
    for turn in range(40):
        count = 0 if turn == 20 else count
        series.read(Metric.PORT_SYMBOL_ERRORS, (PORT, float(count)))
        series.wait(30, 30)
    assert series.told == [], "an old counter that stands still, or begins anew, is no fault"
    for _ in range(20):
        count += 40
        series.read(Metric.PORT_SYMBOL_ERRORS, (PORT, float(count)))
        series.read(Metric.PORT_SYMBOL_ERRORS, (PORT, 5.0), at=series.now - timedelta(seconds=300))
        series.wait(30, 30)
    (told,) = series.of("link-errors")
    assert told.evidence.value("rate") == 80 > told.evidence.value("raise-above") == 10
    assert told.whereabouts.node_name == "eu-a1.eu.example"


def test_pauses_and_marks_are_told_when_they_are_many() -> None:
    series, count = ported(), 0
    for _ in range(20):
        count += 200_000
        series.read(Metric.PORT_PFC_RECEIVED, (PORT, float(count)))
        series.wait(30, 30)
    assert series.raised("link-congestion") == 1
