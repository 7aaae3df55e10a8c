"""Accelerators are cut as a stated layout says, and nowhere where somebody would feel it or nobody could see it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import layouts, slicing
from estate.changes import NoInverse, RepartitionAccelerator
from estate.devices import Partition, Partitioning, PartitionState, Sharing
from estate.effects import effect, lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node, Taint, TaintEffect
from estate.ids import NodeId
from estate.law import Cut, Layout
from estate.results import Ok, Refusal
from tests import builders
from tests.drawing import among
from tests.partitioned import HALVES, LAYOUTS, MIXED, SEVENTHS, UNCUT, counted, cut, estate, managed, repartition

EU_A3 = NodeId("eu-a3")


def after(change: RepartitionAccelerator, on: FrozenEstate) -> FrozenEstate:
    result = effect(change, on)
    assert isinstance(result, Ok), result
    assert isinstance(result.value, FrozenEstate)
    return result.value


def node(on: FrozenEstate) -> Node:
    found = on.node(EU_A3)
    assert found is not None
    return found


def with_node(**update: Any) -> FrozenEstate:
    """The small estate with that node otherwise."""
    return estate().with_node(node(estate()).model_copy(update=update))


def devices(**update: Any) -> tuple[Any, ...]:
    """Its devices, the last one otherwise."""
    *others, last = node(estate()).accelerators
    return (*others, last.model_copy(update=update))


@given(st.lists(among(LAYOUTS), min_size=1, max_size=4))
@settings(max_examples=30)
def test_whatever_a_node_was_cut_into_its_inverses_make_it_what_it_was(told: list[Layout]) -> None:
    """To the last field of each device; and every layout comes to just the slices that it names, none over another."""
    running = estate()
    undone: list[tuple[RepartitionAccelerator, FrozenEstate]] = []
    for layout in told:
        laid = lay_out((repartition(layout=layout),), running)
        if isinstance(laid, Refusal):
            assert "as many devices of each size" in laid.message
            continue
        (step,) = laid.value.steps
        assert isinstance(step.inverse, RepartitionAccelerator)
        undone.append((step.inverse, running))
        running = after(repartition(layout=layout), running)
        plan = layout.of(8)
        assert plan is not None
        made = layouts.boards(node(running), ())
        assert not isinstance(made, str)
        assert tuple(b.slices for b in made) == plan
        assert [a.index for a in node(running).accelerators] == list(range(len(node(running).accelerators)))
        for board in (b for b in made if b.slices):
            known = {p.name: p.size for p in slicing.profiles(board.like.model, board.like.memory_mebibytes)}
            lying = [s for a in board.devices for s in range(a.start or 0, (a.start or 0) + known[a.cut])]
            assert len(lying) == len(set(lying))
    for inverse, before in reversed(undone):
        running = after(inverse, running)
        assert node(running) == node(before)


def test_what_is_only_counted_is_cut_again_by_the_layout_in_force() -> None:
    """A kubelet counts slices and does not say of which accelerator they are."""
    cut_once = node(after(repartition(layout=MIXED), estate()))
    told = [a.model_copy(update={"board": "", "start": None, "board_mebibytes": None}) for a in cut_once.accelerators]
    known = estate().with_node(cut_once.model_copy(update={"accelerators": tuple(told)}))
    assert layouts.sizes(node(after(repartition(layout=HALVES), known))) == counted(_3g_40gb=16)
    (step,) = _laid(repartition(layout=HALVES), known)
    assert step.inverse == repartition(layout=MIXED)
    stranger = known.with_node(managed(node(known), SEVENTHS))
    assert "does not say which accelerators its slices are of" in _refusal(repartition(layout=HALVES), stranger)
    assert isinstance(repartition().inverse(stranger), NoInverse)


FENCE = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)


@pytest.mark.parametrize(
    ("on", "change", "why"),
    [
        (estate(), repartition("eu-a1"), "has 6 devices in use"),
        (estate(), repartition("eu-z9"), "is not in the estate"),
        (estate(), RepartitionAccelerator(node=EU_A3, layout="all-2g"), "state no layout `all-2g`, but `all-disabled`"),
        (estate(), repartition(layout=UNCUT), "as many devices of each size"),
        (builders.estate(), repartition(), "no partition manager"),
        (with_node(partitioning=Partitioning(state=PartitionState.REBOOTING)), repartition(), "says `rebooting`"),
        (with_node(partitioning=Partitioning(state=PartitionState.FAILED)), repartition(), "as `failed`"),
        (with_node(cordoned=True), repartition(), "is fenced"),
        (with_node(taints=(FENCE,)), repartition(), "is fenced"),
        (with_node(health=Health.DEGRADED), repartition(), "is degraded"),
        (with_node(accelerators=devices(health=Health.FAILED)), repartition(), "not healthy: accelerator 7"),
        (with_node(accelerators=devices(sharing=Sharing.MPS)), repartition(), "shares accelerator 7"),
        (with_node(accelerators=devices(model="H100-MIG-1g.10gb")), repartition(), "strategy `single`"),
        (with_node(accelerators=devices(partitions=(Partition(index=0, profile="1g.10gb"),))), repartition(), "claim"),
        (with_node(accelerators=devices(model="L40S")), repartition(), "no L40S is cut into 1g.10gb×7"),
        (with_node(accelerators=()), repartition(), "has no accelerators"),
        (with_node(accelerators=devices()[:4]), repartition(layout=MIXED), "each of its 4 accelerators"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_must_not_or_cannot_be_cut_is_refused_with_its_reason(
    on: FrozenEstate, change: RepartitionAccelerator, why: str
) -> None:
    assert why in _refusal(change, on)


def test_a_manager_that_is_not_done_is_told_of_in_the_condition() -> None:
    """So that nothing counts as done while the devices are already counted."""
    busy = with_node(partitioning=Partitioning(layout="all-disabled", state=PartitionState.PENDING))
    assert layouts.sizes(node(busy)) == (*counted(whole=8), "manager: pending")


def test_words_name_the_accelerators_and_what_they_become() -> None:
    assert layouts.told(node(estate()), MIXED, LAYOUTS) == "accelerator 0 as 1g.10gb×3 + 4g.40gb×1"


@pytest.mark.parametrize(
    ("cuts", "why"),
    [
        ((cut(), cut(1)), "stands alone"),
        ((cut(1), cut(0, 1)), "`1` is cut twice"),
    ],
)
def test_a_layout_says_one_thing_of_each_accelerator(cuts: tuple[Cut, ...], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Layout(name="odd", cuts=cuts)


def _laid(change: RepartitionAccelerator, on: FrozenEstate) -> tuple[Any, ...]:
    laid = lay_out((change,), on)
    assert isinstance(laid, Ok), laid
    return laid.value.steps


def _refusal(change: RepartitionAccelerator, on: FrozenEstate) -> str:
    result = effect(change, on)
    assert isinstance(result, Refusal)
    return result.message
