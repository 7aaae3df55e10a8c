"""`capacity.pressure`: waiting, quotas, scattered devices; the sums against a count from nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from estate.ids import NodeId, TenantId, WorkloadId
from estate.law.tenants import Quota
from estate.units import MilliGpu
from estate.workloads import Workload
from tests import builders
from tests.sensors.series import Series
from tools.sensors.sensing import Key

WAITING = builders.workload("a-wait", contract=builders.contract(8), replicas=1)


def test_work_that_waits_too_long_is_told_once_and_resolved_when_it_runs() -> None:
    series = Series().begin()
    series.put(WAITING)
    series.wait(599, 1)
    assert series.told == []
    series.wait(1_200, 5)
    (told,) = series.of("capacity-pending")
    assert told.evidence.value("pending") == 1
    assert told.whereabouts.workload == "a-wait"
    series.put(WAITING.model_copy(update={"bindings": (builders.binding(0, "eu-a4", *range(8)),)}))
    series.wait(125)
    assert series.cleared("capacity-pending") == 1


def test_work_that_finds_its_place_in_time_is_never_told() -> None:
    series = Series().begin()
    for _ in range(20):
        series.put(WAITING)
        series.wait(500, 50)
        series.put(WAITING.model_copy(update={"bindings": (builders.binding(0, "eu-a4", *range(8)),)}))
        series.wait(200, 50)
    assert series.raised("capacity-pending") == 0


def test_work_that_is_evicted_again_and_again_is_told_once() -> None:
    series = Series().begin()
    series.put(WAITING)
    series.wait(700, 10)
    for _ in range(20):
        series.put(WAITING.model_copy(update={"bindings": (builders.binding(0, "eu-a4", *range(8)),)}))
        series.wait(60, 10)
        series.put(WAITING)
        series.wait(700, 10)
    assert (series.raised("capacity-pending"), series.cleared("capacity-pending")) == (1, 0)


def test_what_placets_own_gate_holds_back_asks_at_once_and_more_and_more_seldom_while_it_waits() -> None:
    series = Series().begin()
    series.put(WAITING.model_copy(update={"gated": True}))
    series.wait(60, 1)
    assert series.raised("placement-awaited") == 1
    series.wait(300, 10)
    assert series.raised("placement-awaited") == 2
    series.wait(500, 10)
    assert series.raised("placement-awaited") == 2
    series.put(WAITING.model_copy(update={"bindings": (builders.binding(0, "eu-a4", *range(8)),)}))
    series.wait(130, 10)
    assert series.cleared("placement-awaited") == series.raised("placement-awaited")


def limited(accelerators: int) -> Series:
    quota = Quota(accelerators=MilliGpu(accelerators * 1000))
    base = builders.facts()
    tenants = tuple(t.model_copy(update={"quotas": (quota,)}) if t.id == "tenant-c" else t for t in base.tenants)
    return Series(builders.estate(law_base=builders.facts(tenants=tenants)))


def test_a_quota_that_is_nearly_used_is_told_and_one_with_room_is_not() -> None:
    series = limited(8).begin()
    series.wait(70)
    (told,) = series.of("capacity-quota")
    assert told.evidence.value("used") == 8_000 > told.evidence.value("raise-above")
    roomy = limited(9).begin()
    roomy.wait(70)
    assert roomy.raised("capacity-quota") == 0


def test_a_quota_about_which_use_hovers_is_told_once() -> None:
    series = limited(8).begin()
    batch = series.estate.workload(WorkloadId("c-batch"))
    assert batch is not None
    for _ in range(20):
        series.wait(100)
        series.put(batch.model_copy(update={"bindings": ()}))
        series.wait(30)
        series.put(batch)
    assert (series.raised("capacity-quota"), series.cleared("capacity-quota")) == (1, 0)


def scattered() -> Workload:
    """One device of each node of the site is taken: 56 are free, and none of them serves a replica of eight."""
    nodes = [f"eu-{r}{n}" for r in "ab" for n in range(1, 5)]
    return builders.workload(
        "a-spread",
        contract=builders.contract(1),
        replicas=8,
        bindings=tuple(builders.binding(i, n, 0) for i, n in enumerate(nodes)),
    )


def test_free_devices_that_come_together_and_scatter_again_are_told_once() -> None:
    spread = scattered()
    series = Series(builders.estate(workloads=(spread,))).begin()
    series.put(WAITING)
    series.wait(610, 10)
    for _ in range(20):
        series.put(spread.model_copy(update={"bindings": spread.bindings[1:]}))
        series.wait(60, 10)
        series.put(spread)
        series.wait(60, 10)
    assert (series.raised("capacity-fragmented"), series.cleared("capacity-fragmented")) == (1, 0)


def test_free_devices_that_no_node_has_together_are_told() -> None:
    series = Series(builders.estate(workloads=(scattered(),))).begin()
    series.put(WAITING)
    series.wait(610)
    (told,) = series.of("capacity-fragmented")
    assert [told.evidence.value(n) for n in ("free", "free-on-one-node", "asked-by-replica")] == [56, 7, 8]
    assert told.whereabouts.site == "eu-de"
    open_site = Series().begin()
    open_site.put(WAITING)
    open_site.wait(610)
    assert open_site.raised("capacity-fragmented") == 0, "whole nodes are free: it waits for something else"


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.booleans()), max_size=12))
def test_the_sums_are_what_a_count_from_nothing_gives(moves: list[tuple[int, int, bool]]) -> None:
    series = limited(20).begin()
    for number, node, runs in moves:
        bound = (builders.binding(0, f"eu-b{node}", number),) if runs else ()
        series.put(
            builders.workload(
                f"c-{number}", tenant="tenant-c", contract=builders.contract(1), replicas=1, bindings=bound
            )
        )
    afresh = Series(series.estate).begin()
    for key in (Key("capacity", "site/eu-de"), Key("capacity", "tenant/tenant-c")):
        one, other = (s.state.cells[key].memory for s in (series, afresh))
        assert one == other
    free = Counter(8 - len(series.estate.taken(NodeId(f"eu-{r}{n}"))) for r in "ab" for n in range(1, 5))
    memory = series.state.cells[Key("capacity", "site/eu-de")].memory
    assert memory is not None
    assert memory.having("free") == {size: count for size, count in free.items() if size}  # type: ignore[attr-defined]
    assert series.estate.facts.tenant[TenantId("tenant-c")].quotas
