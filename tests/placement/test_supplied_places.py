"""What feeds and cools racks, as masks: where the gate would forbid it placement offers nothing, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estate.changes import Change, CopyWorkload, MoveWorkload, RemoveWorkload, ReplicaMove
from estate.facilities.power import Feed
from estate.frozen import FrozenEstate
from estate.ids import FeedId, NodeId, WorkloadId
from estate.units import Watts
from estate.workloads import Binding, Workload
from policies import playing, supplies
from policies.playing import Play
from policies.reserves import NOTHING, Reserves
from tests import builders
from tests.placement import naive, supplied
from tests.reserved import holding, reserve, seat
from tools.placement import choosing
from tools.placement.constraints import facilities
from tools.placement.constraints.facilities import BY_SORT
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.table import moving, standing
from tools.placement.engine import MaskEngine
from tools.placement.margins import Margins
from tools.placement.offering.cases import Case
from tools.placement.offering.relaxations import relaxations
from tools.placement.port import Ask, NoPlacement, Placement
from tools.placement.rooms import Room
from tools.placement.searching import any_of
from tools.placement.wishes import Wish

OURS = frozenset(BY_SORT.values())


def play(estate: FrozenEstate, workload: Workload, seats: tuple[Binding, ...]) -> Play:
    """The seats as what a proposer would make of them."""
    home = estate.node(seats[0].node)
    assert home is not None
    changes: tuple[Change, ...]
    if home.cluster != workload.cluster:
        copy = CopyWorkload(workload=workload.id, to_cluster=home.cluster, bindings=seats)
        changes = (copy, RemoveWorkload(workload=workload.id, replaced_by=copy.named(workload)))
    else:
        at = {b.replica: b.node for b in workload.bindings}
        moves = (
            ReplicaMove(replica=b.replica, source=at.get(b.replica), target=b.node, accelerators=b.accelerators)
            for b in seats
        )
        changes = (MoveWorkload(workload=workload.id, moves=tuple(moves)),)
    return playing.play(estate, builders.steps(*changes, on=estate))


def beyond(played: Play, kept: Reserves = NOTHING) -> list[str]:
    """What the gate reads as beyond its limit, of power and of cooling."""
    carried = ((s, kept.left(s.most, cooling=s.cooling)) for s in supplies.supplies(played))
    found = [str(s.ref) for s, most in carried if s.after > max(most, s.before)]
    for rack in played.racks:
        before, after = supplies.drawn(played, rack)
        cooled = supplies.cooled(played.base, rack)
        budget = kept.left(played.base.facts.rack[rack].power_budget_watts)
        if after > before and (after > budget or (cooled is not None and after > kept.left(cooled, cooling=True))):
            found.append(f"rack/{rack}")
    return found


@given(st.data())
@settings(max_examples=25)
def test_what_is_placed_is_fed_and_cooled_by_plain_rules_and_by_the_gates(data: st.DataObject) -> None:
    estate, engine = data.draw(supplied.tight()), MaskEngine()
    ask = data.draw(supplied.asks(estate))
    workload = estate.workload(ask.workload)
    assert workload is not None
    found = engine.place(estate, ask)
    if isinstance(found, Placement):
        assert [*naive.faults(estate, ask, found.bindings)] == []
        assume(max(ask.replicas) < workload.replicas)
        played = play(estate, workload, found.bindings)
        assert played.refusal is None
        assert beyond(played) == []
        return
    assert naive.place(estate, ask) is None
    for relaxed in relaxations(Case(engine, Wish(estate, engine.columns_of(estate), ask, workload))):
        assert [*naive.faults(relaxed.snapshot, relaxed.ask, relaxed.placement.bindings)] == [], relaxed.relaxation


@given(st.data())
@settings(max_examples=25)
def test_where_nothing_else_refuses_the_gate_would_forbid(data: st.DataObject) -> None:
    estate = data.draw(supplied.tight())
    facilities.concerns(estate, builders.workload("w"))
    ask = data.draw(supplied.asks(estate))
    gone = data.draw(st.sampled_from(["w1", "w2"]))
    estate = estate.without_workload(WorkloadId(gone)) if data.draw(st.booleans()) else estate
    workload = estate.workload(ask.workload)
    assert workload is not None
    ask = Ask(workload.id, (min(ask.replicas),), ask.sites, ask.avoid, ask.at)
    assume(ask.replicas[0] < workload.replicas)
    wish = Wish(estate, MaskEngine().columns_of(estate), ask, workload)
    room = Room(wish)
    masks = standing(wish) | moving(wish, room, None)
    others = any_of({c: m for c, m in masks.items() if c not in OURS}, len(wish.columns.ids))
    ours = any_of({c: m for c, m in masks.items() if c in OURS}, len(wish.columns.ids))
    assert facilities.concerns(estate, workload) or not ours.any()
    assert Margins().least(estate) == facilities._MARGINS.least(estate), "followed from another estate or read anew"
    names = wish.columns.names.clusters
    here = np.array([names[c] == workload.cluster for c in wish.columns.cluster], dtype=np.bool_)
    for row in np.flatnonzero(here & ~others).tolist():
        slots = choosing.devices(wish, room, row, None)
        indexes = tuple(sorted(wish.columns.index[row, slots].tolist()))
        played = play(
            estate, workload, (Binding(replica=ask.replicas[0], node=wish.columns.ids[row], accelerators=indexes),)
        )
        assert played.refusal is None
        assert bool(beyond(played)) == bool(ours[row]), (wish.columns.ids[row], beyond(played))


@given(st.data())
@settings(max_examples=15)
def test_a_house_that_keeps_some_free_is_offered_nothing_beyond(data: st.DataObject) -> None:
    estate, kept = data.draw(supplied.tight()), Reserves(*data.draw(st.tuples(*[st.sampled_from([0, 50, 200])] * 2)))
    engine, ask = MaskEngine(reserves=kept), data.draw(supplied.asks(estate))
    workload = estate.workload(ask.workload)
    assert workload is not None
    assume(max(ask.replicas) < workload.replicas)
    found = engine.place(estate, ask)
    if isinstance(found, Placement):
        assert beyond(play(estate, workload, found.bindings), kept) == []
        return
    for relaxed in relaxations(Case(engine, Wish(estate, engine.columns_of(estate), ask, workload))):
        if relaxed.relaxation.constraint in {c.value for c in (*OURS, Constraint.POWER)}:
            assert isinstance(relaxed.snapshot, FrozenEstate)
            assert beyond(play(relaxed.snapshot, workload, relaxed.placement.bindings), kept) == [], relaxed.relaxation


def held(feed_watts: int, **work: Any) -> FrozenEstate:
    """Two nodes of 1 000 W on one feed, in two racks; a device of each of the first is kept for tenant-a at 1 500 W."""
    nodes = [builders.node(n, accelerators=2) for n in ("eu-a1", "eu-b1")]
    wanted = builders.workload("w0", replicas=1, contract=builders.contract(1), **work)
    estate = holding(
        reserve("own", "tenant-a", seat("eu-a1", 0), watts_per_accelerator=1_500),
        on=builders.estate(nodes=nodes, workloads=(wanted,)),
    )
    return estate.with_stock(estate.stock.with_(Feed(id=FeedId("a"), capacity_watts=Watts(feed_watts))))


def test_who_sits_on_what_is_reserved_adds_only_what_is_not_kept_for_it() -> None:
    """And nobody else has those watts: not their holder either, on other devices."""
    found = MaskEngine().place(held(3_500), Ask(supplied.W, (0,)))
    assert isinstance(found, Placement)
    assert (found.bindings[0].node, found.bindings[0].accelerators) == ("eu-a1", (0,))
    elsewhere = Ask(supplied.W, (0,), avoid=frozenset({NodeId("eu-a1")}))
    assert isinstance(MaskEngine().place(held(3_500), elsewhere), NoPlacement)
    assert isinstance(MaskEngine().place(held(4_200), elsewhere), Placement)


def test_who_leaves_what_is_reserved_leaves_its_watts_kept() -> None:
    """It draws 700 of 1 500 W where it is; elsewhere it adds 700, and the 1 500 stay."""
    seats = (builders.binding(0, "eu-a1", 0),)
    elsewhere = Ask(supplied.W, (0,), avoid=frozenset({NodeId("eu-a1")}))
    for watts, fits in ((4_199, False), (4_200, True)):
        estate = held(watts, bindings=seats)
        workload = estate.workload(supplied.W)
        assert workload is not None
        assert isinstance(MaskEngine().place(estate, elsewhere), Placement) is fits
        played = play(estate, workload, (builders.binding(0, "eu-b1", 0),))
        assert bool(beyond(played)) is not fits
