"""Why something waits, what would let it in, and what can be promised: each relaxation, made, lets it in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from estate.attachments import Attachment, AttachmentSort
from estate.effects import lay_out
from estate.errors import BadInput
from estate.facilities.cooling import Cdu, LeakSensor, Loop
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node, Taint, TaintEffect
from estate.ids import CduId, FeedId, LoopId, NodeId, PriceId, SiteId, TenantId, WorkloadId
from estate.items import Item
from estate.law import Facts, Isolation, Network
from estate.machines import Nic, Software
from estate.results import Ok
from estate.snapshots import Snapshot
from estate.stock import Stock
from estate.units import MicroUsd, Watts
from estate.uses.offers import Price, Unit
from estate.workloads import BandwidthClass, Requirement, Workload
from tests import builders, partitioned, pooled
from tests.placement import estates, naive
from tests.reserved import holding, reserve, seat
from tools.placement.assurance.keeping import Keeper
from tools.placement.constraints.kinds import Constraint
from tools.placement.engine import MaskEngine
from tools.placement.offering import explaining
from tools.placement.offering.answers import Grade, Offer
from tools.placement.offering.cases import Case
from tools.placement.offering.explaining import Explanation
from tools.placement.offering.offers import offer
from tools.placement.offering.relaxations import relaxations
from tools.placement.offering.requests import Request
from tools.placement.port import Ask, NoPlacement, Placement
from tools.placement.wishes import Wish

W = WorkloadId("w")


@settings(max_examples=6)
@given(st.data())
def test_a_relaxation_made_lets_everything_in_by_rules_written_a_second_time(data: st.DataObject) -> None:
    estate, engine = data.draw(estates.estates(law_base=estates.roomy())), MaskEngine()
    ask = data.draw(estates.asks(estate))
    workload = estate.workload(ask.workload)
    assert workload is not None
    if not isinstance(engine.place(estate, ask), NoPlacement):
        return
    for found in relaxations(Case(engine, Wish(estate, engine.columns_of(estate), ask, workload))):
        assert [*naive.faults(found.snapshot, found.ask, found.placement.bindings)] == [], found.relaxation
        assert estate.workload(ask.workload) == workload


def one(**over: Any) -> Node:
    """A node of two accelerators."""
    return builders.node("eu-a1", accelerators=2, **over)


def apart() -> Node:
    """One whose accelerators are not connected."""
    devices = tuple(builders.accelerator("eu-a1", i, nvlink_domain=f"d{i}") for i in range(2))
    return one().model_copy(update={"accelerators": devices})


def small() -> Node:
    """One of two NUMA nodes, a device and a port that can carry little more on each; one port is down."""
    up = {"use": "rdma", "speed": 400_000, "used": 200_000}
    ports = (Nic(name="a", numa_node=0, state="up", **up), Nic(name="b", numa_node=1, state="down", **up))
    devices = tuple(builders.accelerator("eu-a1", i, numa_node=i, power_limit_watts=500) for i in (0, 1))
    had = {"millicores": 4_000, "allots_mebibytes": 9_000, "other_millicores": 1_000, "other_mebibytes": 1_000}
    old = (Software(name="driver", version="570.10"),)
    return one().model_copy(update=had | {"accelerators": devices, "nics": ports, "software": old})


def shared() -> Node:
    """One of a single device that may be shared."""
    device = builders.accelerator("eu-a1", 0, sharing="mps")
    return one().model_copy(update={"accelerators": (device,)})


NEWER = Requirement(name="driver", at_least="580.65")
SHARER = builders.workload(
    "s", replicas=1, contract=builders.contract(1, share=500), bindings=(builders.binding(0, "eu-a1", 0),)
)
NEIGHBOUR = builders.workload("b", tenant="tenant-b", replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),))
HOLDER = NEIGHBOUR.model_copy(update={"tenant": TenantId("tenant-a"), "namespace": "tenant-a"})
ALONE = (builders.tenant("tenant-a"), builders.tenant("tenant-b", isolation=Isolation.DEDICATED_NODE))
LAKE = Attachment(sort=AttachmentSort.STORAGE, kind="nfs", name="10.0.0.7/lake")
RAILS = Network(id="rails", tenants=("tenant-b",), nodes=(NodeId("eu-a1"),))
WET = (LeakSensor(name="rope", wet=True),)
FAULT = (Taint(key="fault", effect=TaintEffect.NO_SCHEDULE),)


@pytest.mark.parametrize(
    ("constraint", "estate", "ask"),
    [
        (Constraint.AVOID, lambda: waiting(one()), {"avoid": frozenset({NodeId("eu-a1")})}),
        (Constraint.SITE, lambda: waiting(one()), {"sites": (SiteId("us-east"),)}),
        (Constraint.CORDON, lambda: waiting(one(cordoned=True)), {}),
        (Constraint.TAINT, lambda: waiting(one(taints=FAULT)), {}),
        (Constraint.FREE, lambda: waiting(one(), beside=(HOLDER,)), {}),
        (Constraint.POWER, lambda: waiting(one(), facts=tight()), {}),
        (Constraint.FEED, lambda: stocked(Feed(id=FeedId("a"), capacity_watts=Watts(2_399))), {}),
        (Constraint.FEED, lambda: stocked(Feed(id=FeedId("a"), capacity_watts=Watts(9_000), state="failed")), {}),
        (Constraint.FEED, lambda: stocked(*pair(2_300, 2_399)), {}),
        (Constraint.CONNECTION, lambda: stocked(SitePlan(id=SiteId("eu-de"), power_watts=Watts(2_399))), {}),
        (Constraint.COOLING, lambda: stocked(space(2_399)), {}),
        (Constraint.COOLANT, lambda: stocked(space(9_000), cdu(2_000, state="failed"), loop(9_000)), {}),
        (Constraint.COOLANT, lambda: stocked(space(9_000), cdu(9_000, leak_sensors=WET), loop(9_000)), {}),
        (Constraint.LOOP, lambda: stocked(space(9_000), cdu(9_000), loop(2_399)), {}),
        (Constraint.HEALTH, lambda: waiting(one(health=Health.DEGRADED)), {}),
        (
            Constraint.NVLINK,
            lambda: waiting(apart(), contract=builders.contract(2, bandwidth="same-nvlink-domain")),
            {},
        ),
        (Constraint.MODEL, lambda: waiting(one(), contract=builders.contract(2, models=("B200",))), {}),
        (Constraint.MEMORY, lambda: waiting(one(), contract=builders.contract(2, memory_mebibytes=90_000)), {}),
        (
            Constraint.ISOLATION,
            lambda: waiting(
                builders.node("eu-a1", accelerators=4),
                facts=builders.facts(tenants=ALONE, datasets=()),
                beside=(NEIGHBOUR,),
            ),
            {},
        ),
        (Constraint.NAMESPACE, lambda: waiting(one(), namespace="new"), {}),
        (Constraint.ATTACHED, lambda: waiting(one(), attachments=(LAKE,)), {}),
        (Constraint.ATTACHED, lambda: waiting(one(), facts=builders.facts(networks=(RAILS,))), {}),
        (Constraint.PLACED, lambda: waiting(one(), facts=builders.facts(racks=(builders.rack("eu-a", nodes=()),))), {}),
        (
            Constraint.TOGETHER,
            lambda: waiting(one(), builders.node("eu-a2", accelerators=2), **of_two(together="node")),
            {"replicas": (0, 1)},
        ),
        (
            Constraint.SPREAD,
            lambda: waiting(builders.node("eu-a1", accelerators=4), **of_two(spread="node")),
            {"replicas": (0, 1)},
        ),
        (Constraint.CLUSTER, lambda *_: abroad(), {}),
        (Constraint.CPU, lambda: waiting(small(), contract=builders.contract(2, millicores=3_500)), {}),
        (Constraint.HOST_MEMORY, lambda: waiting(small(), contract=builders.contract(2, host_mebibytes=9_000)), {}),
        (Constraint.LOCALITY, lambda: waiting(small(), contract=builders.contract(2, locality="numa")), {}),
        (Constraint.RAILS, lambda: waiting(small(), contract=builders.contract(2, rails=2)), {}),
        (
            Constraint.RAILS,
            lambda: waiting(small(), contract=builders.contract(1, rails=1, rail_speed=300_000, locality="numa")),
            {},
        ),
        (Constraint.LIMIT, lambda: waiting(small(), contract=builders.contract(2, limit_watts=700)), {}),
        (Constraint.SOFTWARE, lambda: waiting(small(), contract=builders.contract(2, software=(NEWER,))), {}),
        (Constraint.SIZE, lambda: waiting(one(), contract=builders.contract(1, share=300)), {}),
        (Constraint.SIZE, lambda: waiting(one(), contract=builders.contract(2, profile="1g.10gb")), {}),
        (Constraint.FREE, lambda: waiting(shared(), beside=(SHARER,), contract=builders.contract(1, share=600)), {}),
        ("replicas", lambda: waiting(one(), replicas=2), {"replicas": (0, 1)}),
    ],
)
def test_each_obstacle_has_a_relaxation_of_its_own(constraint: str, estate: Any, ask: dict[str, Any]) -> None:
    asked, engine = estate(), MaskEngine()
    workload = asked.workload(W)
    assert workload is not None
    wanted = replace(Ask(W, (0,)), **ask)
    assert isinstance(engine.place(asked, wanted), NoPlacement)
    found = [*relaxations(Case(engine, Wish(asked, engine.columns_of(asked), wanted, workload)))]
    assert constraint in [f.relaxation.constraint for f in found]
    for one_change in found:
        assert naive.place(one_change.snapshot, one_change.ask) == one_change.placement.bindings


def test_machines_that_would_hold_what_waits_are_named_with_the_change_that_orders_them() -> None:
    """As few as hold what finds no home here, of a group that facts know; those who may not read of it are not told."""
    pools = (pooled.pool(model=builders.accelerator("eu-a1", 0).model),)
    asked, engine = waiting(one(), replicas=3, contract=builders.contract(8)), MaskEngine()
    known = asked.with_facts(asked.facts.model_copy(update={"pools": pools}))
    ready = known.with_stock(known.stock.with_(pooled.group()))
    told = explaining.pending(engine, ready, W)
    (order,) = [r for r in told.helps if r.changes]
    assert (order.constraint, order.changes) == ("machines", (pooled.scale(6),))
    assert order.says.startswith(f"order 3 machines more of `{pooled.GROUP}` (8 × ")
    assert not [r for r in told.for_tenant().helps if r.changes]
    for closed in (pooled.group(6), pooled.group(4, 3)):
        shut = known.with_stock(known.stock.with_(closed))
        assert not [r for r in explaining.pending(engine, shut, W).helps if r.changes]


def test_boards_are_cut_anew_for_slices_that_are_nowhere() -> None:
    asked, engine = waiting(one(), contract=builders.contract(3, profile="3g.40gb")), MaskEngine()
    (found,) = [
        f
        for f in relaxations(Case(engine, Wish(asked, engine.columns_of(asked), Ask(W, (0,)), asked.workload(W))))  # type: ignore[arg-type]  # it is there
        if "anew" in f.relaxation.says
    ]
    assert found.relaxation.says == "cut free accelerators of `eu-a1` anew, into slices `3g.40gb`"
    made = found.snapshot.node(NodeId("eu-a1"))
    assert made is not None
    assert [(a.cut, a.board, a.start) for a in made.accelerators][:2] == [
        ("3g.40gb", "GPU-eu-a1-0", 0),
        ("3g.40gb", "GPU-eu-a1-0", 4),
    ]
    assert naive.place(found.snapshot, found.ask) == found.placement.bindings


def test_what_a_layout_makes_is_a_change_and_an_offer_that_tells_a_tenant_of_no_node() -> None:
    """The first node that lets all of it in: where nothing runs and nothing is reserved, by a layout that suffices."""
    law = partitioned.stating()
    nodes = [partitioned.managed(builders.node(f"eu-a{n}")) for n in (1, 2, 3)]
    guest = builders.workload("a", replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),))
    asked_for = builders.contract(4, profile="4g.40gb"), builders.contract(1, profile="4g.40gb")
    wide, narrow = (waiting(*nodes, facts=law, beside=(guest,), contract=c) for c in asked_for)
    wide, narrow = (holding(reserve("b", "tenant-b", seat("eu-a2", 7)), on=e) for e in (wide, narrow))
    assert [h.changes for h in why(wide).helps if h.changes] == [], "the layout that makes such slices makes one"
    (help_,) = [h for h in why(narrow).helps if h.changes]
    assert help_.says == "repartition accelerator 0 as 1g.10gb×3 + 4g.40gb×1 of `eu-a3`, by the layout `placet-mixed`"
    assert help_.changes == (partitioned.repartition("eu-a3", partitioned.MIXED),)
    laid = lay_out(help_.changes, narrow)
    assert isinstance(laid, Ok)
    assert isinstance(MaskEngine().place(laid.value.after, Ask(W, (0,))), Placement)

    bare = waiting(*nodes, facts=law, beside=(guest,))
    found = asked(bare, accelerators=1, profile="4g.40gb")
    (counter,) = [c for c in found.counters if c.change]
    assert (found.grade, counter.change) == (Grade.COUNTER_OFFER, partitioned.repartition("eu-a2", partitioned.MIXED))
    told = found.for_tenant()
    assert "wait until the platform has cut accelerators for it" in [c.instead for c in told.counters]
    assert "eu-a" not in told.model_dump_json()

    cut = laid.value.after.node(NodeId("eu-a3"))
    assert cut is not None
    whole = waiting(cut, facts=law, contract=builders.contract(8))
    assert [h.changes for h in why(whole).helps if h.changes] == [
        (partitioned.repartition("eu-a3", partitioned.UNCUT),)
    ]


def of_two(**contract: Any) -> dict[str, Any]:
    """Two replicas of two."""
    return {"replicas": 2, "contract": builders.contract(2, **contract)}


def abroad() -> FrozenEstate:
    """One of two replicas runs where there is no room for the other; both have room at the other site."""
    law = builders.facts(tenants=(builders.tenant("tenant-a", residency=builders.residency("DE", "US")),), datasets=())
    seat = (builders.binding(1, "eu-a1", 0, 1),)
    return waiting(one(), builders.node("us-a1"), facts=law, replicas=2, bindings=seat)


def stocked(*items: Item) -> FrozenEstate:
    """A node that draws 1 000 W, and two accelerators of 700 W that wait, behind these parts."""
    estate = waiting(one())
    return estate.with_stock(Stock.of(items))


def pair(a: int, b: int) -> tuple[Feed, Feed]:
    """A 2N pair of which the rack is on one half."""
    twice = {"redundancy": "2n", "state": "ok"}
    return (
        Feed(id=FeedId("a"), capacity_watts=Watts(a), partner=FeedId("b"), **twice),
        Feed(id=FeedId("b"), capacity_watts=Watts(b), partner=FeedId("a"), **twice),
    )


def space(watts: int) -> RackSpace:
    return RackSpace.model_validate({"id": "eu-a", "cdus": ("c",), "cooling": ({"method": "air", "watts": watts},)})


def cdu(watts: int, **over: Any) -> Cdu:
    return Cdu(id=CduId("c"), loop=LoopId("l"), capacity_watts=Watts(watts), **over)


def loop(watts: int) -> Loop:
    return Loop(id=LoopId("l"), site=SiteId("eu-de"), capacity_watts=Watts(watts))


def tight() -> Facts:
    """A rack with a watt too few."""
    return builders.facts(racks=(builders.rack("eu-a", power_budget_watts=Watts(2_399)),))


def why(estate: Snapshot, *sites: str) -> Explanation:
    return explaining.pending(MaskEngine(), estate, W, tuple(map(SiteId, sites)))


def waiting(*nodes: Node, facts: Any = None, beside: tuple[Workload, ...] = (), **over: Any) -> FrozenEstate:
    wanted = builders.workload("w", **({"replicas": 1} | over))
    return builders.estate(law_base=facts or builders.facts(), nodes=nodes, workloads=(wanted, *beside))


def test_what_waits_though_it_fits_is_told_its_home() -> None:
    found = why(waiting(builders.node("eu-a1")))
    assert found.fits
    assert [(h.node, h.accelerators) for h in found.homes] == [("eu-a1", (0, 1))]


def test_work_is_moved_aside_where_it_has_room_elsewhere() -> None:
    """Six of eight are taken here, four of eight there: eight are free nowhere, until the four move over."""
    four = builders.workload(
        "four", contract=builders.contract(2), replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),)
    )
    six = builders.workload(
        "six", contract=builders.contract(6), replicas=1, bindings=(builders.binding(0, "eu-a2", *range(6)),)
    )
    estate = waiting(builders.node("eu-a1"), builders.node("eu-a2"), beside=(four, six), contract=builders.contract(8))
    found = why(estate)
    assert not found.fits
    says = [h.says for h in found.helps]
    assert "move `four` (1 replica) off `eu-a1` to `eu-a2`" in says
    assert "free accelerators: 2 more on `eu-a1`" in says
    assert "ask for 6 instead of 8 accelerators in each replica" in says


def test_work_moved_aside_gives_its_watts_or_its_distance_and_the_words_say_where_it_goes() -> None:
    """Of those that draw enough the least moves; whoever has no other home is left, and the next node is tried."""
    small = builders.workload(
        "small", replicas=1, watts_per_accelerator=300, bindings=(builders.binding(0, "eu-a1", 0, 1),)
    )
    large = builders.workload(
        "large", replicas=1, watts_per_accelerator=900, bindings=(builders.binding(0, "eu-a1", 2, 3),)
    )
    racks = (
        builders.rack("eu-a", power_budget_watts=Watts(4_900)),
        builders.rack("eu-b", power_budget_watts=Watts(3_500)),
    )
    nodes = (builders.node("eu-a1"), builders.node("eu-b1", accelerators=2))
    hot = waiting(
        *nodes,
        facts=builders.facts(racks=racks),
        beside=(small, large),
        contract=builders.contract(4),
        watts_per_accelerator=500,
    )
    assert "move `small` (1 replica) off `eu-a1` to `eu-b1`" in [h.says for h in why(hot).helps]
    law = builders.facts(tenants=ALONE, datasets=())
    both = (builders.node("eu-a1", accelerators=6), builders.node("eu-a2", accelerators=2))
    crowded = waiting(*both, facts=law, beside=(NEIGHBOUR,), contract=builders.contract(4))
    assert "move `b` (1 replica) off `eu-a1` to `eu-a2`" in [h.says for h in why(crowded).helps]
    assert "move all 2 replicas of `w` together to cluster `us-1` at `us-east`" in [h.says for h in why(abroad()).helps]
    assert "move all 2 replicas of `w` together to the region us-east" in [
        h.says for h in why(abroad()).for_tenant().helps
    ]


def test_each_node_is_told_what_it_lacks() -> None:
    """A tenant is told of none."""
    taken = waiting(one(), builders.node("eu-a2", cordoned=True), beside=(HOLDER,))
    found = explaining.pending(MaskEngine(), taken, W, each_node=True)
    told = {(m.node, m.constraint): (m.needed, m.found) for m in found.by_node}
    assert told["eu-a1", Constraint.FREE] == ("2 free accelerators on one node", "at most 0")
    assert told["eu-a2", Constraint.CORDON] == ("an open node", "cordoned: eu-a2")
    counts = Counter(m.constraint for m in found.by_node)
    assert counts == {r.constraint: r.nodes for r in found.reasons}
    assert found.for_tenant().by_node == ()


def test_the_holder_of_the_contract_reads_no_rack_no_node_and_no_other_tenant() -> None:
    law = builders.facts(
        racks=(builders.rack("eu-a", power_budget_watts=Watts(2_100)),),
        tenants=(builders.tenant("tenant-a"), builders.tenant("tenant-b", isolation=Isolation.DEDICATED_NODE)),
        datasets=(),
    )
    theirs = builders.workload("b", tenant="tenant-b", replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),))
    estate = waiting(builders.node("eu-a1"), builders.node("us-a1"), facts=law, beside=(theirs,))
    found = why(estate)
    assert any("tenant-b" in r.found for r in found.reasons)
    plain = found.for_tenant()
    for hidden in ("eu-a", "us-a", "tenant-b", "2100"):
        assert hidden not in str(plain.json_form())
    assert {p.needed for p in plain.plainly} == {
        "a place where your data may rest",
        "a place that keeps the promised distance from others",
    }
    assert {p.share_percent for p in plain.plainly} == {50}


def asked(estate: Snapshot, **over: Any) -> Offer:
    request = Request.model_validate({"tenant": "tenant-a", "accelerators": 8} | over)
    return offer(MaskEngine(), Keeper(), estate, request, builders.START)


def test_what_has_a_second_home_is_guaranteed_and_what_has_none_is_best_effort() -> None:
    found = asked(builders.estate())
    assert (found.grade, found.because) == (Grade.GUARANTEED, ())
    (place,) = found.places
    assert (place.site, place.replicas, place.accelerators, place.models) == ("eu-de", 1, 8, ("H100-SXM5-80GB",))
    one = builders.estate(nodes=(builders.node("eu-a1"),), workloads=())
    lonely = asked(one)
    assert lonely.grade is Grade.BEST_EFFORT
    assert lonely.because == ("no second home when node/eu-a1 is lost", "no second home when rack/eu-a is lost")
    assert lonely.for_tenant().because == ("no second home when a node is lost", "no second home when a rack is lost")
    assert asked(one, outlives=()).grade is Grade.GUARANTEED


def test_nobody_is_promised_what_is_somebody_elses_second_home() -> None:
    """One free node is `one`'s second home; whoever takes it takes that."""
    seats = (builders.binding(0, "eu-a1", *range(8)),)
    contract = builders.contract(8, min_available=1)
    held = builders.workload("one", replicas=1, contract=contract, bindings=seats)
    nodes = (builders.node("eu-a1"), builders.node("eu-b1"))
    found = asked(builders.estate(nodes=nodes, workloads=(held,)), outlives=("node",))
    assert "it would take the second home of others when node/eu-a1 is lost" in found.because


