"""Plans on estates: every step judged again by the rules in plain Python, and what was gained counted again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate import gangs
from estate.changes import Change, CopyWorkload, CordonNode, MoveWorkload, RemoveWorkload
from estate.effects import effect
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, SiteId, TenantId, WorkloadId
from estate.results import Ok
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tests import builders
from tests.placement import estates, naive, naive_quotas
from tools.placement.planning.ordering import Group, Ordering, Target
from tools.placement.planning.planning import plan
from tools.placement.planning.plans import AreaKind, Evacuate, Fill, Free, Goal, Plan, Repack, Takes
from tools.placement.planning.solving import Effort

QUICK = Effort(whole=0.3)


@st.composite
def goals(draw: st.DrawFn, estate: Snapshot) -> Goal:
    """Something to want of a small estate."""
    moves, site = draw(st.integers(0, 4)), SiteId(draw(st.sampled_from(["eu-de", "us-east"])))
    present = [n.id for n in estate.nodes()]
    areas = [("rack", "eu-a"), ("rack", "eu-b"), ("site", site), ("feed", "a"), *(("node", n) for n in present[:3])]
    area, name = draw(st.sampled_from(areas))
    return draw(
        st.sampled_from(
            [
                Repack(size=2, moves=moves),
                Free(tenant=TenantId("tenant-b"), accelerators=4, each=2, moves=moves),
                Evacuate(area=AreaKind(area), name=name, across=draw(st.booleans()), moves=moves),
                Fill(site=site, moves=moves),
            ]
        )
    )


def judged(running: Snapshot, change: Change) -> tuple[Snapshot, int]:
    """The estate after a step that must be lawful, powered and within promises; and how many it disturbs."""
    after = effect(change, running)
    assert isinstance(after, Ok), after
    match change:
        case MoveWorkload():
            was = running.workload(change.workload)
            assert was is not None
            leaving = [b for b in was.bindings if b.replica in {m.replica for m in change.moves}]
            _stand_lawfully(running, after.value, was.without(leaving), {m.replica for m in change.moves})
            stops = gangs.together(running, {was.id: leaving})
            for name, bindings in stops.items():
                mate = running.workload(name)
                assert mate is not None
                lowest = len(_sound(running, mate)) - len([b for b in bindings if b in _sound(running, mate)])
                assert lowest >= mate.contract.min_available or not set(bindings) & set(_sound(running, mate))
            return after.value, sum(map(len, stops.values()))
        case CopyWorkload():
            was = running.workload(change.workload)
            assert was is not None
            made = after.value.workload(change.named(was))
            assert made is not None
            _stand_lawfully(running, after.value, made.model_copy(update={"bindings": ()}), set(range(made.replicas)))
            return after.value, 0
        case CordonNode():
            return after.value, 0
        case RemoveWorkload():
            return after.value, sum(change.disrupts(running).values())
        case _:
            raise AssertionError(f"no plan has a {change.kind}")


def _sound(running: Snapshot, workload: Workload) -> list[object]:
    """Its replicas on nodes and devices that have not failed."""
    found: list[object] = []
    for binding in workload.bindings:
        node = running.node(binding.node)
        failed = {a.index for a in node.accelerators if a.health == "failed"} if node else set()
        if node is not None and node.health != "failed" and not failed & set(binding.accelerators):
            found.append(binding)
    return found


def _stand_lawfully(running: Snapshot, after: Snapshot, bare: Workload, fresh: set[int]) -> None:
    """Each fresh replica, seated after those before it, where nothing forbids it."""
    now = after.workload(bare.id)
    assert now is not None
    for binding in (b for b in now.bindings if b.replica in fresh):
        node = after.node(binding.node)
        assert node is not None
        assert naive.allows(running.with_workload(bare), bare, node), (bare.id, binding)
        bare = bare.model_copy(update={"bindings": (*bare.bindings, binding)})


def replayed(estate: Snapshot, found: Plan) -> tuple[Snapshot, int]:
    """The estate after all steps, each judged on what the one before leaves."""
    running, disturbed = estate, 0
    for change in found.changes:
        running, stopped = judged(running, change)
        disturbed += stopped
    return running, disturbed


@given(st.data())
@settings(max_examples=30)
def test_every_step_of_every_plan_is_lawful_and_the_gain_is_as_told(data: st.DataObject) -> None:
    estate = data.draw(estates.estates())
    goal = data.draw(goals(estate))
    before = [*estate.nodes()], [*estate.workloads()]
    found = plan(estate, goal, effort=QUICK)
    end, disturbed = replayed(estate, found)
    assert disturbed == found.disturbed <= found.budget <= goal.moves
    assert found.gain.before <= found.gain.after <= found.gain.bound
    assert found.met != bool(found.short)
    assert plan(estate, goal, effort=QUICK) == found
    assert ([*estate.nodes()], [*estate.workloads()]) == before
    assert not [w.id for w in end.workloads() if naive_quotas.broken(estate, end, w)]
    if isinstance(goal, Evacuate) and found.met:
        racks = {"rack": [goal.name], "feed": ["eu-a", "eu-b", "us-a"]}.get(goal.area, [])
        assert not [n for n in end.nodes() if end.rack_of(n.id) in racks and end.workloads_on(n.id)]
    if isinstance(goal, Free):
        assert len(found.homes) == found.gain.after


def crowded(**contract: int) -> FrozenEstate:
    """Two nodes of eu-a half full, and nothing else open: b-train's replicas take four devices each."""
    nodes = [builders.node(f"eu-a{n}") for n in (1, 2, 3)]
    work = [
        builders.workload(
            f"a-{n}",
            contract=builders.contract(4, **contract),
            replicas=1,
            bindings=(builders.binding(0, f"eu-a{n}", 0, 1, 2, 3),),
        )
        for n in (1, 2)
    ]
    return builders.estate(nodes=nodes[:2], workloads=work)


