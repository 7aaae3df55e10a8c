"""Quotas in placement: nothing is offered that the gate forbids for one, and what is refused for one it does forbid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.changes import Change, CopyWorkload, MoveWorkload, RemoveWorkload, ReplicaMove, ReserveCapacity
from estate.effects import effect
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, ReservationId, SiteId, TenantId, WorkloadId
from estate.law import Quota
from estate.results import Ok
from estate.units import Mebibytes, MilliGpu, Watts
from estate.uses.reservations import Seat, Terms
from estate.workloads import Binding, Workload
from policies.profiles import Ceiling
from tests import builders
from tests.drawing import among
from tests.placement import estates, naive
from tests.policies.asking import verdict
from tools.placement.assurance.keeping import Keeper
from tools.placement.constraints import table
from tools.placement.constraints.kinds import Constraint
from tools.placement.engine import MaskEngine
from tools.placement.offering import explaining
from tools.placement.offering.cases import Case
from tools.placement.offering.offers import Grade, offer
from tools.placement.offering.relaxations import relaxations
from tools.placement.offering.requests import Request
from tools.placement.planning.planning import plan
from tools.placement.planning.plans import Free
from tools.placement.planning.solving import Effort
from tools.placement.port import Ask, NoPlacement, Placement, Reason
from tools.placement.searching import search
from tools.placement.supposing.settling import suppose
from tools.placement.supposing.suppositions import SetQuota
from tools.placement.wishes import Wish

W, EU = WorkloadId("w"), SiteId("eu-de")
H100, A100 = estates.MODELS[:2]


def proposed(estate: FrozenEstate, ask: Ask, bindings: tuple[Binding, ...]) -> tuple[Change, ...]:
    """What a proposer would make of these homes."""
    workload, node = estate.workload(ask.workload), estate.node(bindings[0].node)
    assert workload is not None
    assert node is not None
    if node.cluster != workload.cluster:
        copy = CopyWorkload(workload=workload.id, to_cluster=node.cluster, bindings=bindings)
        return copy, RemoveWorkload(workload=workload.id, replaced_by=copy.named(workload))
    source = {b.replica: b.node for b in workload.bindings}
    moves = (
        ReplicaMove(replica=b.replica, source=source.get(b.replica), target=b.node, accelerators=b.accelerators)
        for b in bindings
    )
    return (MoveWorkload(workload=workload.id, moves=tuple(moves)),)


def forbidden(estate: FrozenEstate, ask: Ask, bindings: tuple[Binding, ...]) -> bool:
    """Whether the gate forbids it for a quota, whatever else it says."""
    failures = verdict(*proposed(estate, ask, bindings), on=estate).failures
    return "tenant-quota" in {f.policy for f in failures}


@st.composite
def contested(draw: st.DrawFn) -> FrozenEstate:
    """Three nested tenants with quotas, room for everybody on three nodes at two sites, and some of it reserved."""
    everywhere = builders.residency("DE", "FR", "US")
    tenants = (builders.tenant(t, residency=everywhere, **draw(estates.bounded(t))) for t in estates.TENANTS)
    law = builders.facts(tenants=tuple(tenants), datasets=())
    models = draw(among([(H100,) * 4, (H100,) * 2 + (A100,) * 2, (A100,) * 4]))
    devices_ = tuple(builders.accelerator("eu-a1", i, model=m, nvlink_domain="") for i, m in enumerate(models))
    first = builders.node("eu-a1").model_copy(update={"accelerators": devices_})
    nodes = (first, *(builders.node(n, accelerators=4) for n in ("eu-a2", "us-a1")))
    estate = builders.estate(law_base=law, nodes=nodes, workloads=())
    for number in range(4):
        tenant = draw(among(estates.TENANTS))
        work = builders.workload(
            f"w{number}",
            tenant=tenant,
            replicas=draw(st.integers(1, 3)),
            cluster=ClusterId(draw(among(["eu-1", "eu-1", "us-1"]))),
            contract=builders.contract(draw(st.integers(1, 2))),
            watts_per_accelerator=draw(among([0, 700])),
        )
        estate = estates.settled(draw, estate, work) if number else estate.with_workload(work)
    return draw(estates.reserved(estate))


@settings(max_examples=40)
@given(contested(), st.data())
def test_placement_and_gate_read_the_same_quotas(estate: FrozenEstate, data: st.DataObject) -> None:
    """And a reading that counts everything there is says the same."""
    ask = data.draw(estates.asks(estate))
    workload = estate.workload(ask.workload)
    assert workload is not None
    some = tuple(r for r in ask.replicas if r < workload.replicas)
    ask, engine = Ask(ask.workload, some, at=builders.START), MaskEngine()
    found = engine.place(estate, ask)
    if isinstance(found, Placement):
        assert [*naive.faults(estate, ask, found.bindings)] == []
        assert not forbidden(estate, ask, found.bindings)
        return
    assert naive.place(estate, ask) is None
    one = Wish(estate, engine.columns_of(estate), replace(ask, replicas=ask.replicas[:1]), workload)
    refused = search(one).first
    others = np.logical_or.reduce([m for c, m in refused.items() if c is not Constraint.QUOTA])
    alone = refused.get(Constraint.QUOTA, others) & ~others
    for row in np.flatnonzero(alone)[:1].tolist():
        elsewhere = frozenset(one.columns.ids) - {one.columns.ids[row]}
        home = search(replace(one, ask=replace(one.ask, avoid=elsewhere)), Constraint.QUOTA)
        assert forbidden(estate, one.ask, tuple(home.bindings))
    if alone.any() and isinstance(engine.place(estate, one.ask), NoPlacement):
        helps = {r.relaxation.constraint: r for r in relaxations(Case(engine, one))}
        raised = helps[Constraint.QUOTA]
        assert [*naive.faults(raised.snapshot, raised.ask, raised.placement.bindings)] == []


def bounded(
    *quotas: Quota, above: tuple[Quota, ...] = (), nodes: tuple[Node, ...] = (), **over: object
) -> FrozenEstate:
    """Tenant-a's `w` waits; six accelerators are held by `held`, of tenant-b. Above both stands `house`."""
    house = builders.tenant("house", namespaces=(), quotas=above)
    tenants = (
        builders.tenant("tenant-a", parent=TenantId("house"), quotas=quotas),
        builders.tenant("tenant-b", parent=TenantId("house")),
        house,
    )
    law = builders.facts(tenants=tenants, datasets=())
    held = builders.workload(
        "held",
        tenant="tenant-b",
        replicas=1,
        contract=builders.contract(6),
        bindings=(builders.binding(0, "eu-a1", *range(6)),),
    )
    wish = builders.workload("w", **({"replicas": 1, "contract": builders.contract(4)} | over))
    known = nodes or (builders.node("eu-a1"), builders.node("eu-a2"))
    return builders.estate(law_base=law, nodes=known, workloads=(held, wish))


