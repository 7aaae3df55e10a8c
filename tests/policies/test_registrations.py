"""Who proposes, and the model that planned it, is registered by signed facts: by Cedar and by the kernel."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.ids import ComponentId, TenantId
from estate.law import Registration
from estate.proposals import Proposal
from estate.uses.running import ComponentSort
from estate.verdicts import Decision, Dimension
from policies import deciding, kernel, reviewing
from policies.mandates import Mandate
from policies.questions import Matter
from tests import builders
from tests.policies.asking import MOVE_A, MOVE_B, law, question

MIND = ComponentId("scripted")
AGENT = builders.registration("agent-1", sort=ComponentSort.AGENT)


def estate(*registered: Registration) -> FrozenEstate:
    return builders.estate(law_base=builders.facts(registrations=registered))


def failed(proposed: Proposal, on: FrozenEstate, **matter: Any) -> set[str]:
    """The rules about registrations that a proposal breaks; the kernel must say that it breaks some, or none."""
    asked = question(proposed, on, matter=Matter.of(proposed, **matter))
    verdict = deciding.decide(asked).verdict
    found = {f.policy for f in verdict.failures if f.dimension is Dimension.MODEL_REACH}
    objections = kernel.objections(asked.matter, on, (), builders.START)
    assert bool(found) == any(o.dimension is Dimension.MODEL_REACH for o in objections)
    assert deciding.KERNEL not in found, "the kernel alone objects"
    assert not found or verdict.decision is Decision.FORBID
    return {str(f) for f in found}


def test_the_runbook_of_an_agent_needs_no_registration_where_facts_register_nobody() -> None:
    assert failed(builders.proposal(MOVE_A), builders.estate()) == set()


def test_a_model_that_nobody_registered_plans_nothing() -> None:
    assert failed(builders.proposal(MOVE_A, mind=MIND), builders.estate()) == {"mind-registered", "model-reach"}
    tool = builders.registration(sort=ComponentSort.TOOL, tenants=(TenantId("tenant-a"),))
    assert failed(builders.proposal(MOVE_A, mind=MIND), estate(tool)) == {"mind-registered"}


def test_where_facts_register_agents_no_other_agent_proposes() -> None:
    other = builders.registration("agent-2", sort=ComponentSort.AGENT)
    assert failed(builders.proposal(MOVE_A), estate(other)) == {"mind-registered"}
    assert failed(builders.proposal(MOVE_A), estate(other, AGENT)) == set()


def test_a_model_plans_for_those_only_whose_data_it_may_see() -> None:
    own = builders.registration(tenants=(TenantId("tenant-a"),))
    assert failed(builders.proposal(MOVE_A, mind=MIND), estate(own)) == set()
    assert failed(builders.proposal(MOVE_B, mind=MIND), estate(own)) == {"model-reach"}


def test_what_runs_was_proposed_by_nobody() -> None:
    on = estate(AGENT)
    assert all(r.lawful for r in reviewing.review(on, law(), builders.START))


def test_nobody_proposes_on_facts_that_they_wrote() -> None:
    """Neither the agent that proposes, nor the person in whose name it does."""
    for author in ("agent-1", "ann", "somebody else"):
        on = builders.estate(law_base=builders.facts(author=author))
        ann = builders.subject("ann")
        proposed = builders.proposal(MOVE_A, on_behalf_of=ann, on=on)
        asked = question(proposed, on, matter=Matter.of(proposed, mandate=Mandate(person=ann)))
        found = deciding.decide(asked).verdict
        wanted = [] if author == "somebody else" else ["facts-by-another"]
        assert [f.policy for f in found.failures] == wanted, author


REGISTRATIONS = st.builds(
    lambda name, sort, tenants: builders.registration(name, sort=sort, tenants=tuple(TenantId(t) for t in tenants)),
    st.sampled_from(["agent-1", "agent-2", "scripted"]),
    st.sampled_from(ComponentSort),
    st.sets(st.sampled_from(["tenant-a", "tenant-b"])),
)


@settings(max_examples=12)
@given(
    st.lists(REGISTRATIONS, max_size=3, unique_by=lambda r: r.id),
    st.sampled_from([None, MIND, ComponentId("agent-2")]),
    st.sampled_from([MOVE_A, MOVE_B]),
)
def test_cedar_and_kernel_agree_on_who_may_plan(
    registered: list[Registration], mind: ComponentId | None, move: Any
) -> None:
    failed(builders.proposal(move, mind=mind), estate(*registered))