def test_a_fragmented_rack_is_packed_with_the_one_move_that_it_takes_and_no_promise_is_broken() -> None:
    found = plan(crowded(), Repack(size=8))
    assert (found.gain.before, found.gain.after, found.gain.bound, found.disturbed) == (0, 1, 1, 1)
    assert (found.met, found.moves[0].reason) == (True, "leaves a block of 8 free behind it, or fills a gap")
    for kept in (plan(crowded(), Repack(size=8, moves=0)), plan(crowded(min_available=1), Repack(size=8))):
        assert (kept.gain.after, kept.moves) == (0, ())


def test_room_for_a_tenant_is_made_by_moving_another_and_says_who_must_consent() -> None:
    estate = builders.estate(nodes=[builders.node("eu-a1"), builders.node("eu-b1")])
    wish = Free(tenant=TenantId("tenant-a"), accelerators=4, each=4, site=SiteId("eu-de"))
    full = estate.with_workload(
        builders.workload("b-more", tenant="tenant-b", contract=builders.contract(2), replicas=1).model_copy(
            update={"bindings": (builders.binding(0, "eu-b1", 4, 5),)}
        )
    )
    found = plan(full, wish)
    assert (found.met, found.gain.before, found.gain.after) == (True, 0, 1)
    assert found.consent == ("tenant-b",)
    assert [(m.workload, m.reason) for m in found.moves] == [("b-more", "makes room for 4 accelerators for tenant-a")]


def test_a_wish_that_cannot_be_says_how_much_of_it_can_and_what_is_short() -> None:
    found = plan(builders.estate(), Free(tenant=TenantId("tenant-b"), accelerators=80, each=8, site=SiteId("eu-de")))
    assert (found.met, found.gain.after, found.gain.bound) == (False, 4, 4)
    assert found.short.startswith("4 of 10 homes of 8 accelerators for tenant-b; ask for 4 instead of 10")
    stays = plan(builders.estate(), Evacuate(area=AreaKind.SITE, name="us-east"))
    assert [k.reason for k in stays.left] == [
        "no node of cluster us-1 is left; only another cluster would do, with all of it"
    ]


def test_a_whole_workload_leaves_its_site_as_a_copy_and_a_removal() -> None:
    found = plan(builders.estate(), Evacuate(area=AreaKind.SITE, name="us-east", across=True))
    moves = [c.kind for c in found.changes if c not in found.fences]
    assert (found.met, moves) == (True, ["CopyWorkload", "RemoveWorkload"])


def full_nodes(*free: str) -> FrozenEstate:
    """a-1 fills eu-a1 and a-2 fills eu-a2; `free` nodes stand beside them."""
    names = ("eu-a1", "eu-a2")
    work = [
        builders.workload(
            f"a-{n[-1]}", contract=builders.contract(8), replicas=1, bindings=(builders.binding(0, n, *range(8)),)
        )
        for n in names
    ]
    return builders.estate(nodes=[builders.node(n) for n in (*names, *free)], workloads=work)


def test_two_that_wait_for_each_other_need_a_third_place() -> None:
    swap = [
        Group(WorkloadId(w), (Target(0, NodeId(n), frozenset(range(8))),))
        for w, n in (("a-1", "eu-a2"), ("a-2", "eu-a1"))
    ]
    stuck = Ordering(full_nodes(), frozenset(), budget=9)
    assert len(stuck.run(swap)) == 2
    assert "free accelerators on one node" in stuck.why[swap[0]]
    possible = Ordering(full_nodes("eu-b1"), frozenset(), budget=9)
    assert possible.run(swap) == ()
    assert [(d.group.workload, d.bindings[0].node, d.parked) for d in possible.done] == [
        ("a-1", "eu-b1", True),
        ("a-2", "eu-a1", False),
        ("a-1", "eu-a2", False),
    ]


