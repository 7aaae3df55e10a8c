"""Taints, evictions and drains: what each does and refuses, and what its conditions say on a system that counts."""

from __future__ import annotations

import pytest

from estate import conditions, effects
from estate.changes import (
    Change,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    NoInverse,
    ReplicaMove,
    ScaleWorkload,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.conditions import Field
from estate.effects import effect, lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Taint, TaintEffect
from estate.ids import NodeId, WorkloadId
from estate.results import Ok, Refusal, RefusalCode
from estate.snapshots import Snapshot
from estate.workloads import Toleration, Workload
from estate.worlds import ChangeFile
from tests import builders

EU_A1, A_SERVE, B_TRAIN = NodeId("eu-a1"), WorkloadId("a-serve"), WorkloadId("b-train")
FENCE = Taint(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_SCHEDULE)
OFF_A1 = EvictPod(workload=A_SERVE, replica=0, node=EU_A1)


def after(*changes: Change, on: Snapshot | None = None) -> Snapshot:
    """The estate that these changes lead to; a refusal fails the test."""
    laid = lay_out(changes, on or builders.estate())
    assert isinstance(laid, Ok), laid
    return laid.value.after


def refused(change: Change, on: Snapshot | None = None) -> Refusal:
    """Why the change has no effect."""
    result = effect(change, on or builders.estate())
    assert isinstance(result, Refusal)
    return result


def serving(snapshot: Snapshot) -> Workload:
    """The workload `a-serve` as it is there."""
    found = snapshot.workload(A_SERVE)
    assert found is not None
    return found


def tainted(*taints: Taint) -> FrozenEstate:
    """The small estate with these taints on `eu-a1`."""
    return builders.estate().with_node(builders.node("eu-a1", taints=tuple(sorted(taints, key=str))))


def counting() -> FrozenEstate:
    """`a-serve` as a Deployment: three equal pods on `eu-a1`, numbered by nobody but the inventory."""
    bindings = tuple(builders.binding(r, "eu-a1", 2 * r, 2 * r + 1) for r in range(3))
    work = builders.workload("a-serve", replicas=3, counted=True, bindings=bindings)
    return builders.estate(workloads=(work,))


def test_a_taint_takes_the_place_of_one_with_the_same_key_and_effect() -> None:
    other = FENCE.model_copy(update={"value": "ecc"})
    twice = after(TaintNode(node=EU_A1, taint=FENCE), TaintNode(node=EU_A1, taint=other)).node(EU_A1)
    assert twice is not None
    assert twice.taints == (other,)
    assert TaintNode(node=EU_A1, taint=other).inverse(tainted(FENCE)) == TaintNode(
        node=EU_A1, taint=FENCE, reason="undo of a taint"
    )


def test_an_undo_leaves_a_taint_that_was_there_before() -> None:
    assert isinstance(TaintNode(node=EU_A1, taint=FENCE).inverse(tainted(FENCE)), NoInverse)
    assert isinstance(UntaintNode(node=EU_A1, taint=FENCE).inverse(builders.estate()), NoInverse)


def test_a_taint_that_evicts_is_refused_in_favour_of_a_drain() -> None:
    """It would evict past every disruption budget, and ask no tenant."""
    evicting = FENCE.model_copy(update={"effect": TaintEffect.NO_EXECUTE})
    fault = refused(TaintNode(node=EU_A1, taint=evicting))
    assert fault.code is RefusalCode.NOT_SUPPORTED
    assert "DrainNode" in fault.message
    lifted = UntaintNode(node=EU_A1, taint=evicting)
    assert isinstance(effect(lifted, tainted(evicting)), Ok)
    assert isinstance(lifted.inverse(tainted(evicting)), NoInverse), "nor is it put back"


@pytest.mark.parametrize("make", [TaintNode, UntaintNode])
def test_others_taints_are_left_alone(make: type[TaintNode | UntaintNode]) -> None:
    theirs = Taint(key="nvidia.com/gpu", effect=TaintEffect.NO_SCHEDULE)
    fault = refused(make(node=EU_A1, taint=theirs), tainted(theirs))
    assert fault.code is RefusalCode.NOT_SUPPORTED
    assert "nvidia.com/gpu" in fault.message


def test_nothing_is_seated_on_a_taint_that_it_does_not_tolerate() -> None:
    """Fleets taint every GPU node: a taint shuts out those only who do not say that they put up with it."""
    theirs = Taint(key="nvidia.com/gpu", effect=TaintEffect.NO_SCHEDULE)
    estate = builders.estate().with_node(builders.node("eu-a3", taints=(theirs,)))
    move = ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1))
    change = MoveWorkload(workload=A_SERVE, moves=(move,))
    assert "is tainted `nvidia.com/gpu=:NoSchedule`" in refused(change, estate).message
    tolerant = serving(estate).model_copy(update={"tolerations": (Toleration(key="nvidia.com/gpu"),)})
    assert isinstance(effect(change, estate.with_workload(tolerant)), Ok)


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration(), True),
        (Toleration(key="placet.dev/fault"), True),
        (Toleration(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_SCHEDULE), True),
        (Toleration(key="placet.dev/fault", value="ecc"), False),
        (Toleration(key="placet.dev/fault", effect=TaintEffect.NO_EXECUTE), False),
        (Toleration(key="other"), False),
    ],
)
def test_a_toleration_covers_what_kubernetes_says_it_does(toleration: Toleration, covers: bool) -> None:
    assert toleration.covers(FENCE) is covers


