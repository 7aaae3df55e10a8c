"""Which model may see which tenant's data, and where prompts go: held in code before a prompt leaves the process.

The model is a program behind a real HTTP endpoint that keeps every byte it was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from agents.minds.model import ModelMind
from agents.minds.plans import Diagnosis, NoPlan, Plan
from agents.minds.reaching import Known
from agents.minds.runbook import Runbook
from estate.events import Event, Place
from estate.frozen import FrozenEstate
from estate.ids import ComponentId, Country, EntityId, NodeId, SiteId, TenantId, WorkloadId
from estate.law import DataClass, Endpoint, Facts
from tests import builders
from tests.agents.endpoints import NOTHING, OverHttp, Scripted, serving
from tests.agents.test_minds import briefing

CAUSE = Diagnosis(cause="lost", nodes=(NodeId("eu-a1"),))
HOME = Endpoint(country=Country("DE"), operator=EntityId("eu-hosting"), kept_in=(Country("DE"),))
PEEK = {"name": "search_workloads", "args": {}, "id": "1"}


@pytest.fixture
async def model() -> AsyncIterator[Scripted]:
    """One that listens."""
    async with serving() as made:
        yield made


def mind(model: Scripted, known: Known | None = None, clock: builders.TestClock | None = None) -> ModelMind:
    known = known or Known(ComponentId("scripted"))
    return ModelMind(OverHttp(url=model.url), known, Runbook(), clock or builders.TestClock())


def registered(**over: Any) -> Facts:
    return builders.facts(registrations=(builders.registration(**({"endpoint": HOME} | over)),))


def lone() -> Event:
    """A fault on a node where only tenant-a's work stands."""
    place = Place(site=SiteId("eu-de"), node=NodeId("eu-a2"), workload=WorkloadId("a-serve"))
    return builders.event(place=place)


async def asked(model: Scripted, facts: Facts, event: Event | None = None, **over: Any) -> tuple[int, str]:
    """How many prompts left for a case, and what the plan says of it."""
    told = briefing(event or builders.event(), estate=builders.estate(law_base=facts))
    plan = await mind(model, **over).plan(told, CAUSE)
    said = plan.reason if isinstance(plan, NoPlan) else "; ".join(plan.notes)
    return len(model.sent), said


async def test_a_model_that_may_see_all_whom_a_case_concerns_is_asked(model: Scripted) -> None:
    assert await asked(model, registered()) == (1, "the model says so")


async def test_a_model_that_may_not_see_one_of_them_is_not_asked_at_all(model: Scripted) -> None:
    """`eu-a1` holds work of two tenants; of the two nodes of tenant-a's one holds nobody else's."""
    facts = registered(tenants=(TenantId("tenant-a"),))
    prompts, said = await asked(model, facts)
    assert (prompts, "may not see what is of `tenant-b`" in said) == (0, True)
    assert (await asked(model, facts, lone()))[0] == 1


async def test_the_tools_of_a_model_show_nothing_of_others(model: Scripted) -> None:
    model.replies = [{"content": "", "tool_calls": [PEEK]}, {"content": NOTHING}]
    facts = registered(tenants=(TenantId("tenant-a"),))
    assert (await asked(model, facts, lone()))[0] == 2
    seen = "".join(model.sent)
    assert "a-serve" in seen
    assert not [name for name in ("b-train", "c-batch") if name in seen]


REFUSED: dict[str, tuple[Facts, str]] = {
    "nobody registers it": (builders.facts(), "not registered"),
    "it is registered as something else": (registered(sort="tool"), "not registered"),
    "it may see nobody": (registered(tenants=()), "may not see what is of"),
    "data of no class is the most secret": (registered(data_classes=(DataClass.INTERNAL,)), "which is restricted"),
    "prompts rest abroad": (
        registered(endpoint=HOME.model_copy(update={"kept_in": (Country("DE"), Country("US"))})),
        "would reach US on the geographic axis",
    ),
    "where prompts rest is unknown": (
        registered(endpoint=HOME.model_copy(update={"kept_in": ()})),
        "nobody knows where",
    ),
    "its operator can be compelled abroad": (
        registered(endpoint=HOME.model_copy(update={"operator": EntityId("us-cloud")})),
        "would reach US on the legal axis",
    ),
    "so can a subprocessor": (
        registered(endpoint=HOME.model_copy(update={"subprocessors": (EntityId("us-cloud"),)})),
        "would reach US on the legal axis",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_no_prompt_leaves_where(why: str, model: Scripted) -> None:
    facts, reason = REFUSED[why]
    prompts, said = await asked(model, facts)
    assert (prompts, reason in said) == (0, True), said


async def test_another_digest_or_expired_facts_are_no_registration(model: Scripted) -> None:
    other = Known(ComponentId("scripted"), builders.registration("other").content)
    assert (await asked(model, registered(), known=other))[0] == 0
    late = builders.TestClock(builders.START + timedelta(days=400))
    assert (await asked(model, registered(), clock=late))[0] == 0
    own = Known(ComponentId("scripted"), builders.registration().content)
    assert (await asked(model, registered(), known=own))[0] == 1


async def test_the_runbook_answers_where_the_model_may_not_be_asked(model: Scripted) -> None:
    estate: FrozenEstate = builders.estate(law_base=builders.facts())
    diagnosis = await mind(model).diagnose(briefing(builders.event(), estate=estate))
    assert diagnosis.nodes == ("eu-a1",)
    plan = await mind(model).interpret(briefing(builders.event(), estate=estate), "scale a-serve to 3")
    assert isinstance(plan, Plan)
    assert model.sent == []