def test_a_gang_moves_in_one_step_and_is_counted_whole() -> None:
    estate = builders.estate(workloads=builders.ganged_workloads())
    found = plan(estate, Evacuate(area=AreaKind.NODE, name="eu-a3"))
    assert found.met
    assert [(m.workload, m.replicas) for m in found.moves] == [("a-rank", (0,)), ("a-rank", (2,))]
    assert found.disturbed == 4
    assert plan(estate, Evacuate(area=AreaKind.NODE, name="eu-a3", moves=3)).disturbed == 2


def test_what_is_evacuated_is_fenced_before_anything_moves_and_nothing_lifts_that() -> None:
    estate = builders.estate().with_node(builders.node("eu-a4", cordoned=True))
    found = plan(estate, Evacuate(area=AreaKind.RACK, name="eu-a"))
    kinds = [c.kind for c in found.changes]
    assert [f.node for f in found.fences] == ["eu-a1", "eu-a2", "eu-a3"]
    assert kinds == ["CordonNode"] * 3 + ["MoveWorkload"] * (len(kinds) - 3)
    end, _ = replayed(estate, found)
    assert all(n.cordoned for n in end.nodes() if end.rack_of(n.id) == "eu-a")
    empty = plan(builders.estate(workloads=()), Evacuate(area=AreaKind.NODE, name="eu-a1"))
    assert (empty.met, [c.kind for c in empty.changes]) == (True, ["CordonNode"])


def test_a_drained_site_is_filled_where_it_is_open_and_what_is_fenced_is_said() -> None:
    shut = [builders.node(f"us-{r}{n}", cordoned=(r, n) != ("a", 1)) for r in "ab" for n in (1, 2)]
    waits = builders.workload("c-wait", tenant="tenant-c", cluster=ClusterId("us-1"), replicas=2)
    found = plan(builders.estate(nodes=shut, workloads=(waits,)), Fill(site=SiteId("us-east")))
    assert (found.met, {t for m in found.moves for t in m.targets}) == (True, {"us-a1"})
    assert found.considered.endswith("; 3 nodes there are fenced and take nothing until somebody lifts that")
    assert found.fences == ()


def scattered() -> FrozenEstate:
    """Three nodes, each half full: a home of eight takes one move of four, two homes cannot be."""
    work = [
        builders.workload(
            f"a-{n}",
            contract=builders.contract(4),
            replicas=1,
            bindings=(builders.binding(0, f"eu-a{n}", 0, 1, 2, 3),),
        )
        for n in (1, 2, 3, 4)
    ]
    return builders.estate(nodes=[builders.node(f"eu-a{n}") for n in (1, 2, 3, 4)], workloads=work)


def test_room_by_a_time_counts_stated_durations_and_says_what_is_late_and_by_when() -> None:
    wish = Free(tenant=TenantId("tenant-b"), accelerators=16, each=8, site=SiteId("eu-de"))
    slow = tuple(Takes(workload=WorkloadId(f"a-{n}"), minutes=60) for n in (1, 2))
    by = wish.model_copy(update={"by": builders.START + timedelta(minutes=25), "takes": slow})
    law_base = builders.facts(racks=tuple(builders.rack(r, power_budget_watts=60_000) for r in ("eu-a", "eu-b")))
    estate = scattered().with_facts(law_base)
    whole = plan(estate, wish)
    assert (whole.met, whole.gain.after, whole.minutes, whole.late) == (True, 2, 20, ())
    found = plan(estate, by, builders.START)
    assert [(m.workload, m.ends_after) for m in found.moves] == [("a-3", 10), ("a-4", 20)]
    assert (found.met, found.late) == (True, ())
    sooner = plan(estate, by.model_copy(update={"by": builders.START + timedelta(minutes=15)}), builders.START)
    assert (sooner.met, sooner.gain.after, sooner.minutes) == (False, 1, 10)
    assert [(late.count, late.minutes, late.at) for late in sooner.late] == [
        (1, 20, builders.START + timedelta(minutes=20))
    ]


def test_a_time_bounds_the_moves_and_a_past_one_is_refused() -> None:
    soon = builders.START + timedelta(minutes=25)
    rack = Evacuate(area=AreaKind.RACK, name="eu-a", by=soon)
    assert plan(builders.estate(), rack, builders.START).budget == 2
    with pytest.raises(BadInput, match="by: `2026-11-21T08:25:00Z` has passed"):
        plan(builders.estate(), rack, soon)


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        (Repack(site=SiteId("mars")), "site: no site `mars`; there are eu-de, us-east"),
        (Evacuate(area=AreaKind.RACK, name="nope"), "name: no fact names a rack `nope`"),
        (Evacuate(area=AreaKind.NODE, name="nope"), "name: no node `nope`"),
        (Free(tenant=TenantId("nobody"), accelerators=1), "tenant: no tenant `nobody`"),
        (Free(workload=WorkloadId("nothing")), "workload: no workload `nothing`"),
        (Free(workload=WorkloadId("a-serve")), "workload: nothing of `a-serve` waits"),
    ],
)
def test_what_is_not_there_is_named_with_its_field(goal: Goal, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        plan(builders.estate(), goal)
