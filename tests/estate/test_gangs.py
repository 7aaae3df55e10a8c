"""Gangs: who stops one of them stops all of them, wherever they run and whosever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import conditions, effects, gangs
from estate.changes import (
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
)
from estate.conditions import Field
from estate.effects import effect, lay_out
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, GangId, NodeId, WorkloadId
from estate.results import Ok
from estate.snapshots import Snapshot
from estate.worlds import World
from tests import builders
from tests.drawing import among
from tests.estate.estates_changing import changes

A_RANK, A_SERVE, B_EVAL, B_TRAIN = (WorkloadId(n) for n in ("a-rank", "a-serve", "b-eval", "b-train"))
EU_A1, EU_A3, EU_B1, EU_B2 = (NodeId(n) for n in ("eu-a1", "eu-a3", "eu-b1", "eu-b2"))
DRAIN = DrainNode(node=EU_A1, reason="repair")


def ganged() -> FrozenEstate:
    """The small estate with gangs: `b-train` and `b-eval` on three nodes are one, `a-rank` is two."""
    return builders.estate(workloads=builders.ganged_workloads())


def running(estate: Snapshot, workload: WorkloadId) -> list[int]:
    """The replicas of a workload that are bound."""
    found = estate.workload(workload)
    assert found is not None
    return [b.replica for b in found.bindings]


def test_a_drain_stops_the_whole_gang_and_nobody_else() -> None:
    laid = lay_out((DRAIN,), ganged())
    assert isinstance(laid, Ok)
    after, footprint = laid.value.after, laid.value.footprint
    assert (running(after, B_TRAIN), running(after, B_EVAL)) == ([], [])
    assert (running(after, A_SERVE), running(after, A_RANK)) == ([1], [0, 1, 2, 3])
    assert DRAIN.disrupts(ganged()) == {A_SERVE: 1, B_TRAIN: 2, B_EVAL: 1}
    assert footprint.nodes == (EU_A1, EU_B1, EU_B2)
    assert footprint.tenants == ("tenant-a", "tenant-b")
    assert footprint.disrupted_replicas == 4


def test_an_eviction_stops_the_gang_of_that_replica_only() -> None:
    shut = effect(CordonNode(node=EU_A3), ganged())
    assert isinstance(shut, Ok)
    off = EvictPod(workload=A_RANK, replica=2, node=EU_A3)
    result = effect(off, shut.value)
    assert isinstance(result, Ok)
    assert running(result.value, A_RANK) == [0, 1]
    assert off.disrupts(shut.value) == {A_RANK: 2}


def test_a_move_or_a_shrinking_lets_the_gang_begin_anew_where_it_is() -> None:
    move = MoveWorkload(
        workload=B_TRAIN,
        moves=(ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-b3"), accelerators=(0, 1, 2, 3)),),
    )
    assert move.disrupts(ganged()) == {B_TRAIN: 2, B_EVAL: 1}
    assert ScaleWorkload(workload=B_TRAIN, replicas=1).disrupts(ganged()) == {B_TRAIN: 2, B_EVAL: 1}
    result = effect(move, ganged())
    assert isinstance(result, Ok)
    assert (running(result.value, B_TRAIN), running(result.value, B_EVAL)) == ([0, 1], [0])


def test_a_decision_on_a_drain_reads_the_gang_elsewhere_too() -> None:
    """Whoever joined it since would else be stopped unthought of."""
    (step,) = builders.steps(DRAIN, on=ganged())
    grown = builders.workload(
        "b-eval",
        tenant="tenant-b",
        contract=builders.contract(2),
        bindings=(builders.binding(0, "eu-b2", 0, 1), builders.binding(1, "eu-b2", 2, 3)),
        gangs=(builders.gang("b-job"),),
    )
    assert conditions.misses(ganged(), step.preconditions) == ()
    (miss,) = conditions.misses(ganged().with_workload(grown), step.preconditions)
    assert str(miss.condition.about) == "resident/b-eval@eu-b2"


@given(st.data())
def test_no_gang_is_ever_left_half_running_by_what_stops_one_of_it(data: st.DataObject) -> None:
    before: Snapshot = ganged()
    for _ in range(data.draw(st.integers(1, 5))):
        change = data.draw(changes(before, kinds=("cordon", "evict", "drain")))
        result = effect(change, before)
        if not isinstance(result, Ok):
            continue
        for gang in (GangId("b-job"), GangId("a-rank-0"), GangId("a-rank-1")):
            was, now = members(before, gang), members(result.value, gang)
            assert now in (was, set())
        before = result.value


@given(st.data())
def test_who_stops_with_whom_does_not_depend_on_whom_one_begins_with(data: st.DataObject) -> None:
    estate = ganged()
    everyone = [(w.id, b) for w in estate.workloads() for b in w.bindings]
    name, binding = data.draw(among(everyone))
    stops = gangs.together(estate, {name: (binding,)})
    other, mate = data.draw(among([(w, b) for w, found in stops.items() for b in found]))
    assert gangs.together(estate, {other: (mate,)}) == stops


def members(estate: Snapshot, gang: GangId) -> set[tuple[str, int]]:
    """The running members of a gang."""
    return {(w.id, b.replica) for w in estate.in_gang(gang) for b in w.bindings if w.gang_of(b.replica) == gang}


def test_a_snapshot_finds_a_gang_s_workloads_whatever_came_and_went() -> None:
    estate, job = ganged(), GangId("b-job")
    assert [w.id for w in estate.in_gang(job)] == [B_EVAL, B_TRAIN]
    assert [w.id for w in estate.without_workload(B_EVAL).in_gang(job)] == [B_TRAIN]
    alone = estate.with_workload(builders.workload("b-train", tenant="tenant-b"))
    assert [w.id for w in alone.in_gang(job)] == [B_EVAL]
    assert alone.without_workload(B_EVAL).in_gang(job) == ()
    assert [w.id for w in estate.with_facts(builders.facts()).in_gang(job)] == [B_EVAL, B_TRAIN]


@pytest.mark.parametrize(
    "gangs", [[{"id": "x"}, {"id": "y"}], [{"id": "x", "replicas": [0]}, {"id": "y", "replicas": [0]}]]
)
def test_a_replica_is_in_one_gang_at_most(gangs: list[object]) -> None:
    form = builders.workload().json_form() | {"gangs": gangs}
    with pytest.raises(ValidationError, match="a replica is in two of them"):
        type(builders.workload()).model_validate(form)


def test_a_world_file_of_before_reads_as_one_without_gangs() -> None:
    form = builders.world().json_form()
    for workload in form["workloads"]:  # type: ignore[union-attr]
        del workload["gangs"]  # type: ignore[union-attr, index, call-overload, arg-type]
    assert World.read(form) == builders.world()


def test_a_copy_in_another_cluster_is_a_gang_of_its_own() -> None:
    """Else whoever drains a node here would stop the copy there."""
    seats = tuple(builders.binding(r, f"us-b{r + 1}", 0, 1, 2, 3) for r in range(2))
    copied = effect(CopyWorkload(workload=B_TRAIN, to_cluster=ClusterId("us-1"), bindings=seats), ganged())
    assert isinstance(copied, Ok)
    (made,) = [w for w in copied.value.workloads() if w.cluster == "us-1" and w.tenant == "tenant-b"]
    assert made.gangs == (builders.gang("us-1.tenant-b.b-job"),)
    drained = effect(DRAIN, copied.value)
    assert isinstance(drained, Ok)
    assert running(drained.value, made.id) == [0, 1]


def test_a_removal_lets_the_rest_of_its_gang_begin_anew() -> None:
    end = RemoveWorkload(workload=B_EVAL, replaced_by=B_TRAIN)
    assert end.disrupts(ganged()) == {B_EVAL: 1, B_TRAIN: 2}


def test_what_a_gang_is_stopped_by_later_takes_back_what_was_said_of_its_members_places() -> None:
    """A member is moved, and then another is evicted: all begin anew, and nobody promises where."""
    estate = ganged()
    home = ReplicaMove(replica=0, source=EU_B2, target=EU_A1, accelerators=(2, 3))
    moved = MoveWorkload(workload=B_EVAL, moves=(home,))
    evicted = EvictPod(workload=B_TRAIN, replica=1, node=EU_B1)
    laid = lay_out((CordonNode(node=EU_B1), moved, evicted), estate)
    assert isinstance(laid, Ok)
    left = effects.lasting(laid.value.steps)
    assert conditions.misses(laid.value.after, left) == ()
    told = {(str(c.about), c.field) for c in left}
    assert ("workload/b-eval", Field.REPLICAS) in told
    assert ("workload/b-eval", Field.BINDINGS) not in told
    assert ("node/eu-b1", Field.CORDONED) in told
