"""Stragglers: the device of a training job that holds up its peers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from estate.observations import EventType
from estate.references import Ref
from estate.workloads import Workload, WorkloadKind
from tests import builders
from tests.sensors.series import Series
from tools.payloads.facts.metrics import Metric

DEVICES = [Ref("accelerator", f"{node}/{index}") for node in ("eu-a1", "eu-a2") for index in range(4)]
SLOW = DEVICES[5]


def training(**over: object) -> Workload:
    bound = tuple(builders.binding(i, n, 0, 1, 2, 3) for i, n in enumerate(("eu-a1", "eu-a2")))
    fields = {"contract": builders.contract(4), "kind": WorkloadKind.TRAINING, "bindings": bound}
    return builders.workload("a-train", **(fields | over))


def work(series: Series, seconds: int, megahertz: float, *, use: float = 0.98, about: Ref = SLOW) -> None:
    """That long with one device at this clock and use, and all others at full speed."""
    for _ in range(seconds // 15):
        series.read(Metric.GPU_USE, *((d, use if d == about else 0.98) for d in DEVICES))
        series.read(Metric.GPU_CLOCK, *((d, (megahertz if d == about else 1980.0) * 1e6) for d in DEVICES))
        series.wait(15, 15)


def trained(**over: object) -> Series:
    return Series(builders.estate(workloads=(training(**over),))).begin()


@pytest.mark.parametrize("over", [{}, {"kind": WorkloadKind.BATCH, "gangs": (builders.gang("a-job"),)}])
def test_a_device_that_is_slower_than_its_peers_is_told_once_and_resolved_once(over: dict[str, object]) -> None:
    series = trained(**over)
    work(series, 600, 1980)
    work(series, 600, 1200)
    work(series, 300, 1950)
    raised, cleared = series.told
    assert (raised.type, raised.code, cleared.resolved) == (EventType.ACCELERATOR_DEGRADED, "straggler", True)
    assert raised.evidence.value("clock") == 1200 < raised.evidence.value("raise-below") == 1683
    assert (raised.whereabouts.node_name, raised.whereabouts.gpu_index) == ("eu-a2.eu.example", 1)


def test_clocks_that_differ_a_little_or_all_together_are_never_told() -> None:
    series = trained()
    work(series, 600, 1800)
    for clock in (1980.0, 900.0, 400.0):
        series.read(Metric.GPU_CLOCK, *((d, clock * 1e6) for d in DEVICES))
        series.wait(300, 15)
    assert series.told == []


def test_a_device_that_is_slow_now_and_then_is_never_told_and_one_that_flaps_once() -> None:
    series = trained()
    for _ in range(20):
        work(series, 60, 1200)
        work(series, 60, 1980)
    assert series.told == []
    work(series, 300, 1200)
    for _ in range(20):
        work(series, 60, 1980)
        work(series, 60, 1200)
    assert (series.raised("straggler"), series.cleared("straggler")) == (1, 0)


@pytest.mark.parametrize("megahertz", [210.0, 0.0])
def test_a_device_that_does_no_work_is_neither_slow_nor_a_peer(megahertz: float) -> None:
    series = trained()
    work(series, 600, megahertz, use=0.02)
    assert series.told == []


def test_work_that_does_not_run_in_step_is_not_compared() -> None:
    series = trained(kind=WorkloadKind.INFERENCE)
    work(series, 600, 1200)
    assert series.told == []


def test_a_device_that_leaves_the_job_is_resolved_and_late_readings_change_nothing() -> None:
    series = trained()
    work(series, 300, 1200)
    assert series.raised("straggler") == 1
    series.read(Metric.GPU_CLOCK, (SLOW, 1980e6), at=series.now - timedelta(seconds=60))
    work(series, 300, 1200)
    assert series.cleared("straggler") == 0
    series.put(training(bindings=(builders.binding(0, "eu-a1", 0, 1, 2, 3), builders.binding(1, "eu-a3", 0, 1, 2, 3))))
    assert series.cleared("straggler") == 1


def test_silence_says_nothing_of_now() -> None:
    series = trained()
    work(series, 300, 1200)
    series.wait(3_600, 60)
    assert (series.raised("straggler"), series.cleared("straggler")) == (1, 0)
