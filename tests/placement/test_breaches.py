"""Promises of running work, against the plain rules: amiss is where one more replica could not be put again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.ids import NodeId
from estate.terms import Pace
from estate.workloads import Span, Workload
from tests import builders
from tests.drawing import among
from tests.placement import naive, naive_promises, pledged
from tools.placement import breaches
from tools.placement.constraints.kinds import Constraint
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, Placement

NEARNESS: tuple[dict[str, Any], ...] = ({}, {}, {"spread": Span.RACK}, {"spread": Span.FEED}, {"together": Span.RACK})


@st.composite
def standing(draw: st.DrawFn) -> FrozenEstate:
    """`w0` stands on nodes of its cluster, whoever put it there."""
    estate = draw(pledged.promising())
    workload = estate.workload(pledged.W)
    assert workload is not None
    there = [n.id for n in estate.nodes() if n.cluster == workload.cluster]
    bindings = [builders.binding(r, draw(among(there))) for r in range(workload.replicas if there else 0)]
    contract = workload.contract.model_copy(update=NEARNESS[draw(st.integers(0, len(NEARNESS) - 1))])
    return estate.with_workload(workload.model_copy(update={"bindings": tuple(bindings), "contract": contract}))


def amiss(estate: FrozenEstate, workload: Workload) -> set[NodeId]:
    """By the plain rules: each node whose first replica could not be put there beside the others."""
    found = set()
    for node in {b.node for b in workload.bindings}:
        first = next(b for b in workload.bindings if b.node == node)
        rest = workload.model_copy(update={"bindings": tuple(b for b in workload.bindings if b is not first)})
        running, ask = estate.with_workload(rest), Ask(workload.id, (first.replica,), at=pledged.AT)
        where = estate.node(node)
        assert where is not None
        refused = naive_promises.refuses(running, rest, ask, where, begun=True)
        if refused or not naive._near(running, rest, where):
            found.add(node)
    return found


@given(standing())
def test_amiss_is_where_the_plain_rules_would_not_put_it_again(estate: FrozenEstate) -> None:
    workload = estate.workload(pledged.W)
    assert workload is not None
    told = breaches.standing(estate, workload, pledged.AT)
    places = [b for b in told if b.constraint is not Constraint.AVAILABILITY]
    assert {n for b in places for n in b.nodes} == amiss(estate, workload)
    assert all(b.needed and b.found for b in told if b.nodes)
    promised = workload.contract.availability
    if promised is not None and workload.bindings:
        (uptime,) = (b for b in told if b.constraint is Constraint.AVAILABILITY)
        assert bool(uptime.nodes) == (naive_promises.permille(estate, workload) < promised)


@given(pledged.promising())
def test_what_placement_seats_breaks_no_promise(estate: FrozenEstate) -> None:
    workload = estate.workload(pledged.W)
    assert workload is not None
    answer = MaskEngine().place(estate, Ask(workload.id, tuple(range(workload.replicas)), at=pledged.AT))
    if isinstance(answer, Placement):
        cluster = estate.node(answer.bindings[0].node)
        assert cluster is not None
        seated = workload.model_copy(update={"bindings": answer.bindings, "cluster": cluster.cluster})
        told = breaches.standing(estate.with_workload(seated), seated, pledged.AT)
        assert [b for b in told if b.nodes] == []


def test_what_waits_is_late_once_its_shortest_run_would_end_too_late() -> None:
    deadline = pledged.AT + timedelta(hours=3)
    paces = (Pace(run_time=7_200), Pace(model="H200", run_time=3_600))
    contract = builders.contract(1, deadline=deadline, paces=paces)
    waits = builders.workload("w", replicas=1, contract=contract, bindings=())
    runs = waits.model_copy(update={"bindings": (builders.binding(0, "eu-a1", 0),)})
    assert [breaches.late(contract, w) is not None for w in (waits, runs)] == [True, True]
    late = breaches.late(contract, waits), breaches.late(contract, runs)
    assert [found.at for found in late if found] == [deadline - timedelta(hours=1), deadline]
    assert breaches.late(contract, waits.model_copy(update={"replicas": 0})) is None
    assert breaches.late(builders.contract(1), waits) is None
