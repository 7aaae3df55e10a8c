"""Who would have to yield: named only where they may, as few as are needed, and proposed like any other change."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estate import effects
from estate.frozen import FrozenEstate
from estate.ids import WorkloadId
from estate.results import Ok
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tests import builders
from tests.drawing import among
from tests.placement import naive
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, NoPlacement, Preemption, Yield

W = WorkloadId("w0")


@st.composite
def crowded(draw: st.DrawFn) -> FrozenEstate:
    """Three nodes of four devices, most of which are held; some of the holders may be stopped."""
    names = ("eu-a1", "eu-a2", "eu-b1")
    left = [(n, i) for n in names for i in range(4) if draw(among([True] * 7 + [False]))]
    others = []
    for number in range(1, 6):
        size, replicas = draw(among([1, 2])), draw(among([1, 2, 3]))
        seats = []
        for replica in range(replicas):
            node = next((n for n in names if sum(at == n for at, _ in left) >= size), None)
            if node is not None:
                taken = [slot for slot in left if slot[0] == node][:size]
                left = [slot for slot in left if slot not in taken]
                seats.append(builders.binding(replica, node, *(i for _, i in taken)))
        priority, preemptible = draw(among([(0, True), (5, True), (5, True), (10, True), (5, False)]))
        least = draw(among([0, 0, 0, 1]))
        contract = builders.contract(size, priority=priority, preemptible=preemptible, min_available=least)
        others.append(
            builders.workload(
                f"w{number}",
                tenant=draw(among(["tenant-a", "tenant-b"])),
                replicas=replicas,
                contract=contract,
                bindings=tuple(seats),
                gangs=draw(among([(), (), (builders.gang(f"g{number}"),), (builders.gang("g"),)])),
            )
        )
    size = draw(among([2, 4]))
    asker = builders.workload("w0", replicas=draw(among([1, 2])), contract=builders.contract(size, priority=10))
    return builders.estate(nodes=[builders.node(n, accelerators=4) for n in names], workloads=(asker, *others))


@settings(max_examples=25)
@given(crowded())
def test_only_who_may_yields_as_few_as_do_and_the_changes_seat_whoever_asked(estate: FrozenEstate) -> None:
    asker = estate.workload(W)
    assert asker is not None
    ask = Ask(W, tuple(range(asker.replicas)))
    answer = MaskEngine().place(estate, ask)
    if not isinstance(answer, NoPlacement) or answer.preemption is None:
        return
    for one in answer.preemption.yields:
        held = estate.workload(one.workload)
        assert held is not None
        assert held.contract.preemptible
        assert held.contract.priority < asker.contract.priority
        left = len(held.bindings) - len(one.replicas)
        assert left >= held.contract.min_available
        assert left == 0 or not held.gangs
    seated = played(estate, answer.preemption).workload(W)
    assert seated is not None
    assert {b.replica for b in seated.bindings} == set(ask.replicas)
    for kept in answer.preemption.yields:
        fewer = tuple(y for y in answer.preemption.yields if y.workload != kept.workload)
        assert naive.place(stopped(estate, fewer), ask) is None or in_gang(estate, kept)


def in_gang(estate: FrozenEstate, one: Yield) -> bool:
    """Whether others stop with it: then it is not one alone that could stay."""
    held = estate.workload(one.workload)
    return held is not None and bool(held.gangs)


def stopped(estate: FrozenEstate, yields: tuple[Yield, ...]) -> FrozenEstate:
    """The estate without these."""
    for one in yields:
        held = estate.workload(one.workload)
        assert held is not None
        gone = [b for b in held.bindings if b.replica in one.replicas]
        estate = estate.with_workload(held.without(gone))
    return estate


def played(estate: FrozenEstate, found: Preemption) -> Snapshot:
    """The estate after its changes."""
    laid = effects.lay_out(found.changes, estate)
    assert isinstance(laid, Ok), laid
    return laid.value.after


def holder(name: str, *indexes: int, **terms: Any) -> Workload:
    """One replica of another tenant on `eu-a1`."""
    contract = builders.contract(len(indexes), **terms)
    seats = (builders.binding(0, "eu-a1", *indexes),)
    return builders.workload(name, tenant="tenant-b", replicas=1, contract=contract, bindings=seats)


def asked(*others: Workload, **terms: Any) -> NoPlacement:
    asker = builders.workload("w0", replicas=1, contract=builders.contract(4, **terms))
    estate = builders.estate(nodes=(builders.node("eu-a1"),), workloads=(asker, *others))
    answer = MaskEngine().place(estate, Ask(W, (0,)))
    assert isinstance(answer, NoPlacement)
    return answer


def test_the_least_yields_and_nobody_who_need_not() -> None:
    low = holder("low", 0, 1, 2, 3, preemptible=True, priority=1)
    high = holder("high", 4, 5, 6, 7, preemptible=True, priority=2)
    found = asked(low, high, priority=5).preemption
    assert found is not None
    assert [(y.workload, y.tenant, y.replicas, y.nodes) for y in found.yields] == [
        ("low", "tenant-b", (0,), ("eu-a1",))
    ]
    assert found.says == "let `low` (1 replica, priority 1) on `eu-a1` yield"


def test_nobody_yields_who_is_not_preemptible_or_not_below() -> None:
    fixed = holder("fixed", 0, 1, 2, 3, priority=1)
    equal = holder("equal", 4, 5, 6, 7, preemptible=True, priority=5)
    assert asked(fixed, equal, priority=5).preemption is None
    assert asked(fixed, holder("low", 4, 5, 6, 7, preemptible=True, priority=1)).preemption is None
