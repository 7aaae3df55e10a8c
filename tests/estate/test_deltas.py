"""A delta in parts is the delta: nothing lost, nothing twice, no part too large for the bus."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from estate.deltas import Delta, Heading, apply, join, split
from estate.frozen import FrozenEstate
from estate.ids import NodeId, WorkloadId
from estate.references import Ref
from estate.stock import Stock
from tests import builders, telling
from tests import items as building

NODES = builders.default_nodes()
WORKLOADS = builders.default_workloads()
ITEMS = building.all_kinds()
ALTERATIONS = telling.all_alterations()


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    """Any content, in any amount."""
    envelope = draw(st.none() | st.text(alphabet='abc"', min_size=1, max_size=3_000))
    return Delta(
        version=builders.version(draw(st.integers(1, 9))),
        at=builders.START,
        whole=draw(st.booleans()),
        facts_envelope=envelope,
        nodes=tuple(draw(st.lists(st.sampled_from(NODES), unique_by=lambda n: n.id))),
        workloads=tuple(draw(st.lists(st.sampled_from(WORKLOADS), unique_by=lambda w: w.id))),
        removed_nodes=tuple(NodeId(f"n{i}") for i in range(draw(st.integers(0, 30)))),
        removed_workloads=tuple(WorkloadId(f"w{i}") for i in range(draw(st.integers(0, 3)))),
        items=tuple(draw(st.lists(st.sampled_from(ITEMS), unique_by=lambda i: i.ref))),
        removed_items=tuple(Ref("pdu", f"p{i}") for i in range(draw(st.integers(0, 3)))),
        alterations=tuple(draw(st.lists(st.sampled_from(ALTERATIONS)))),
    )


@given(deltas(), st.integers(100, 20_000))
def test_parts_join_to_the_whole(delta: Delta, limit: int) -> None:
    parts = split(delta, limit)
    assert join(parts) == delta
    assert [p.part for p in parts] == list(range(1, len(parts) + 1))
    assert {p.parts for p in parts} == {len(parts)}
    assert len({p.message_id for p in parts}) == len(parts)


@given(deltas(), st.integers(2_500, 20_000))
def test_no_part_is_much_larger_than_the_limit(delta: Delta, limit: int) -> None:
    assert all(len(p.canonical()) <= limit + 2_500 for p in split(delta, limit))


def test_a_whole_and_a_change_of_one_version_have_different_message_ids() -> None:
    """A repeated whole must not be swallowed as a duplicate of the change that led to it."""
    change = Delta(version=builders.version(2), at=builders.START)
    assert change.message_id != change.model_copy(update={"whole": True}).message_id


@given(deltas(), st.integers(200, 4000))
def test_a_message_id_tells_what_its_part_is_of(delta: Delta, limit: int) -> None:
    """A follower passes over what it has by this alone."""
    for part in split(delta, limit):
        assert Heading.of(part.message_id) == Heading(delta.version, delta.whole)


@given(st.text(max_size=20) | st.sampled_from(["-/1.2#1", "a/1.2", "a/1#1", "a/99999999999999999.1#1", ""]))
def test_another_message_id_tells_nothing(text: str) -> None:
    assert Heading.of(text) is None


@given(deltas())
def test_a_delta_is_read_back_from_the_bus(delta: Delta) -> None:
    assert Delta.read(delta.canonical()) == delta


def test_deltas_lead_to_the_estate_that_they_describe() -> None:
    empty = FrozenEstate(builders.version(0), builders.facts())
    whole = Delta(
        version=builders.version(1), at=builders.START, whole=True, nodes=NODES, workloads=WORKLOADS, items=ITEMS
    )
    start = apply(empty, whole, empty.facts)
    delta = Delta(
        version=builders.version(2),
        at=builders.START,
        nodes=(builders.node("eu-a1", cordoned=True),),
        removed_nodes=(NodeId("us-b4"),),
        removed_workloads=(WorkloadId("c-batch"),),
        items=(building.item("pdu", drawn_watts=7),),
        removed_items=(Ref("row", "eu-row-1"),),
    )
    after = apply(start, delta, start.facts)
    expected = builders.estate(at=builders.version(2)).with_node(builders.node("eu-a1", cordoned=True))
    expected = expected.without_node(NodeId("us-b4")).without_workload(WorkloadId("c-batch"))
    stock = Stock.of(ITEMS).without(Ref("row", "eu-row-1")).with_(building.item("pdu", drawn_watts=7))
    assert after.version == expected.version
    assert after.stock == stock
    assert (tuple(after.nodes()), tuple(after.workloads())) == (tuple(expected.nodes()), tuple(expected.workloads()))
    assert all(after.rack_watts(r) == expected.rack_watts(r) for r in after.facts.rack)
