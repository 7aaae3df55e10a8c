"""The vectorised engine against the rules written a second time; and what every placement must satisfy."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estate import effects
from estate.changes import CopyWorkload, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.frozen import FrozenEstate
from estate.results import Ok, Result
from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass, Span, WorkloadKind
from tests import builders
from tests.drawing import among
from tests.inventory.columns_histories import FACTS, nodes, typed, workloads
from tests.placement import estates, naive
from tests.placement.sameness import assert_same, new_to
from tools.inventory.columns.changes import Change, NodeSeen, WorkloadSeen
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.grounds import ColumnarGround
from tools.inventory.columns.origins import Told
from tools.placement import filling, grounding
from tools.placement.engine import MaskEngine
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
@settings(max_examples=25)
def test_a_holder_is_seated_on_what_it_reserved_as_the_plain_rules_do(data: st.DataObject) -> None:
    """The node with most of it, and on that node the devices that are its own."""
    estate = data.draw(estates.estates(2, st.just(builders.facts(datasets=()))))
    size, kind = data.draw(st.integers(1, 3)), data.draw(among(list(WorkloadKind)))
    how: dict[str, Any] = {"bandwidth": data.draw(among(list(BandwidthClass)))}
    how |= {"together": data.draw(among([None, None, Span.NODE, Span.RACK]))}
    how |= {"share": 400} if size == 1 and data.draw(st.booleans()) else {}
    work = builders.workload("w0", kind=kind, contract=builders.contract(size, **how))
    estate = data.draw(estates.reserved(estate.with_workload(work), work.tenant))
    ask = Ask(work.id, tuple(range(data.draw(st.integers(1, 2)))), at=builders.START)
    found = MaskEngine().place(estate, ask)
    if isinstance(found, Placement):
        assert [*naive.faults(estate, ask, found.bindings)] == []
    else:
        assert naive.place(estate, ask) is None


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
    room, fresh = search(Wish(estate, filling.build(estate), ask, workload)).room, filling.build(after)
    assert room is not None
    assert_same(room.columns(fresh.present), fresh)


@given(st.lists(st.one_of(nodes().map(NodeSeen), workloads().map(WorkloadSeen), typed()), max_size=14))
def test_columns_off_the_inventory_are_those_that_a_scan_builds(happened: list[Change]) -> None:
    inventory = Inventory(FACTS[0])
    inventory.take(happened, Told("cluster", 1))
    snapshot = inventory.snapshot(builders.version())
    assert isinstance(snapshot.ground, ColumnarGround)
    read, scanned = grounding.build(snapshot, snapshot.ground), filling.build(snapshot)
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
    carried, fresh = filling.renewed(filling.build(before), after, touched), filling.build(after)
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
