"""What the gate's and the executor's words mean for a case."""

from __future__ import annotations

import pytest

from agents import folding
from agents.cases.answers import Route, answer, setback, worth_another
from agents.cases.investigating import fences, findings, symptom
from agents.cases.placing import place
from agents.minds.plans import Evacuate, Plan
from estate.changes import MoveWorkload
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.identities import Role
from estate.ids import NodeId, PolicyId
from estate.incidents import CaseState, Fence, Incident, Origin
from estate.modes import Mode
from estate.observations import EventType
from estate.outcomes import Ending
from estate.proposals import Lane
from estate.verdicts import Decision, Dimension, Requirement
from tests import builders
from tests.agents.staging import failure, outcome_of, verdict_on
from tools.catalogue.registry import Catalogue
from tools.placement.engine import MaskEngine

PROPOSAL = builders.proposal()


def forbid(*dimensions: Dimension, about: str = "rack/eu-b", policy: str = "p") -> object:
    return verdict_on(PROPOSAL, Decision.FORBID, failures=tuple(failure(d, about, policy) for d in dimensions))


def test_each_decision_has_its_route() -> None:
    assert answer(verdict_on(PROPOSAL)).route is Route.AWAIT_OUTCOME
    assert answer(verdict_on(PROPOSAL, Decision.NEEDS_APPROVAL)).route is Route.AWAIT_APPROVAL
    assert answer(forbid(Dimension.POWER)).route is Route.EXPLAIN
    assert answer(verdict_on(PROPOSAL, mode=Mode.OBSERVE)).ending is CaseState.HANDED_OVER
    assert answer(forbid(Dimension.APPROVAL, policy="denied-by-a-person")).ending is CaseState.DENIED


@pytest.mark.parametrize(
    ("origin", "dimensions", "again"),
    [
        (Origin.INCIDENT, [Dimension.POWER], True),
        (Origin.INCIDENT, [Dimension.LEGAL], True),
        (Origin.INCIDENT, [Dimension.POWER, Dimension.FREEZE], False),
        (Origin.INCIDENT, [Dimension.BLAST_RADIUS], False),
        (Origin.REQUEST, [Dimension.POWER, Dimension.FACTS], True),
        (Origin.REQUEST, [Dimension.POWER, Dimension.LEGAL], False),
        (Origin.PROPOSAL, [Dimension.FACTS], True),
        (Origin.PROPOSAL, [Dimension.POWER], False),
        (Origin.INCIDENT, [], False),
    ],
)
def test_another_attempt_is_made_only_where_it_may_fare_better(
    origin: Origin, dimensions: list[Dimension], again: bool
) -> None:
    assert worth_another(forbid(*dimensions), origin) is again


def test_an_approval_that_is_still_owed_does_not_stop_a_better_plan() -> None:
    """A plan that lacks power and a person's word: the next one may have the power, and asks for the word again."""
    owed = Requirement(policy=PolicyId("tenant-consents"), role=Role.TENANT_OWNER, count=1, reason="asked first")
    lines = (failure(Dimension.POWER, "rack/eu-b"), failure(Dimension.APPROVAL, "workload/b", "tenant-consents"))
    verdict = verdict_on(PROPOSAL, Decision.FORBID, failures=lines, requirements=(owed,))
    assert worth_another(verdict, Origin.INCIDENT)


def test_a_setback_names_the_racks_and_nodes_that_were_refused() -> None:
    estate = builders.estate()
    assert setback(forbid(Dimension.POWER), 1, estate).racks == ("eu-b",)
    assert setback(forbid(Dimension.TENANT, about="node/eu-b3"), 1, estate).nodes == ("eu-b3",)
    assert setback(forbid(Dimension.LEGAL, about="workload/a-serve"), 1, estate).racks == ()


def record(*events: object, **over: object) -> Incident:
    first = builders.event()
    found = folding.opened(first, folding.incident_id(first.id), "node/eu-a1")
    for event in events:
        found = folding.with_event(found, event)
    return found.model_copy(update=over)


