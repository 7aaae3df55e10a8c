"""What-if: what would be otherwise is named, and nothing is otherwise because of the question."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from estate.errors import BadInput
from estate.facilities.power import Feed, Redundancy
from estate.frozen import FrozenEstate
from estate.hardware import Health, Taint, TaintEffect
from estate.ids import FeedId, NodeId
from estate.law import Isolation
from estate.law.tenants import Quota
from estate.machines import LinkState, Nic, NicUse, NumaNode, Software
from estate.snapshots import Snapshot
from estate.stock import Stock
from estate.units import MilliGpu, Watts
from estate.workloads import Requirement, Toleration
from tests import builders, partitioned
from tests.placement import estates
from tools.placement.engine import MaskEngine
from tools.placement.supposing.outcomes import Outcome
from tools.placement.supposing.settling import suppose
from tools.placement.supposing.suppositions import Supposition

READ: TypeAdapter[Supposition] = TypeAdapter(Supposition)


def asked(estate: Snapshot, *supposed: dict[str, Any]) -> Outcome:
    return suppose(estate, [READ.validate_python(s) for s in supposed], MaskEngine(), builders.START)


def lose(domain: str) -> dict[str, Any]:
    return {"kind": "lose", "domain": domain}


@st.composite
def suppositions(draw: st.DrawFn, estate: FrozenEstate) -> dict[str, Any]:
    node = st.sampled_from(sorted(n.id for n in estate.nodes()) or [NodeId("eu-a1")])
    rack = st.sampled_from([r.id for r in estate.facts.racks])
    work = st.sampled_from([w.id for w in estate.workloads()])
    made: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.sampled_from(["rack/eu-a", "site/us-east", "feed/a", "leaf/leaf-eu-b", "provider/eu-hosting"]).map(lose),
        st.builds(lambda n, r: {"kind": "add-nodes", "like": n, "count": 2, "rack": r}, node, rack),
        st.builds(lambda r, w: {"kind": "set-budget", "rack": r, "watts": w}, rack, st.integers(0, 9_000)),
        st.builds(lambda n, w: {"kind": "set-cap", "node": n, "watts": w}, node, st.integers(0, 3_000)),
        st.builds(lambda n: {"kind": "set-quota", "tenant": "tenant-a", "accelerators": n}, st.integers(0, 9)),
        st.builds(lambda w: {"kind": "move", "workload": w}, work),
        st.builds(lambda w, n: {"kind": "grow", "workload": w, "replicas": n}, work, st.integers(0, 6)),
        st.just({"kind": "set-facts", "facts": builders.facts(tenants=(builders.tenant("tenant-a"),), datasets=())}),
    )
    return draw(made)


def content(estate: FrozenEstate) -> tuple[object, ...]:
    return (estate.version, estate.facts.digest, tuple(estate.nodes()), tuple(estate.workloads()))


@settings(max_examples=8)
@given(st.data())
def test_a_question_changes_nothing_and_has_one_answer(data: st.DataObject) -> None:
    estate = data.draw(estates.estates(law_base=estates.roomy()))
    supposed = [data.draw(suppositions(estate)) for _ in range(data.draw(st.integers(1, 3)))]
    before = content(estate)
    try:
        first = asked(estate, *supposed)
    except BadInput:
        assert not list(estate.nodes()), "everything that was supposed is of things that are there"
        return
    assert content(estate) == before
    assert asked(estate, *supposed) == first
    homes = {(m.workload, m.replica) for m in first.moved}
    assert not homes & {(h.workload, r) for h in first.homeless for r in h.replicas}, "nobody is both"


def test_more_of_the_same_may_be_supposed_twice() -> None:
    more = [{"kind": "add-nodes", "like": "eu-a1", "count": 2, "rack": rack} for rack in ("eu-a", "eu-b")]
    assert asked(builders.estate(), *more).harmless


def test_a_node_that_is_added_is_like_the_other_inside_too() -> None:
    """What asks for its driver, processors, ports and taints finds a home on it, busy and failed as the old one is."""
    gpu = Taint(key="gpu", effect=TaintEffect.NO_SCHEDULE)
    port = Nic(name="r0", use=NicUse.RDMA, speed=400_000, state=LinkState.DOWN, numa_node=0)
    inside = {
        "software": (Software(name="driver", version="580.65"),),
        "millicores": 8_000,
        "other_millicores": 8_000,
        "numa_nodes": (NumaNode(index=0, cpus=8, memory_mebibytes=64_000),),
        "nics": (port,),
        "taints": (gpu,),
        "health": Health.FAILED,
    }
    devices = tuple(builders.accelerator("eu-a1", i, numa_node=0, power_limit_watts=700) for i in range(2))
    old = builders.node("eu-a1").model_copy(update=inside | {"accelerators": devices})
    needs = {"software": (Requirement(name="driver", at_least="580"),), "locality": "numa", "rails": 1}
    contract = builders.contract(2, **needs, millicores=4_000, limit_watts=700)
    work = builders.workload("w", replicas=0, tolerations=(Toleration(key="gpu"),), contract=contract)
    estate = builders.estate(nodes=(old,), workloads=(work,))
    grow = {"kind": "grow", "workload": "w", "replicas": 1}
    assert asked(estate, grow).homeless
    found = asked(estate, {"kind": "add-nodes", "like": "eu-a1", "count": 1}, grow)
    assert [m.target for m in found.moved] == ["eu-a1-more-1"], found.homeless


def test_a_lost_rack_names_who_moves_and_who_has_no_home() -> None:
    """`b-train` finds four free in the other rack; tenant-a's second replica follows; nobody is left out."""
    found = asked(builders.estate(), lose("rack/eu-a"))
    assert (found.stopped, found.homeless, found.unlawful) == (3, (), ())
    assert {(m.workload, str(m.target)[:4]) for m in found.moved} == {("a-serve", "eu-b"), ("b-train", "eu-b")}
    both = asked(builders.estate(), lose("rack/eu-a"), lose("rack/eu-b"))
    assert {(h.workload, h.promised, h.replicas) for h in both.homeless} == {
        ("a-serve", True, (0, 1)),
        ("b-train", False, (0, 1)),
    }
    assert not both.harmless
    assert both.free_accelerators == both.free_accelerators_now - 52