def test_only_placets_own_closing_taints_are_fences() -> None:
    """Breakers count fences; a fleet whose every node is tainted for good is not fenced away."""
    discouraging = FENCE.model_copy(update={"effect": TaintEffect.PREFER_NO_SCHEDULE})
    theirs = Taint(key="nvidia.com/gpu", effect=TaintEffect.NO_SCHEDULE)
    fences = [builders.node("eu-a1", taints=(t,)).fenced for t in (FENCE, discouraging, theirs)]
    assert fences == [True, False, False]


def test_an_evicted_replica_is_pending_and_the_others_stay() -> None:
    left = serving(after(CordonNode(node=EU_A1), OFF_A1))
    assert [b.replica for b in left.bindings] == [1]
    assert left.replicas == 2
    assert isinstance(OFF_A1.inverse(builders.estate()), NoInverse)


def test_nothing_is_evicted_from_a_node_that_may_get_it_right_back() -> None:
    """Its owner's next replica would make verification a matter of luck."""
    fault = refused(OFF_A1)
    assert fault.code is RefusalCode.NOT_SUPPORTED
    assert "cordon or taint it first" in fault.message
    assert isinstance(effect(OFF_A1, tainted(FENCE)), Ok)
    tolerant = serving(builders.estate()).model_copy(update={"tolerations": (Toleration(),)})
    assert isinstance(effect(OFF_A1, tainted(FENCE).with_workload(tolerant)), Refusal)


def test_an_eviction_of_what_is_not_there_is_refused() -> None:
    fenced = after(CordonNode(node=NodeId("eu-a2")))
    fault = refused(EvictPod(workload=A_SERVE, replica=0, node=NodeId("eu-a2")), fenced)
    assert fault.code is RefusalCode.PRECONDITION_FAILED
    gone = refused(EvictPod(workload=A_SERVE, replica=0, node=NodeId("gone")))
    assert (gone.code, gone.about) == (RefusalCode.UNKNOWN_TARGET, "node/gone")


def test_of_counted_replicas_any_on_the_node_is_evicted() -> None:
    """Numbers are book-keeping: the executor may know that pod by another."""
    fenced = after(CordonNode(node=EU_A1), on=counting())
    left = serving(after(EvictPod(workload=A_SERVE, replica=7, node=EU_A1), on=fenced))
    assert len(left.bindings) == 2


def test_what_an_eviction_expects_holds_wherever_the_owner_puts_the_next_replica() -> None:
    """A condition on all bindings would be false on a cluster, where nothing stays pending for long."""
    laid = lay_out((CordonNode(node=EU_A1), OFF_A1), counting())
    assert isinstance(laid, Ok)
    eviction = laid.value.steps[1]
    assert [str(c.about) for c in eviction.postconditions] == ["resident/a-serve@eu-a1"]
    evicted = serving(laid.value.after)
    remade = (*evicted.bindings, builders.binding(0, "eu-b2", 0, 1))
    cluster = laid.value.after.with_workload(evicted.model_copy(update={"bindings": remade}))
    assert conditions.misses(cluster, eviction.postconditions) == ()
    assert conditions.misses(counting(), eviction.postconditions) != ()