def devices(most: int, **scope: object) -> Quota:
    return Quota.model_validate({"accelerators": most * 1000} | scope)


def refusal(estate: FrozenEstate, engine: MaskEngine | None = None) -> tuple[NoPlacement, Reason]:
    found = (engine or MaskEngine()).place(estate, Ask(W, (0,)))
    assert isinstance(found, NoPlacement), found
    return found, next(r for r in found.refused if r.constraint == Constraint.QUOTA)


def test_a_quota_of_somebody_above_is_told_in_figures_and_raised_by_what_it_takes() -> None:
    estate = bounded(above=(devices(8, site=EU),))
    answer, reason = refusal(estate)
    assert reason.needed == "4 accelerators with 2800 W within every quota that they count towards"
    assert reason.found == "2 of 8 accelerators left of the quota of `house` at eu-de"
    assert answer.nearest == "raise the quota of `house` at eu-de by 2 accelerators; `eu-a2` would do"
    assert isinstance(MaskEngine().place(bounded(above=(devices(10, site=EU),)), Ask(W, (0,))), Placement)
    told = explaining.pending(MaskEngine(), estate, W, at=builders.START)
    assert [h.constraint for h in told.helps] == ["quota of a tenant", "replicas"]
    assert told.helps[1].plain == "ask for 2 instead of 4 accelerators in each replica"