def test_more_nodes_are_a_home() -> None:
    gone = (lose("rack/eu-a"), lose("rack/eu-b"))
    more = {"kind": "add-nodes", "like": "eu-a1", "count": 2, "rack": "eu-b"}
    found = asked(builders.estate(), *gone, more)
    assert found.homeless == ()
    assert {str(m.target) for m in found.moved} == {"eu-a1-more-1", "eu-a1-more-2"}


def test_another_law_names_what_it_would_make_unlawful_and_where_that_would_go() -> None:
    """tenant-c would have to leave the United States."""
    law = builders.facts()
    tenants = tuple(
        t.model_copy(update={"residency": builders.residency("DE", "FR")}) if t.id == "tenant-c" else t
        for t in law.tenants
    )
    found = asked(builders.estate(), {"kind": "set-facts", "facts": builders.facts(tenants=tenants)})
    (row,) = found.unlawful
    assert (row.workload, row.nodes) == ("c-batch", ("us-a1",))
    assert set(row.broken) == {"geographic", "legal", "operational"}
    assert [(m.workload, str(m.target)[:2]) for m in found.moved] == [("c-batch", "eu")]


def test_a_tenant_that_would_stand_alone_drives_neighbours_away() -> None:
    law = builders.facts()
    tenants = tuple(
        t.model_copy(update={"isolation": Isolation.DEDICATED_NODE}) if t.id == "tenant-b" else t for t in law.tenants
    )
    found = asked(builders.estate(), {"kind": "set-facts", "facts": builders.facts(tenants=tenants)})
    assert {(u.workload, u.broken) for u in found.unlawful} == {("a-serve", ("tenant",)), ("b-train", ("tenant",))}
    assert found.homeless == ()


def test_limits_tell_by_how_much_they_are_exceeded() -> None:
    found = asked(
        builders.estate(),
        {"kind": "set-budget", "rack": "eu-a", "watts": 5_000},
        {"kind": "set-quota", "tenant": "tenant-a", "accelerators": 3},
    )
    assert [(u.of, u.drawn_watts, u.budget_watts) for u in found.unpowered] == [("rack/eu-a", 9_600, 5_000)]
    assert [(q.tenant, q.used, q.quota) for q in found.over_quota] == [("tenant-a", 4, 3)]
    capped = asked(
        builders.estate(),
        {"kind": "set-budget", "rack": "eu-a", "watts": 6_000},
        {"kind": "set-cap", "node": "eu-a1", "watts": 2_000},
    )
    assert [u.drawn_watts for u in capped.unpowered] == [6_400]
    law = builders.facts(
        tenants=(builders.tenant("tenant-a", quotas=(Quota(accelerators=MilliGpu(3_000)),)),), datasets=()
    )
    own = builders.workload(
        "a-serve", bindings=(builders.binding(0, "eu-a1", 0, 1), builders.binding(1, "eu-a2", 0, 1))
    )
    over = builders.estate(law_base=law, workloads=(own,))
    assert asked(over, lose("node/eu-b4")).over_quota == (), "what is so already is no consequence"