def test_a_drain_says_whom_it_evicts_and_leaves_nobody() -> None:
    laid = lay_out((DrainNode(node=EU_A1, reason="xid 79"),), builders.estate())
    assert isinstance(laid, Ok)
    (step,) = laid.value.steps
    read = {c.field: c.equals for c in step.preconditions}
    assert read == {
        Field.CORDONED: False,
        Field.BINDINGS: ("a-serve 0@eu-a1:0,1", "b-train 0@eu-a1:4,5,6,7"),
    }
    assert {c.field: c.equals for c in step.postconditions} == {Field.CORDONED: True, Field.BINDINGS: ()}
    footprint = laid.value.footprint
    assert footprint.workloads == (A_SERVE, B_TRAIN)
    assert footprint.tenants == ("tenant-a", "tenant-b")
    assert footprint.disrupted_replicas == 2
    assert laid.value.after.taken(EU_A1) == frozenset()


def test_a_drain_of_a_node_that_was_cordoned_before_has_no_undo() -> None:
    fenced = after(CordonNode(node=EU_A1))
    assert isinstance(DrainNode(node=EU_A1).inverse(fenced), NoInverse)
    assert DrainNode(node=EU_A1).inverse(builders.estate()) == UncordonNode(node=EU_A1)


def test_a_replica_that_returns_later_does_not_belie_the_drain() -> None:
    back = ReplicaMove(replica=0, source=None, target=EU_A1, accelerators=(0, 1))
    plan = (DrainNode(node=EU_A1), UncordonNode(node=EU_A1), MoveWorkload(workload=A_SERVE, moves=(back,)))
    laid = lay_out(plan, builders.estate())
    assert isinstance(laid, Ok)
    lasting = effects.lasting(laid.value.steps)
    assert conditions.misses(laid.value.after, lasting) == ()
    assert {(str(c.about), c.field) for c in lasting} >= {("node/eu-a1", Field.CORDONED)}


def test_a_move_where_replicas_are_counted_disturbs_them_all() -> None:
    """Where a place is written in the template of all of them, one move replaces every one."""
    moved = (ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1)),)
    change = MoveWorkload(workload=A_SERVE, moves=moved)
    assert change.footprint(builders.estate()).disrupted_replicas == 1
    assert change.footprint(counting()).disrupted_replicas == 3


def test_growing_where_replicas_are_counted_disturbs_them_all_and_shrinking_those_that_stop() -> None:
    """A place for the added one is written in the template of all; fewer replicas need no place."""
    grow = ScaleWorkload(workload=A_SERVE, replicas=3, bindings=(builders.binding(2, "eu-a3", 0, 1),))
    assert grow.footprint(builders.estate()).disrupted_replicas == 0
    counted = grow.model_copy(update={"replicas": 4, "bindings": (builders.binding(3, "eu-a3", 0, 1),)})
    assert counted.footprint(counting()).disrupted_replicas == 3
    assert ScaleWorkload(workload=A_SERVE, replicas=4).footprint(counting()).disrupted_replicas == 0
    assert ScaleWorkload(workload=A_SERVE, replicas=1).footprint(counting()).disrupted_replicas == 2


def test_a_change_file_may_hold_each_kind() -> None:
    text = {
        "kind": "placet.change-file",
        "v": 1,
        "summary": "empty the node",
        "changes": [
            {"kind": "TaintNode", "node": "eu-a1", "taint": {"key": "placet.dev/fault", "effect": "NoSchedule"}},
            {"kind": "EvictPod", "workload": "a-serve", "replica": 0, "node": "eu-a1"},
            {"kind": "DrainNode", "node": "eu-a1", "reason": "repair"},
            {"kind": "UntaintNode", "node": "eu-a1", "taint": {"key": "placet.dev/fault", "effect": "NoSchedule"}},
        ],
    }
    read = ChangeFile.read(text)
    assert after(*read.changes).taken(EU_A1) == frozenset()
    assert ChangeFile.read(read.canonical()) == read
