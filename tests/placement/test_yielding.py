"""Who would have to yield: named only where they may, as few as are needed, and proposed like any other change."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estate import effects
from estate.frozen import FrozenEstate
from estate.ids import WorkloadId
from estate.results import Ok
from estate.workloads import Workload
from tests import builders
from tests.drawing import among
from tests.placement import estates
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, NoPlacement, Preemption

W = WorkloadId("w0")


@st.composite
def crowded(draw: st.DrawFn) -> FrozenEstate:
    """Where others stand, some of which may be stopped."""
    estate = draw(estates.estates(most_workloads=5, law_base=estates.roomy()))
    for workload in tuple(estate.workloads()):
        terms = {"priority": draw(among([0, 5, 10])), "preemptible": draw(st.booleans())}
        if workload.id == W:
            terms = {"priority": 10, "preemptible": False}
        gangs = (builders.gang("g"),) if draw(among([False, False, True])) else ()
        contract = workload.contract.model_copy(update={**terms, "min_available": draw(among([0, 0, 1]))})
        estate = estate.with_workload(workload.model_copy(update={"contract": contract, "gangs": gangs}))
    return estate


@settings(max_examples=15)
@given(crowded(), st.data())
def test_only_who_may_yields_and_the_changes_seat_whoever_asked(estate: FrozenEstate, data: st.DataObject) -> None:
    asker = estate.workload(W)
    assert asker is not None
    waiting = tuple(r for r in range(asker.replicas) if r not in {b.replica for b in asker.bindings})
    answer = MaskEngine().place(estate, Ask(W, waiting or (0,)))
    if not isinstance(answer, NoPlacement) or answer.preemption is None:
        return
    for one in answer.preemption.yields:
        held = estate.workload(one.workload)
        assert held is not None
        assert held.contract.preemptible
        assert held.contract.priority < 10
        left = len(held.bindings) - len(one.replicas)
        assert left >= held.contract.min_available
        assert left == 0 or not held.gangs
    after = played(estate, answer.preemption)
    seated = after.workload(W)
    assert seated is not None
    assert {b.replica for b in answer.preemption.bindings} <= {b.replica for b in seated.bindings}


def played(estate: FrozenEstate, found: Preemption) -> Any:
    """The estate after its changes; where the asker would change its cluster, none are given."""
    if not found.changes:
        gone = {y.workload: set(y.replicas) for y in found.yields}
        running: Any = estate
        for name, replicas in gone.items():
            held = running.workload(name)
            running = running.with_workload(held.without([b for b in held.bindings if b.replica in replicas]))
        asker = running.workload(W)
        return running.with_workload(asker.model_copy(update={"bindings": found.bindings}))
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