def test_whoever_counts_towards_the_quota_of_another_reads_its_name_only_if_they_see_them() -> None:
    told = explaining.pending(MaskEngine(), bounded(devices(3), above=(devices(8),)), W, at=builders.START)
    own, shared = "0 of 3", "house"
    assert [own in p.needed or "3 of 3" in p.needed for p in told.plainly] == [True, False]
    blind, seeing = told.for_tenant({TenantId("tenant-a")}), told.for_tenant({TenantId("house")})
    assert "room in a quota that you share with others" in [p.needed for p in blind.plainly]
    assert shared not in blind.model_dump_json()
    assert [p.needed for p in seeing.plainly][1] == (
        "2 of 8 accelerators are left of the quota of `house` that you count towards"
    )


@pytest.mark.parametrize(
    ("quota", "fits"),
    [
        (Quota(watts=Watts(2_799)), False),
        (Quota(watts=Watts(2_800)), True),
        (Quota(model=H100, accelerators=MilliGpu(3_000)), False),
        (Quota(model="B200", accelerators=MilliGpu(0)), True),
        (Quota(site=SiteId("us-east"), accelerators=MilliGpu(0)), True),
        (Quota(site=EU, model=H100, accelerators=MilliGpu(3_000)), False),
        (Quota(storage=Mebibytes(0)), True),
    ],
)
def test_a_quota_counts_what_it_is_of(quota: Quota, fits: bool) -> None:
    assert isinstance(MaskEngine().place(bounded(quota), Ask(W, (0,))), Placement) is fits


def test_of_a_node_of_two_models_the_devices_count_that_would_be_taken() -> None:
    mixed = tuple(builders.accelerator("eu-a2", i, model=H100 if i < 4 else A100, nvlink_domain="") for i in range(8))
    nodes = (builders.node("eu-a1"), builders.node("eu-a2").model_copy(update={"accelerators": mixed}))
    other = bounded(devices(0, model=A100), nodes=nodes)
    assert isinstance(MaskEngine().place(other, Ask(W, (0,))), Placement)
    refusal(bounded(devices(3, model=H100), nodes=nodes))


def test_replicas_count_against_each_other_and_what_moves_gives_back() -> None:
    estate = bounded(devices(6), replicas=2, contract=builders.contract(3))
    found = MaskEngine().place(estate, Ask(W, (0, 1)))
    assert isinstance(found, Placement)
    workload = estate.workload(W)
    assert workload is not None
    seated = estate.with_workload(workload.model_copy(update={"bindings": found.bindings}))
    assert isinstance(MaskEngine().place(seated, Ask(W, (0, 1))), Placement), "as much as before"
    few = bounded(devices(5), replicas=2, contract=builders.contract(3))
    short = MaskEngine().place(few, Ask(W, (0, 1)))
    assert isinstance(short, NoPlacement)
    assert short.nearest.startswith("raise the quota of `tenant-a` by 1 accelerators")


def test_what_is_reserved_for_somebody_counts_until_their_work_holds_it() -> None:
    """Their own work takes what was counted already; beside it nothing is left."""
    hours = {"start": builders.START, "end": builders.START.replace(year=builders.START.year + 1)}
    terms = Terms(
        tenant=TenantId("tenant-a"),
        seats=(Seat(node=NodeId("eu-a2"), accelerators=(0, 1, 2, 3)),),
        watts_per_accelerator=Watts(700),
        **hours,
    )
    estate = bounded(devices(4))
    made = effect(ReserveCapacity(reservation=ReservationId("r"), terms=terms), estate)
    assert isinstance(made, Ok)
    engine = MaskEngine()
    answer = engine.place(made.value, Ask(W, (0,), at=builders.START))
    assert isinstance(answer, Placement)
    assert answer.bindings[0].accelerators == (0, 1, 2, 3)
    other = engine.place(made.value, Ask(W, (0,), avoid=frozenset({NodeId("eu-a2")}), at=builders.START))
    assert isinstance(other, NoPlacement)


