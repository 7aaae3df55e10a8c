"""A rehearsal is what people and minds see before they decide: it must predict what the twin will do, and be silent."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    MoveWorkload,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
)
from estate.hardware import Health, Taint, TaintEffect
from estate.ids import ClusterId, NodeId, RackId, WorkloadId
from estate.units import Watts
from tests import builders
from tools.rehearsal.rehearsing import rehearse

A_SERVE = WorkloadId("a-serve")


def move(replica: int, source: str | None, target: str | None, *devices: int) -> Change:
    one = ReplicaMove(
        replica=replica,
        source=NodeId(source) if source else None,
        target=NodeId(target) if target else None,
        accelerators=devices,
    )
    return MoveWorkload(workload=A_SERVE, moves=(one,))


def both(target: str) -> Change:
    moves = (
        ReplicaMove(replica=0, source=NodeId("eu-a1"), target=NodeId(target), accelerators=(0, 1)),
        ReplicaMove(replica=1, source=NodeId("eu-a2"), target=NodeId(target), accelerators=(2, 3)),
    )
    return MoveWorkload(workload=A_SERVE, moves=moves)


def test_one_replica_after_the_other_keeps_the_disruption_budget() -> None:
    found = rehearse(builders.estate(), [move(0, "eu-a1", "eu-a3", 0, 1), move(1, "eu-a2", "eu-a3", 2, 3)])
    assert found.feasible
    assert (found.contracts_kept, found.contracts_broken) == ((A_SERVE,), ())
    assert found.tenants == ("tenant-a",)


def test_both_replicas_at_once_break_it() -> None:
    found = rehearse(builders.estate(), [both("eu-a3")])
    assert found.feasible
    assert found.contracts_broken == (A_SERVE,)


def test_a_drain_is_rehearsed_for_everybody_on_the_node() -> None:
    found = rehearse(builders.estate(), [DrainNode(node=NodeId("eu-a1"))])
    assert (found.contracts_kept, found.tenants) == ((A_SERVE, WorkloadId("b-train")), ("tenant-a", "tenant-b"))
    assert found.stranded_accelerators == 8
    both_nodes = [DrainNode(node=NodeId("eu-a1")), DrainNode(node=NodeId("eu-a2"))]
    assert rehearse(builders.estate(), both_nodes).contracts_broken == (A_SERVE,)


def test_moving_what_is_already_lost_breaks_no_promise() -> None:
    """Both nodes failed: the sooner both replicas move the better."""
    estate = builders.estate()
    for name in ("eu-a1", "eu-a2"):
        estate = estate.with_node(builders.node(name, health=Health.FAILED))
    assert rehearse(estate, [both("eu-a3")]).contracts_kept == (A_SERVE,)


def test_a_step_that_breaks_it_is_not_made_good_by_a_later_one() -> None:
    down = ScaleWorkload(workload=A_SERVE, replicas=0)
    up = ScaleWorkload(workload=A_SERVE, replicas=1, bindings=(builders.binding(0, "eu-a3", 0, 1),))
    assert rehearse(builders.estate(), [down, up]).contracts_broken == (A_SERVE,)


def test_a_home_beyond_the_residency_breaks_the_contract_whatever_is_running() -> None:
    lax = builders.estate().with_workload(
        builders.default_workloads()[0].model_copy(update={"contract": builders.contract(2)})
    )
    seats = (builders.binding(0, "us-a2", 0, 1), builders.binding(1, "us-a2", 2, 3))
    abroad = CopyWorkload(workload=A_SERVE, to_cluster=ClusterId("us-1"), bindings=seats)
    copy = WorkloadId("us-1.tenant-a.a-serve")
    found = rehearse(lax, [abroad, RemoveWorkload(workload=A_SERVE, replaced_by=copy)])
    assert (found.contracts_kept, found.contracts_broken) == ((A_SERVE,), (copy,))
    assert rehearse(lax, [both("eu-a3")]).contracts_kept == (A_SERVE,)


def test_the_racks_that_change_are_forecast_against_their_budget() -> None:
    found = rehearse(builders.estate(), [move(0, "eu-a1", "eu-b2", 0, 1)])
    before = builders.estate()
    drawn = {f.rack: f.drawn_watts for f in found.racks}
    assert drawn == {
        RackId("eu-a"): before.rack_watts(RackId("eu-a")) - 1_400,
        RackId("eu-b"): before.rack_watts(RackId("eu-b")) + 1_400,
    }
    assert {f.budget_watts for f in found.racks} == {builders.RACK_BUDGET}


def test_what_cannot_take_effect_is_infeasible_with_the_reason() -> None:
    found = rehearse(builders.estate(), [CordonNode(node=NodeId("eu-a3")), move(0, "eu-a1", "eu-a3", 0, 1)])
    assert not found.feasible
    assert found.refusal == "no-capacity: `eu-a3` is cordoned"


def test_free_devices_of_closed_nodes_and_useless_fragments_are_stranded() -> None:
    """The smallest replica in the estate asks for two."""
    estate = builders.estate()
    assert estate.stranded_accelerators() == 0
    assert estate.with_node(builders.node("us-b1", cordoned=True)).stranded_accelerators() == 8
    assert estate.with_node(builders.node("us-b1", health=Health.FAILED)).stranded_accelerators() == 8
    for key, lost in (("placet.dev/fault", 8), ("nvidia.com/gpu", 0)):
        taint = Taint(key=key, effect=TaintEffect.NO_SCHEDULE)
        assert estate.with_node(builders.node("us-b1", taints=(taint,))).stranded_accelerators() == lost
    one_left = builders.workload(
        "x", contract=builders.contract(7), replicas=1, bindings=(builders.binding(0, "eu-a3", *range(7)),)
    )
    assert estate.with_workload(one_left).stranded_accelerators() == 1
    assert rehearse(estate, [CordonNode(node=NodeId("eu-a1"))]).stranded_accelerators == 2


@pytest.mark.parametrize("change", [CordonNode(node=NodeId("eu-a1")), SetPowerCap(node=NodeId("gone"), watts=Watts(1))])
def test_a_what_if_is_silent_and_changes_nothing(change: Change) -> None:
    estate = builders.estate()
    before = tuple(estate.nodes())
    with capture_logs() as logged:
        rehearse(estate, [change])
    assert logged == []
    assert tuple(estate.nodes()) == before
