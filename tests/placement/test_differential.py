"""The vectorised engine against the rules written a second time; and what every placement must satisfy."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estate import effects
from estate.changes import CopyWorkload, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.frozen import FrozenEstate
from estate.results import Ok, Result
from estate.snapshots import Snapshot
from estate.stock import Stock
from tests import builders
from tests.drawing import among
from tests.inventory.columns_histories import FACTS, nodes, typed, workloads
from tests.placement import estates, naive, pledged
from tools.inventory.columns.changes import Change, NodeSeen, WorkloadSeen
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.grounds import ColumnarGround
from tools.inventory.columns.origins import Told
from tools.placement import columns, grounding
from tools.placement.columns import Columns
from tools.placement.engine import LARGE, MaskEngine
from tools.placement.online import outlooks
from tools.placement.online.boards import Board
from tools.placement.online.outlooks import Outlook
from tools.placement.port import Ask, NoPlacement, Placement
from tools.placement.searching import search
from tools.placement.wishes import Wish


def played(estate: FrozenEstate, ask: Ask, found: Placement) -> Result[Snapshot]:
    """The placement as the change that a proposer would make of it."""
    workload = estate.workload(ask.workload)
    assert workload is not None
    node = estate.node(found.bindings[0].node)
    assert node is not None
    if max(ask.replicas) >= workload.replicas:
        stopped = workload.model_copy(update={"replicas": 0, "bindings": (), "cluster": node.cluster})
        scale = ScaleWorkload(workload=workload.id, replicas=max(ask.replicas) + 1, bindings=found.bindings)
        return effects.effect(scale, estate.with_workload(stopped))
    running = {b.replica: b.node for b in workload.bindings}
    moves = tuple(
        ReplicaMove(replica=b.replica, source=running.get(b.replica), target=b.node, accelerators=b.accelerators)
        for b in found.bindings
    )
    if node.cluster != workload.cluster:
        copy = CopyWorkload(workload=workload.id, to_cluster=node.cluster, bindings=found.bindings)
        return effects.effect(copy, estate)
    return effects.effect(MoveWorkload(workload=workload.id, moves=moves), estate)


@given(st.data())
def test_the_engine_places_as_the_plain_rules_do(data: st.DataObject) -> None:
    """Also where there is room, and some of it reserved."""
    estate = data.draw(estates.reserved(data.draw(estates.estates(law_base=estates.facts() | estates.roomy()))))
    ask = data.draw(estates.asks(estate))
    found = MaskEngine().place(estate, ask)
    if isinstance(found, Placement):
        assert [*naive.faults(estate, ask, found.bindings)] == []
    else:
        assert naive.place(estate, ask) is None, "the tightest first find homes for all"


@given(st.data())
def test_every_placement_takes_effect_within_power_and_in_one_cluster(data: st.DataObject) -> None:
    estate = data.draw(estates.estates())
    ask = data.draw(estates.asks(estate))
    found = MaskEngine().place(estate, ask)
    if isinstance(found, NoPlacement):
        assert found.nearest
        return
    assert [b.replica for b in found.bindings] == sorted(ask.replicas)
    assert len({n.cluster for b in found.bindings if (n := estate.node(b.node))}) == 1
    after = played(estate, ask, found)
    assert isinstance(after, Ok), after
    assert_left(estate, ask, found, after.value)
    for rack in {estate.rack_of(b.node) for b in found.bindings}:
        assert rack is not None
        assert after.value.rack_watts(rack) <= estate.facts.rack[rack].power_budget_watts


def assert_left(estate: FrozenEstate, ask: Ask, found: Placement, after: Snapshot) -> None:
    """What a search says is left is what is left, where its replicas moved within their cluster."""
    workload, node = estate.workload(ask.workload), estate.node(found.bindings[0].node)
    assert workload is not None
    assert node is not None
    if node.cluster != workload.cluster or max(ask.replicas) >= workload.replicas:
        return
    room, fresh = search(Wish(estate, columns.build(estate), ask, workload)).room, columns.build(after)
    assert room is not None
    assert_same(room.columns(fresh.present), fresh)


def new_to(before: Snapshot, after: Snapshot) -> bool:
    """Whether a node of `after` has a cluster, a model or more devices than any of `before`."""
    old, new = list(before.nodes()), list(after.nodes())
    clusters = {n.cluster for n in new} - {n.cluster for n in old} - set(before.facts.cluster)
    models = {a.model for n in new for a in n.accelerators} - {a.model for n in old for a in n.accelerators}
    models |= {a.cut for n in new for a in n.accelerators} - {a.cut for n in old for a in n.accelerators}
    slots = max(len(n.accelerators) for n in new) > max(len(n.accelerators) for n in old)
    return bool(clusters or models or slots)


ARRAYS: tuple[str, ...] = (
    *("cluster", "site", "rack", "cordoned", "health", "idle", "load", "cap", "index", "memory", "domain"),
    *("exists", "healthy", "free", "present", "rack_drawn", "rack_budget"),
    *("cpu_free", "memory_free", "milli", "shares", "sharer", "limit"),
)


def assert_same(one: Columns, other: Columns) -> None:
    """Two frames of one width mean the same."""
    for name in ARRAYS:
        assert (getattr(one, name) == getattr(other, name)).all(), name
    models = [
        [c.models[m] if e else "" for m, e in zip(c.model.flat, c.exists.flat, strict=True)] for c in (one, other)
    ]
    assert models[0] == models[1]
    assert [one.taints[t] for t in one.taint] == [other.taints[t] for t in other.taint]
    assert [one.installed[s] for s in one.software] == [other.installed[s] for s in other.software]
    cuts = [[c.profiles[p] if p >= 0 else None for p in c.profile.flat] for c in (one, other)]
    assert cuts[0] == cuts[1]


@given(st.lists(st.one_of(nodes().map(NodeSeen), workloads().map(WorkloadSeen), typed()), max_size=14))
def test_columns_off_the_inventory_are_those_that_a_scan_builds(happened: list[Change]) -> None:
    inventory = Inventory(FACTS[0])
    inventory.take(happened, Told("cluster", 1))
    snapshot = inventory.snapshot(builders.version())
    assert isinstance(snapshot.ground, ColumnarGround)
    read, scanned = grounding.build(snapshot, snapshot.ground), columns.build(snapshot)
    assert (read.ids, read.names, read.rows) == (scanned.ids, scanned.names, scanned.rows)
    assert dict(zip(read.models, read.makers, strict=True)) == dict(zip(scanned.models, scanned.makers, strict=True))
    assert_same(read, scanned)


@given(st.data())
@settings(max_examples=20)
def test_the_engine_places_on_the_inventory_as_on_the_maps(data: st.DataObject) -> None:
    """With what somebody adds to the snapshot, as a rehearsal does."""
    estate = data.draw(estates.estates())
    inventory = Inventory(estate.facts)
    inventory.take([*map(NodeSeen, estate.nodes()), *map(WorkloadSeen, estate.workloads())], Told("cluster", 1))
    over = inventory.snapshot(estate.version)
    for _ in range(data.draw(st.integers(0, 2))):
        node = data.draw(estates.nodes(data.draw(among(estates.NAMES))))
        estate, over = estate.with_node(node), over.with_node(node)
    ask = data.draw(estates.asks(estate))
    assert MaskEngine().place(over, ask) == MaskEngine().place(estate, ask)


@given(st.data())
def test_columns_carried_over_are_those_built_anew(data: st.DataObject) -> None:
    """The cache may only ever save time."""
    before = data.draw(estates.estates())
    after = before
    for _ in range(data.draw(st.integers(0, 3))):
        after = after.with_node(data.draw(estates.nodes(data.draw(among(estates.NAMES)))))
        after = after.without_workload(data.draw(among([w.id for w in before.workloads()])))
    touched = after.touched_since(before)
    assert touched is not None
    carried, fresh = columns.renewed(columns.build(before), after, touched), columns.build(after)
    if carried is None:
        assert {n.id for n in before.nodes()} != {n.id for n in after.nodes()} or new_to(before, after)
        return
    # Carried columns may stay wider than the devices left in them: what is wider must hold no device.
    width = fresh.exists.shape[1]
    assert not carried.exists[:, width:].any()
    assume(carried.exists.shape == fresh.exists.shape)
    assert carried.ids == fresh.ids
    assert_same(carried, fresh)


@given(st.data())
def test_the_same_question_gets_the_same_answer_whatever_was_asked_before(data: st.DataObject) -> None:
    estate = data.draw(estates.estates())
    first, second = data.draw(estates.asks(estate)), data.draw(estates.asks(estate))
    used, fresh = MaskEngine(), MaskEngine()
    used.place(estate, first)
    used.place(estate.without_workload(first.workload), second)
    assert used.place(estate, second) == fresh.place(estate, second)


@pytest.mark.xdist_group("packing")  # one worker compiles, where nothing is compiled yet
@pytest.mark.timeout(400)
@given(st.data())
@settings(max_examples=25)
def test_a_board_finds_what_the_masks_find_whatever_it_followed(data: st.DataObject) -> None:
    """Back and forth between estates that grew out of one another, by what was learned of the first."""
    law_base = estates.facts() | estates.roomy() | pledged.facts()
    first = stocked(data, data.draw(estates.estates(law_base=law_base)))
    assume(list(first.nodes()))
    outlook = Outlook(outlooks.counted(first, [n.id for n in first.nodes()]))
    board, masks, line = Board(first, columns.build(first), outlook), MaskEngine(outlook), [first]
    for _ in range(data.draw(st.integers(1, 4))):
        estate = grown(data, line[data.draw(st.integers(0, len(line) - 1))])
        line.append(estate)
        ask = data.draw(estates.asks(estate))
        estate = pledged.promised(data.draw, estate, ask.workload)
        workload = estate.workload(ask.workload)
        assert workload is not None
        found, expected = board.seats(estate, ask, workload), masks.seats(estate, ask)
        if found is None:
            assert len(ask.replicas) > 1 or new_to(first, estate), "a single one is always decided"
        else:
            assert (found or None) == expected


@pytest.mark.xdist_group("packing")
@pytest.mark.timeout(400)
@given(st.data())
@settings(max_examples=5)
def test_after_a_look_seats_are_those_that_place_explains(data: st.DataObject) -> None:
    """And nothing that was looked at changes what masks say by the same outlook."""
    estate = data.draw(estates.estates())
    looked = MaskEngine()
    assert not looked.due(estate), f"masks are quick enough for fewer than {LARGE} nodes"
    looked.look(estate)
    masks, ask = MaskEngine(looked.outlook), data.draw(estates.asks(estate))
    found = looked.place(estate, ask)
    assert found == masks.place(estate, ask)
    assert looked.seats(estate, ask) == (found.bindings if isinstance(found, Placement) else None)


def stocked(data: st.DataObject, estate: FrozenEstate) -> FrozenEstate:
    """With what there is beside nodes and work, some of it reserved."""
    return data.draw(estates.reserved(estate.with_stock(Stock.of(data.draw(pledged.items())))))


def grown(data: st.DataObject, estate: FrozenEstate) -> FrozenEstate:
    """An estate that grew out of this one: a node judged anew, or a workload stopped or seated."""
    change = data.draw(st.integers(0, 5))
    if change == 4 and len(names := [n.id for n in estate.nodes()]) > 1:
        return estate.without_node(data.draw(among(names)))
    if change == 5:
        return stocked(data, estate)
    if change == 0:
        return estate.with_node(data.draw(estates.nodes(data.draw(among(estates.NAMES)))))
    if change == 1 and len(found := list(estate.workloads())) > 1:
        return estate.without_workload(data.draw(among(found)).id)
    if change == 2:
        return estates.settled(data.draw, estate, data.draw(estates.workloads("w9")))
    return estate