def test_an_offer_is_a_smaller_count_where_a_quota_is_short() -> None:
    request = Request(tenant=TenantId("tenant-a"), accelerators=4)
    found = offer(MaskEngine(), Keeper(), bounded(devices(3)), request, builders.START)
    assert found.grade is Grade.COUNTER_OFFER
    assert [c.instead for c in found.counters] == ["ask for 3 instead of 4 accelerators in each replica"]
    assert found.for_tenant().because == ("3 of 3 accelerators are left of your quota",)


def test_a_ceiling_of_the_house_holds_too_and_no_fact_raises_it() -> None:
    engine = MaskEngine(ceilings=(Ceiling(accelerators=MilliGpu(9_000)),))
    answer, reason = refusal(bounded(), engine)
    assert reason.found == "3 of 9 accelerators left of the ceiling of the house for `house`"
    assert "raise the ceiling" in answer.nearest
    helps = [h.constraint for h in explaining.pending(engine, bounded(), W, at=builders.START).helps]
    assert helps == ["replicas"]


def test_only_work_that_shares_the_quota_yields_for_it() -> None:
    """`near` runs where there is room; stopping it gives no quota back."""
    estate = bounded(devices(4), contract=builders.contract(4, priority=5))
    weak = builders.contract(1, preemptible=True)
    for name, tenant, index in (("kin", "tenant-a", 0), ("near", "tenant-b", 1)):
        seat = (builders.binding(0, "eu-a2", index),)
        estate = estate.with_workload(builders.workload(name, tenant=tenant, replicas=1, contract=weak, bindings=seat))
    answer, _ = refusal(estate)
    assert answer.preemption is not None
    assert [y.workload for y in answer.preemption.yields] == ["kin"]


def test_another_quota_says_who_would_fit_and_who_no_longer() -> None:
    def supposed(estate: FrozenEstate, most: int) -> list[tuple[str, bool]]:
        quota = SetQuota(tenant=TenantId("house"), accelerators=most)
        return [(f.workload, f.fits) for f in suppose(estate, [quota], MaskEngine(), builders.START).fits]

    assert supposed(bounded(above=(devices(8),)), 10) == [("w", True)]
    assert supposed(bounded(above=(devices(10),)), 9) == [("w", False)]
    assert supposed(bounded(above=(devices(8),)), 9) == []


def test_room_that_is_made_for_a_tenant_is_no_more_than_its_quota_lets_it_use() -> None:
    goal = Free(tenant=TenantId("tenant-a"), accelerators=4, each=2)
    found = plan(bounded(devices(2)), goal, effort=Effort(whole=0.1))
    assert (found.gain.after, found.met) == (1, False)
    assert "raise the quota of `tenant-a` by 2 accelerators" in found.short


def test_second_homes_are_within_the_quota_of_the_site_that_they_are_at() -> None:
    free = builders.residency("DE", "FR", "US")
    house = builders.tenant("tenant-c", residency=free, quotas=(devices(2, site=EU),))
    jobs = [
        builders.workload(
            f"c{n}",
            tenant="tenant-c",
            replicas=1,
            contract=builders.contract(2, min_available=1),
            bindings=(builders.binding(0, "us-a1", 2 * n, 2 * n + 1),),
            cluster="us-1",
        )
        for n in (0, 1)
    ]
    nodes = (builders.node("us-a1"), builders.node("eu-a1"))
    estate = builders.estate(law_base=builders.facts(tenants=(house,), datasets=()), nodes=nodes, workloads=jobs)
    lost = {str(a.domain): [h.workload.id for h in a.homeless] for a in Keeper().all(estate)}
    assert lost["node/us-a1"] == ["c1"]


def test_only_a_quota_that_could_be_too_small_keeps_the_board_from_deciding() -> None:
    def told(estate: FrozenEstate, workload: Workload | None) -> bool:
        assert workload is not None
        return table.folded(estate, workload)

    for most, folded in ((9, False), (10, True)):
        estate = bounded(above=(devices(most, site=EU),))
        assert told(estate, estate.workload(W)) is folded
