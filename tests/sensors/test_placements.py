"""`placement.drifted`: replicas on devices that their contract does not accept."""

from __future__ import annotations

import pytest

from estate.hardware import Node
from estate.ids import NodeId
from estate.observations import EventType
from estate.units import Mebibytes
from estate.workloads import BandwidthClass, Workload, WorkloadContract
from tests import builders
from tests.sensors.series import Series

PROMISES = {
    "model": builders.contract(4, models=("H100-SXM5-80GB",)),
    "memory": builders.contract(4, memory_mebibytes=Mebibytes(80_000)),
    "nvlink": builders.contract(4, bandwidth=BandwidthClass.SAME_NVLINK_DOMAIN),
}


def job(contract: WorkloadContract, *devices: int, counted: bool = False) -> Workload:
    bound = (builders.binding(0, "eu-a1", *devices or (0, 1, 2, 3)),)
    return builders.workload("a-train", contract=contract, replicas=1, bindings=bound, counted=counted)


def worse(*indexes: int) -> Node:
    """`eu-a1` once these devices are of an older model, with half the memory, in a domain of their own."""
    node = builders.node("eu-a1")
    old = {"model": "A100-SXM4-40GB", "memory_mebibytes": Mebibytes(40_960), "nvlink_domain": "eu-a1-other"}
    devices = tuple(a.model_copy(update=old) if a.index in indexes else a for a in node.accelerators)
    return node.model_copy(update={"accelerators": devices})


def running(contract: WorkloadContract, *devices: int, counted: bool = False) -> Series:
    return Series(builders.estate(workloads=(job(contract, *devices, counted=counted),))).begin()


@pytest.mark.parametrize("broken", PROMISES)
def test_work_on_devices_that_it_was_not_promised_is_told_once_and_resolved_once(broken: str) -> None:
    series = running(PROMISES[broken])
    series.put(worse(3))
    series.wait(300, 5)
    series.put(builders.node("eu-a1"))
    series.wait(65, 5)
    raised, cleared = series.told
    assert (raised.type, raised.code, cleared.resolved) == (EventType.PLACEMENT_DRIFTED, f"placement-{broken}", True)
    assert raised.evidence.value("replicas-amiss") == 1 > raised.evidence.value("allowed") == 0
    assert raised.whereabouts.workload == "a-train"
    assert "eu-a1" in raised.message


@pytest.mark.parametrize("broken", PROMISES)
def test_what_is_put_right_within_a_minute_is_never_told(broken: str) -> None:
    series = running(PROMISES[broken])
    for _ in range(20):
        series.put(worse(0))
        series.wait(30, 5)
        series.put(builders.node("eu-a1"))
        series.wait(100, 5)
    assert series.told == []


def test_work_that_is_moved_to_and_fro_is_told_once() -> None:
    series = running(PROMISES["model"], 4, 5, 6, 7)
    series.put(worse(0, 1, 2, 3))
    assert series.told == [], "others' devices are no matter of its own"
    for _ in range(20):
        series.put(job(PROMISES["model"], 0, 1, 2, 3))
        series.wait(90, 5)
        series.put(job(PROMISES["model"], 4, 5, 6, 7))
        series.wait(30, 5)
    assert (series.raised("placement-model"), series.cleared("placement-model")) == (1, 0)


@pytest.mark.parametrize("broken", PROMISES)
def test_devices_that_are_only_counted_are_told_when_too_few_can_be_right(broken: str) -> None:
    series = running(PROMISES[broken], counted=True)
    series.put(worse(0, 1, 2, 3) if broken != "nvlink" else worse(0, 1, 2))
    series.wait(120, 5)
    assert series.told == [], "four others are there, and it may hold those"
    three_domains = worse(0, 1, 2)
    last = three_domains.accelerators[7].model_copy(update={"nvlink_domain": "eu-a1-third"})
    few = three_domains.model_copy(update={"accelerators": (*three_domains.accelerators[:6], last)})
    series.put(worse(0, 1, 2, 3, 4) if broken != "nvlink" else few)
    series.wait(120, 5)
    assert series.raised(f"placement-{broken}") == 1


def test_a_node_that_is_unknown_or_says_nothing_of_its_domains_proves_nothing() -> None:
    series = Series(builders.estate(nodes=(), workloads=tuple(map(job, PROMISES.values())))).begin()
    blind = builders.node("eu-a1")
    devices = tuple(a.model_copy(update={"nvlink_domain": ""}) for a in blind.accelerators)
    series.put(blind.model_copy(update={"accelerators": devices}))
    series.wait(120, 5)
    assert series.told == []
    assert series.estate.node(NodeId("eu-a1")) is not None
