"""What an agent proposes for a reservation that could not be kept: other devices, or whoever stays moved away."""

from __future__ import annotations

from typing import Any

from agents.cases.placing import place
from agents.minds.plans import Plan, ReserveAgain
from agents.minds.runbook import Runbook
from estate.changes import MoveWorkload, ReleaseCapacity, ReserveCapacity
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.ids import ReservationId
from estate.observations import EventType
from estate.results import Ok
from tests import builders
from tests.agents.test_minds import briefing
from tests.reserved import holding, reserve, seat
from tools.placement.engine import MaskEngine

B_NIGHT = ReservationId("b-night")
AGAIN = Plan(summary="keep it", aims=(ReserveAgain(reservation=B_NIGHT),))
TWO = reserve("b-night", "tenant-b", seat("eu-b2", 0, 1), seat("eu-b3", 4, 5))


def proposed(estate: FrozenEstate) -> Any:
    return place(AGAIN, estate, MaskEngine(), builders.START)


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


def test_whoever_may_be_moved_is_moved_and_nobody_else() -> None:
    guest = builders.workload(
        "a-guest",
        replicas=1,
        contract=builders.contract(2, preemptible=True),
        bindings=(builders.binding(0, "eu-b2", 0, 1),),
    )
    estate = holding(TWO, on=builders.estate().with_workload(guest))
    (move,) = proposed(estate).changes
    assert isinstance(move, MoveWorkload)
    assert {m.target for m in move.moves}.isdisjoint({"eu-b2", "eu-b3"})
    stays = guest.model_copy(update={"contract": builders.contract(2)})
    found = proposed(holding(TWO, on=builders.estate().with_workload(stays)))
    assert (found.changes, "may not be moved for others" in found.unplaced[0]) == ((), True)


async def test_the_runbook_reserves_again_what_was_on_a_lost_node_and_what_its_sensor_tells_of() -> None:
    estate = holding(TWO)
    lost = builders.event(place=at_eu_b2())
    told = builders.event(type=EventType.CONTRACT_BREACHED, code="reservation-unkept", place=at_eu_b2())
    for event in (lost, told):
        brief = briefing(event, estate=estate)
        plan = await Runbook().plan(brief, await Runbook().diagnose(brief))
        assert isinstance(plan, Plan), plan
        assert ReserveAgain(reservation=B_NIGHT) in plan.aims


def at_eu_b2() -> Any:
    return builders.event().place.model_copy(update={"node": "eu-b2", "rack": "eu-b", "accelerator": None})
