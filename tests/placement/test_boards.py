"""A board answers as the masks do, whatever it followed; and what lets it answer so holds of every family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estate import reserving
from estate.frozen import FrozenEstate
from estate.law import Facts
from estate.law.tenants import Quota
from estate.stock import Stock
from estate.units import MilliGpu
from tests import builders
from tests.drawing import among
from tests.inventory.columns_histories import FACTS, nodes, typed, workloads
from tests.placement import estates, pledged
from tests.placement.sameness import assert_same, new_to
from tools.inventory.columns.changes import Change, NodeSeen, WorkloadSeen
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told
from tools.placement import filling, objectives
from tools.placement.columns import Ints
from tools.placement.constraints import table
from tools.placement.constraints.kinds import Masks, Reach
from tools.placement.constraints.table import Family
from tools.placement.engine import LARGE, MaskEngine
from tools.placement.online import outlooks
from tools.placement.online.boards import Board
from tools.placement.online.frames import Frame
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import Outlook
from tools.placement.port import Placement
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


@pytest.mark.xdist_group("packing")  # one worker compiles, where nothing is compiled yet
@pytest.mark.timeout(400)
@given(st.data())
@settings(max_examples=14)
def test_a_board_finds_what_the_masks_find_whatever_it_followed(data: st.DataObject) -> None:
    """Back and forth between estates that grew out of one another, by what was learned of the first."""
    law_base = bounded(data, data.draw(estates.facts() | estates.roomy() | pledged.facts()))
    first = stocked(data, data.draw(estates.estates(law_base=st.just(law_base))))
    assume(list(first.nodes()))
    outlook = Outlook(outlooks.counted(first, [n.id for n in first.nodes()]))
    board, masks, line = Board(first, filling.build(first), outlook), MaskEngine(outlook), [first]
    for _ in range(data.draw(st.integers(1, 4))):
        estate = grown(data, line[data.draw(st.integers(0, len(line) - 1))])
        line.append(estate)
        ask = data.draw(estates.asks(estate))
        estate = data.draw(pledged.promised(estate, ask.workload))
        workload = estate.workload(ask.workload)
        assert workload is not None
        found, expected = board.seats(estate, ask, workload), masks.seats(estate, ask)
        if found is None:
            reserved = next(reserving.every(estate), None) is not None
            assert len(ask.replicas) > 1 or new_to(first, estate) or reserved, "a single one is decided"
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


def bounded(data: st.DataObject, law_base: Facts) -> Facts:
    """With a quota of some tenants."""
    quotas = st.sampled_from([(), (), *((Quota(accelerators=MilliGpu(n)),) for n in (2_000, 4_000))])
    tenants = tuple(t.model_copy(update={"quotas": data.draw(quotas)}) for t in law_base.tenants)
    return law_base.model_copy(update={"tenants": tenants})


def stocked(data: st.DataObject, estate: FrozenEstate) -> FrozenEstate:
    """With what there is beside nodes and work, some of it reserved."""
    found = estate.with_stock(Stock.of(data.draw(pledged.items())))
    return data.draw(estates.reserved(found)) if data.draw(st.integers(0, 3)) == 0 else found


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


@pytest.mark.xdist_group("packing")
@pytest.mark.timeout(400)
@given(
    st.lists(st.lists(st.one_of(nodes().map(NodeSeen), workloads().map(WorkloadSeen), typed()), max_size=5), max_size=4)
)
@settings(max_examples=8)
def test_what_a_board_follows_on_the_inventory_is_what_a_scan_builds(happened: list[list[Change]]) -> None:
    """Nodes come and go; what runs there is read without a model of it."""
    inventory = Inventory(FACTS[0])
    inventory.take([change for changes in happened[:1] for change in changes], Told("cluster", 1))
    first = inventory.snapshot(builders.version())
    assume(list(first.nodes()))
    frame = Frame(first, filling.build(first), 4)
    for number, changes in enumerate(happened[1:], 2):
        inventory.take(changes, Told("cluster", number))
        snapshot = inventory.snapshot(builders.version(number))
        fresh = filling.build(snapshot)
        if not frame.follow(snapshot):
            assert not fresh.ids or not all(filling.holds(frame.columns, node) for node in snapshot.nodes())
            return
        assert frame.columns.ids == fresh.ids
        if frame.columns.exists.shape == fresh.exists.shape:
            assert_same(frame.columns, fresh)
            assert (frame.pool.free[:, : fresh.milli.shape[1]] == fresh.milli).all()


@given(st.data())
@settings(max_examples=8)
def test_a_family_is_told_by_few_nodes_or_by_kinds_what_it_says(data: st.DataObject) -> None:
    """What it looks at (`Reach`) is why a board may ask it about a few nodes, or about one of each kind."""
    base = data.draw(estates.estates(law_base=estates.roomy() | pledged.facts()))
    assume(list(base.nodes()))
    estate = stocked(data, base)
    ask = data.draw(estates.asks(estate))
    estate = data.draw(pledged.promised(estate, ask.workload))
    workload, frame = estate.workload(ask.workload), filling.build(estate)
    assert workload is not None
    whole, kinds = Wish(estate, frame, ask, workload), Kinds(frame)
    kind, typical = kinds.number(frame), Wish(estate, kinds.typical, ask, workload)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(frame.ids) - 1), min_size=1))))
    few = Wish(estate, frame.of(rows), ask, workload)
    for family in table.beside(estate, workload):
        if family.reach is Reach.NODE:
            assert_told(said(family, few, moving=True), said(family, whole, moving=True), rows)
        if family.reach is Reach.KIND:
            assert_told(said(family, whole, moving=False), said(family, typical, moving=False), kind)
    for aim, of_kind in zip(objectives.of_kinds(whole), objectives.of_kinds(typical), strict=True):
        assert (aim.values == of_kind.values[kind]).all(), aim.name


def said(family: Family, wish: Wish, *, moving: bool) -> Masks:
    """All that it refuses."""
    masks = [still(wish) for still in family.still]
    masks += [moves(wish, Room(wish), None) for moves in family.moves if moving]
    return {constraint: mask for found in masks for constraint, mask in found.items()}


def assert_told(one: Masks, other: Masks, rows: Ints) -> None:
    """The one says of each of its nodes what the other says of its row."""
    assert {c: mask.tolist() for c, mask in one.items()} == {c: mask[rows].tolist() for c, mask in other.items()}