def test_where_devices_are_only_counted_any_failed_one_may_be_anybodys() -> None:
    """A cluster names no devices: findings must not tell whose failed, and the plan moves all that is on the node."""
    counted = [w.model_copy(update={"counted": True}) for w in builders.default_workloads()]
    nodes = builders.default_nodes()
    estate = FrozenEstate.of(builders.version(), builders.facts(), nodes, counted)
    found = findings(record(), Catalogue(lambda: estate, MaskEngine()))
    held = [e.claim for e in found if " holds " in e.claim]
    assert held
    assert all("accelerators, nobody says which, of eu-a1" in claim for claim in held)
    plan = Plan(summary="off", aims=(Evacuate(node=NodeId("eu-a1")),))
    moved = {
        c.workload for c in place(plan, estate, MaskEngine(), builders.START).changes if isinstance(c, MoveWorkload)
    }
    assert moved == {w.id for w in estate.workloads_on(NodeId("eu-a1"))}


def test_the_fence_stays_while_the_device_is_lost_whatever_the_inventory_calls_the_node() -> None:
    fence = Fence(node=NodeId("eu-a1"), proposal=PROPOSAL.digest)
    fenced = builders.estate().with_node(builders.node("eu-a1", cordoned=True))
    assert "still lost" in fences(record(fences=(fence,)), fenced)[0]
    assert "not in force" in fences(record(fences=(fence,)), builders.estate())[0]


def test_the_symptom_is_gone_when_the_device_recovered_and_the_node_is_healthy() -> None:
    later = builders.START.replace(hour=9)
    back = builders.event(type=EventType.ACCELERATOR_RECOVERED, sender_id="back", received_at=later)
    fence = Fence(node=NodeId("eu-a1"), proposal=PROPOSAL.digest)
    assert symptom(record(back), builders.estate()) == ()
    ill = builders.estate().with_node(builders.node("eu-a1", health=Health.DEGRADED))
    assert symptom(record(back, fences=(fence,)), ill) == ("eu-a1 is degraded",)
    fenced = builders.estate().with_node(builders.node("eu-a1", cordoned=True))
    assert "well for a while" in fences(record(back, fences=(fence,)), fenced)[0]


def test_an_outcome_that_overtakes_its_fence_is_found_by_it() -> None:
    """The executor may be faster than the correlator's next write."""
    contained = builders.proposal(lane=Lane.CONTAINMENT)
    early = folding.with_outcome(record(), outcome_of(contained))
    fence = Fence(node=NodeId("eu-a1"), proposal=contained.digest)
    (kept,) = folding.with_fence(early, fence).fences
    assert kept.outcome == outcome_of(contained)
    (late,) = folding.with_outcome(folding.with_fence(record(), fence), outcome_of(contained)).fences
    assert late.outcome == outcome_of(contained)


def test_an_ended_case_stays_ended() -> None:
    over = folding.with_state(record(), CaseState.VERIFIED, "done", builders.START)
    assert folding.with_state(over, CaseState.PLANNING, None, builders.START) == over


def test_a_repeat_by_another_sender_is_no_news_and_another_device_is() -> None:
    repeat = builders.event(source="nvsentinel/eu")
    other = builders.event(sender_id="x", place=builders.event().place.model_copy(update={"accelerator": 5}))
    assert not folding.is_news(record(repeat), repeat)
    assert folding.is_news(record(other), other)
    assert folding.is_news(record(), builders.event())


def test_a_lapse_stands_beside_the_outcome_that_it_does_not_change() -> None:
    """What was verified was verified: a fence's outcome and a case's stay, and people read that it did not last."""
    contained = builders.proposal(lane=Lane.CONTAINMENT)
    verified = outcome_of(contained)
    lapsed = verified.model_copy(update={"ending": Ending.LAPSED, "reason": "somebody lifted it"})
    fence = Fence(node=NodeId("eu-a1"), proposal=contained.digest)
    told = folding.with_outcome(folding.with_outcome(folding.with_fence(record(), fence), verified), lapsed)
    assert told.fences[0].outcome == verified
    assert told.lapses == (lapsed,)
    assert folding.with_outcome(told, lapsed) == told