def test_a_lost_half_of_a_pair_leaves_its_load_to_the_other_and_takes_nothing_more() -> None:
    """All racks are on feed a."""
    estate = builders.estate()
    drawn = sum(estate.rack_watts(r.id) for r in estate.facts.racks)
    pair = [
        Feed(id=FeedId(n), capacity_watts=Watts(w), partner=FeedId(o), redundancy=Redundancy.TWO_N)
        for n, w, o in (("a", 90_000, "b"), ("b", drawn - 1, "a"))
    ]
    estate = estate.with_stock(Stock.of([pair[0], pair[1].model_copy(update={"capacity_watts": Watts(90_000)})]))
    found = asked(estate, lose("feed/a"), {"kind": "grow", "workload": "a-serve", "replicas": 3})
    assert (found.stopped, found.unpowered) == (0, ())
    (row,) = found.homeless
    assert (row.workload, row.replicas) == ("a-serve", (2,))
    assert "power feed (feed/a failed or leaks)" in " ".join(row.reasons)
    assert row.nearest == "have `feed/a` repaired"
    (over,) = asked(estate.with_stock(Stock.of(pair)), lose("feed/a")).unpowered
    assert (over.of, over.drawn_watts, over.budget_watts) == ("feed/b", drawn, drawn - 1)


def test_work_that_grows_or_moves_is_seated_or_told_what_stands_in_the_way() -> None:
    grown = asked(builders.estate(), {"kind": "grow", "workload": "a-serve", "replicas": 4})
    assert [(m.workload, m.replica, m.source) for m in grown.moved] == [("a-serve", 2, None), ("a-serve", 3, None)]
    moved = asked(builders.estate(), {"kind": "move", "workload": "a-serve", "rack": "eu-b"})
    assert {str(m.target)[:4] for m in moved.moved} == {"eu-b"}
    (stuck,) = asked(builders.estate(), {"kind": "move", "workload": "a-serve", "site": "us-east"}).homeless
    assert stuck.workload == "a-serve"
    assert any("legal sovereignty" in r for r in stuck.reasons)


def test_accelerators_are_supposed_to_be_cut_and_what_grows_is_seated_on_their_slices() -> None:
    contract = builders.contract(1, profile="1g.10gb")
    on = partitioned.estate().with_workload(builders.workload("a-slim", contract=contract, replicas=0))
    cut = {"kind": "repartition", "node": "eu-a3", "layout": "all-1g.10gb"}
    grow = {"kind": "grow", "workload": "a-slim", "replicas": 2}
    assert {m.target for m in asked(on, cut, grow).moved} == {"eu-a3"}
    assert [h.workload for h in asked(on, grow).homeless] == ["a-slim"]


@pytest.mark.parametrize(
    ("supposed", "field"),
    [
        (lose("rack/eu-z"), "domain: no rack `eu-z`; there are eu-a"),
        (lose("node/eu-z1"), "domain: no node `eu-z1`"),
        (lose("moon/luna"), "domain: `moon` is no failure domain"),
        ({"kind": "add-nodes", "like": "eu-z1", "count": 1}, "like: no node `eu-z1`"),
        ({"kind": "add-nodes", "like": "eu-a1", "count": 1, "rack": "eu-z"}, "rack: `eu-z`"),
        ({"kind": "set-quota", "tenant": "nobody", "accelerators": 1}, "tenant: no tenant `nobody`"),
        ({"kind": "set-quota", "tenant": "tenant-a", "accelerators": 1, "site": "moon"}, "site: no site `moon`"),
        (
            {"kind": "set-quota", "tenant": "tenant-a", "accelerators": 1, "model": "X"},
            "model: nobody here has a `X`",
        ),
        ({"kind": "set-budget", "rack": "eu-z", "watts": 1}, "rack: no rack `eu-z`"),
        ({"kind": "set-cap", "node": "eu-z1", "watts": 1}, "node: no node `eu-z1`"),
        ({"kind": "repartition", "node": "eu-a3", "layout": "all-7g"}, "repartition: `eu-a3` has no partition manager"),
        ({"kind": "grow", "workload": "ghost", "replicas": 1}, "workload: no workload `ghost`"),
        ({"kind": "move", "workload": "a-serve", "site": "moon"}, "site: no site `moon`"),
    ],
)
def test_what_is_not_there_cannot_be_supposed(supposed: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        asked(builders.estate(), supposed)


@pytest.mark.parametrize(
    "supposed",
    [
        {"kind": "lose", "domain": "eu-a"},
        {"kind": "set-budget", "rack": "eu-a", "watts": -1},
        {"kind": "add-nodes", "like": "eu-a1", "count": 0},
        {"kind": "move", "workload": "a-serve", "site": "eu-de", "rack": "us-a"},
        {"kind": "abolish", "law": "all"},
    ],
)
def test_what_makes_no_sense_is_refused(supposed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(supposed)