def test_what_does_not_fit_is_countered_with_what_does_or_refused_with_reasons() -> None:
    found = asked(builders.estate(), accelerators=16)
    assert found.grade is Grade.COUNTER_OFFER
    assert [c.instead for c in found.counters] == ["ask for 8 instead of 16 accelerators in each replica"]
    assert found.counters[0].places[0].site == "eu-de"
    abroad = asked(builders.estate(), sites=("us-east",))
    assert (abroad.grade, [c.instead for c in abroad.counters]) == (Grade.COUNTER_OFFER, ["allow the region eu-de"])
    strict = asked(builders.estate(), residency=builders.residency("IS").json_form())
    assert (strict.grade, strict.counters) == (Grade.REFUSED, ())
    assert strict.refusal is not None
    assert "a place where your data may rest" in strict.because


def test_a_price_is_told_and_a_ceiling_held() -> None:
    price = Price(
        id=PriceId("p"),
        unit=Unit.GPU_HOUR,
        amount=MicroUsd(2_000_000),
        model="H100-SXM5-80GB",
        stated_by="a list",
        valid_until=builders.START + timedelta(days=1),
    )
    estate = builders.estate().with_stock(builders.estate().stock.with_(price))
    assert asked(estate).micro_usd_per_hour == 16_000_000
    dear = asked(estate, cost_ceiling=15_999_999)
    assert (dear.grade, dear.counters[0].micro_usd_per_hour) == (Grade.COUNTER_OFFER, 16_000_000)
    assert asked(estate, cost_ceiling=16_000_000).grade is Grade.GUARANTEED


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"tenant": "nobody"}, "tenant: no tenant `nobody`; there are tenant-a"),
        ({"models": ["H1000"]}, "models: nobody here has a `H1000`; there are H100-SXM5-80GB"),
        ({"sites": ["moon"]}, "sites: no site `moon`; there are eu-de, us-east"),
        ({"datasets": ["none"]}, "datasets: no dataset `none`"),
        ({"namespace": "kube-system"}, "namespace: `kube-system` is not one of `tenant-a`; there are tenant-a"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "deadline: `2020-01-01T00:00:00Z` has passed"),
    ],
)
def test_a_request_of_what_is_not_there_names_its_field(over: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        asked(builders.estate(), **over)


@pytest.mark.parametrize(
    "over",
    [
        {"accelerators": -1},
        {"accelerators": 65},
        {"replicas": 0},
        {"memory_mebibytes": 10**9},
        {"accelerators": 0, "models": ["H100-SXM5-80GB"]},
        {"accelerators": 1, "bandwidth": BandwidthClass.SAME_NVLINK_DOMAIN.value},
        {"outlives": ["comet"]},
        {"together": "rack", "spread": "site"},
        {"colour": "red"},
    ],
)
def test_a_request_that_is_absurd_or_contradicts_itself_is_refused(over: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asked(builders.estate(), **over)


def test_an_empty_fleet_answers() -> None:
    with pytest.raises(BadInput, match="the estate has no nodes"):
        asked(builders.estate(nodes=(), workloads=()))
    found = why(waiting())
    assert (found.fits, found.nearest) == (False, "the estate has no nodes; add some")
    with pytest.raises(BadInput, match="workload: no workload `w`"):
        why(builders.estate())
