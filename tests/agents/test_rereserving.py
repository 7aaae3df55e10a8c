"""What an agent proposes for a reservation that could not be kept: other devices, or whoever stays moved away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.cases.placing import place
from agents.minds.plans import Plan, ReserveAgain
from agents.minds.runbook import Runbook
from estate import reserving
from estate.changes import MoveWorkload, ReleaseCapacity, ReserveCapacity, ScaleWorkload
from estate.effects import lay_out
from estate.evidence import Evidence
from estate.frozen import FrozenEstate
from estate.ids import ReservationId
from estate.observations import EventType
from estate.results import Ok
from estate.verdicts import Decision
from estate.workloads import Workload
from tests import builders
from tests.agents.test_minds import briefing
from tests.policies.asking import verdict
from tests.reserved import TONIGHT, holding, reserve, seat
from tools.placement.engine import MaskEngine

B_NIGHT = ReservationId("b-night")
AGAIN = Plan(summary="keep it", aims=(ReserveAgain(reservation=B_NIGHT),))
TWO = reserve("b-night", "tenant-b", seat("eu-b2", 0, 1), seat("eu-b3", 4, 5))


def proposed(estate: FrozenEstate, now: datetime = builders.START) -> Any:
    return place(AGAIN, estate, MaskEngine(), now)


def test_what_is_lost_is_reserved_elsewhere_and_what_is_sound_stays() -> None:
    estate = holding(TWO).with_node(builders.node("eu-b2", cordoned=True))
    found = proposed(estate)
    gone, made = found.changes
    assert isinstance(gone, ReleaseCapacity)
    assert isinstance(made, ReserveCapacity)
    assert seat("eu-b3", 4, 5) in made.terms.seats
    assert "eu-b2" not in {s.node for s in made.terms.seats}
    assert len(made.terms.devices) == 4
    assert isinstance(lay_out(found.changes, estate), Ok)


def guest(name: str = "a-guest", node: str = "eu-b2", at: int = 0, **contract: Any) -> Workload:
    """Two devices of a reserved node, held by one replica that may be moved."""
    promised = builders.contract(2, **({"preemptible": True} | contract))
    return builders.workload(name, replicas=1, contract=promised, bindings=(builders.binding(0, node, at, at + 1),))


def with_guests(*guests: Workload, nodes: tuple[str, ...] = ()) -> FrozenEstate:
    """The reservation with these on its nodes; of the estate only those nodes, where some are named."""
    small = builders.estate(nodes=tuple(map(builders.node, nodes)), workloads=()) if nodes else builders.estate()
    for one in guests:
        small = small.with_workload(one)
    return holding(TWO, on=small)


def test_whoever_may_be_moved_is_moved_and_the_gate_permits_it() -> None:
    estate = with_guests(guest())
    (move,) = proposed(estate).changes
    assert isinstance(move, MoveWorkload)
    assert {m.target for m in move.moves}.isdisjoint({"eu-b2", "eu-b3"})
    assert verdict(move, on=estate).decision is Decision.PERMIT


def test_who_is_promised_to_run_and_came_all_the_same_is_left_to_people_and_who_took_its_chance_is_not() -> None:
    found = proposed(
        with_guests(guest(preemptible=False, min_available=1), guest("late", "eu-b3", 4, preemptible=False))
    )
    assert [c.workload for c in found.changes] == ["late"]
    assert found.unplaced == ("b-night: `a-guest` is promised to run, and may not be moved for others",)


def test_the_highest_priority_has_the_last_home_and_who_has_none_is_stopped() -> None:
    """Beside the two reserved nodes there is one with two free devices."""
    most = builders.binding(0, "eu-b1", *range(6))
    full = builders.workload("full", replicas=1, contract=builders.contract(6), bindings=(most,))
    low, high = guest("low", priority=1), guest("high", "eu-b3", 4, priority=9)
    estate = with_guests(low, high, full, nodes=("eu-b1", "eu-b2", "eu-b3"))
    moved, stopped = proposed(estate).changes
    assert (moved.workload, [m.target for m in moved.moves]) == ("high", ["eu-b1"])
    assert stopped == ScaleWorkload(workload=low.id, replicas=0)
    assert verdict(moved, stopped, on=estate).decision is Decision.PERMIT
    kept = guest("low", min_available=1, priority=1)
    found = proposed(with_guests(kept, high, full, nodes=("eu-b1", "eu-b2", "eu-b3")))
    assert "`low` has no other home, and `low` would keep too few replicas" in found.unplaced[0]


def test_replicas_go_in_as_many_rounds_as_their_contract_asks_for() -> None:
    both = (builders.binding(0, "eu-b2", 0, 1), builders.binding(1, "eu-b3", 4, 5))
    two = guest(min_available=1).model_copy(update={"replicas": 2, "bindings": both})
    estate = with_guests(two)
    assert reserving.rounds(estate, TWO.terms, builders.START) == 2
    found = proposed(estate).changes
    assert [[m.replica for m in c.moves] for c in found] == [[0], [1]]
    assert verdict(*found, on=estate).decision is Decision.PERMIT


def test_work_that_says_to_be_gone_is_taken_at_its_word_until_the_start() -> None:
    estate = with_guests(guest(deadline=TONIGHT))
    assert proposed(estate).unplaced == ("b-night: it can be kept as it is",)
    assert isinstance(proposed(estate, TONIGHT).changes[0], MoveWorkload)


async def test_the_runbook_reserves_again_what_was_on_a_lost_node_and_what_its_sensor_tells_of() -> None:
    """Of two reservations on one node only that which its evidence names."""
    estate = holding(TWO, reserve("c-night", "tenant-c", seat("eu-b2", 7)))
    names = {"sensor": "reservations", "about": "reservation/c-night", "condition": "kept", "snapshot": ""}
    why = Evidence.model_validate({**names, "since": builders.START})
    unkept = {"type": EventType.CONTRACT_BREACHED, "code": reserving.UNKEPT, "place": at_eu_b2()}
    for event, told in (
        (builders.event(place=at_eu_b2()), {"b-night", "c-night"}),
        (builders.event(**unkept), {"b-night", "c-night"}),
        (builders.event(**unkept, evidence=why), {"c-night"}),
    ):
        brief = briefing(event, estate=estate)
        plan = await Runbook().plan(brief, await Runbook().diagnose(brief))
        assert isinstance(plan, Plan), plan
        assert {a.reservation for a in plan.aims if isinstance(a, ReserveAgain)} == told


def at_eu_b2() -> Any:
    return builders.event().place.model_copy(update={"node": "eu-b2", "rack": "eu-b", "accelerator": None})
