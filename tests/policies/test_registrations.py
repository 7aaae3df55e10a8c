"""Whoever makes a proposal is registered as they are, for what it is about: by Cedar and by the kernel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.identities import SubjectKind
from estate.ids import ComponentId, TenantId
from estate.law import DataClass, Registration
from estate.proposals import Proposal
from estate.uses.running import ComponentSort, Maker
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
    asked = question(proposed, on, matter=replace(Matter.of(proposed), **matter))
    verdict = deciding.decide(asked).verdict
    found = {f.policy for f in verdict.failures if f.dimension is Dimension.MODEL_REACH}
    objections = kernel.objections(asked.matter, on, (), builders.START)
    assert bool(found) == any(o.dimension is Dimension.MODEL_REACH for o in objections)
    assert deciding.KERNEL not in found, "the kernel alone objects"
    assert not found or verdict.decision is Decision.FORBID
    return {str(f) for f in found}


PLACE = builders.maker("place", ComponentSort.TOOL)
TOOL = builders.registration("place", sort=ComponentSort.TOOL)
MODEL = builders.registration()


def test_an_agent_proposes_that_is_registered_and_says_that_it_is_that_one() -> None:
    assert failed(builders.proposal(MOVE_A), estate(AGENT)) == set()
    assert failed(builders.proposal(MOVE_A), estate()) == {"mind-registered"}
    assert failed(builders.proposal(MOVE_A, made_by=()), estate(AGENT)) == {"component-content"}, "it says nothing"
    another = builders.maker("agent-2")
    assert failed(builders.proposal(MOVE_A, made_by=(another,)), estate(AGENT)) == {
        "mind-registered",
        "component-content",
    }
    nobodys = builders.subject("agent_1@home", SubjectKind.AGENT)
    assert failed(builders.proposal(MOVE_A, proposer=nobodys), estate(AGENT)) == {"mind-registered"}
    mistaken = builders.registration("agent-1", sort=ComponentSort.TOOL)
    assert failed(builders.proposal(MOVE_A), estate(mistaken)) == {"mind-registered"}


def test_each_tool_is_asked_for_as_the_agent_is() -> None:
    proposed = builders.proposal(MOVE_A, made_by=(builders.maker(), PLACE))
    assert failed(proposed, estate(AGENT, TOOL)) == set()
    assert failed(proposed, estate(AGENT)) == {"mind-registered"}
    upgraded = TOOL.model_copy(update={"content": AGENT.content})
    assert failed(proposed, estate(AGENT, upgraded)) == {"component-content"}
    ended = TOOL.model_copy(update={"valid_until": builders.START})
    assert failed(proposed, estate(AGENT, ended)) == {"component-in-force"}
    elsewhere = TOOL.model_copy(update={"tenants": (TenantId("tenant-b"),)})
    assert failed(proposed, estate(AGENT, elsewhere)) == {"component-reach"}
    public = TOOL.model_copy(update={"data_classes": (DataClass.PUBLIC,)})
    assert failed(proposed, estate(AGENT, public)) == {"component-reach"}, "what has no class is the most secret"


def test_a_refusal_says_what_is_registered_what_runs_and_what_to_say() -> None:
    other = AGENT.model_copy(update={"content": TOOL.content})
    verdict = deciding.decide(question(builders.proposal(MOVE_A), estate(other))).verdict
    (failure,) = verdict.failures
    assert failure.needed == f"as registered: agent/agent-1 {TOOL.content}"
    assert failure.found == f"runs: agent/agent-1 {AGENT.content}"
    assert "`placet facts register`" in failure.remedy


def test_who_only_asks_what_would_be_decided_needs_nobody_registered() -> None:
    """A proposal in a file was made by nobody, unless the file says by whom."""
    bare = builders.proposal(MOVE_A, made_by=())
    assert failed(bare, estate(), supposed=True) == set()
    assert failed(builders.proposal(MOVE_A), estate(), supposed=True) == {"mind-registered"}


def test_a_model_that_nobody_registered_plans_nothing() -> None:
    assert failed(builders.proposal(MOVE_A, mind=MIND), estate(AGENT)) == {"mind-registered", "model-reach"}
    tool = builders.registration(sort=ComponentSort.TOOL, tenants=(TenantId("tenant-a"),))
    assert failed(builders.proposal(MOVE_A, mind=MIND), estate(AGENT, tool)) == {"mind-registered"}
    told = builders.proposal(MOVE_A, made_by=(builders.maker(), builders.maker(MIND, ComponentSort.MODEL)))
    assert failed(told, estate(AGENT)) == {"mind-registered", "model-reach"}, "though the proposal names no mind"
    assert failed(told, estate(AGENT, MODEL)) == set()


def test_a_model_plans_for_those_only_whose_data_it_may_see() -> None:
    own = builders.registration(tenants=(TenantId("tenant-a"),))
    assert failed(builders.proposal(MOVE_A, mind=MIND), estate(AGENT, own)) == set()
    assert failed(builders.proposal(MOVE_B, mind=MIND), estate(AGENT, own)) == {"model-reach"}


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


NAMES = st.sampled_from(["agent-1", "agent-2", "scripted"])
REGISTRATIONS = st.builds(
    lambda name, of, sort, tenants, classes, end: builders.registration(
        name,
        sort=sort,
        content=builders.registration(of).content,
        tenants=tuple(TenantId(t) for t in tenants),
        data_classes=tuple(classes),
        valid_until=end,
    ),
    NAMES,
    NAMES,
    st.sampled_from(ComponentSort),
    st.sets(st.sampled_from(["tenant-a", "tenant-b"])),
    st.sampled_from([(), (DataClass.PUBLIC,), tuple(DataClass)]),
    st.sampled_from([None, builders.START, builders.START + timedelta(days=1)]),
)
MAKERS = st.builds(
    lambda name, sort, told: builders.maker(name, sort).model_copy(update={} if told else {"content": None}),
    NAMES,
    st.sampled_from(ComponentSort),
    st.booleans(),
)


@settings(max_examples=30)
@given(
    st.lists(REGISTRATIONS, max_size=3, unique_by=lambda r: r.id),
    st.lists(MAKERS, max_size=3),
    st.sampled_from([None, MIND, ComponentId("agent-2")]),
    st.sampled_from([MOVE_A, MOVE_B]),
    st.booleans(),
)
def test_cedar_and_kernel_agree_on_who_may_plan(
    registered: list[Registration], made_by: list[Maker], mind: ComponentId | None, move: Any, supposed: bool
) -> None:
    proposed = builders.proposal(move, mind=mind, made_by=tuple(made_by))
    failed(proposed, estate(*registered), supposed=supposed)
