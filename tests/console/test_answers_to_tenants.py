"""What a tenant is answered about placement: the contract's words alone, and the yes or no that operators are told.

On generated estates, without a door: `test_views_at_the_door` shows that the door asks this.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from console.door.commands import Assured, OfferAsked, Why, WouldPlace
from console.door.placing import Placing
from console.door.views import Sight
from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import NodeId, TenantId, WorkloadId
from tests import builders
from tests.placement import estates

MINE = TenantId("tenant-a")
ALL, TENANT = Sight(everything=True), Sight(everything=False, tenants=frozenset({MINE}))
ALIEN = re.compile(r"\b(?:(?:eu|us)-[ab][1-9]?|tenant-[bcx]|(?:GPU|pod|uid|leaf|feed)-\w+|others)\b")
"""Racks, nodes, other tenants, devices, leaf switches, feeds."""


def asked(estate: FrozenEstate, sight: Sight, question: Why | WouldPlace | Assured | OfferAsked) -> dict[str, Json]:
    try:
        found = Placing(lambda: estate, lambda: builders.START).answer(sight, question)
    except BadInput as error:
        return {"refused": str(error)}
    assert isinstance(found, dict)
    return found


_TERMS: list[dict[str, Json]] = [
    {},
    {"together": "rack"},
    {"spread": "leaf"},
    {"models": ["MI300X"]},
    {"share": 300, "accelerators": 1},
    {"locality": "numa", "rails": 2, "millicores": 9_000},
    {"cost_ceiling": 1},
    {"supply": "redundant", "availability": 999},
    {"latency": 3, "users": ["us-east"]},
    {"priority": 9, "deadline": "2026-12-01T00:00:00Z"},
]
_WINDOWS: list[dict[str, Json] | None] = [None, {}, {"start": "2026-11-28T00:00:00Z"}]


@st.composite
def offers(draw: st.DrawFn) -> OfferAsked:
    """Requests of tenant-a with some term that may not be met."""
    wanted: dict[str, Json] = {
        "tenant": MINE,
        "accelerators": draw(st.integers(1, 9)),
        "replicas": draw(st.integers(1, 3)),
    }
    return OfferAsked.model_validate(
        {"request": wanted | draw(st.sampled_from(_TERMS)), "window": draw(st.sampled_from(_WINDOWS))}
    )


@st.composite
def questions(draw: st.DrawFn, estate: FrozenEstate) -> Why | WouldPlace | Assured | OfferAsked:
    """Any that a tenant may ask."""
    own = [w.id for w in estate.workloads() if w.tenant == MINE]
    sort = draw(st.integers(0, 6))
    if sort > 3 or not own:
        return draw(offers())
    if sort == 3:
        return Assured()
    workload = draw(st.sampled_from(own))
    avoid = tuple(n.id for n in estate.nodes() if draw(st.booleans()))
    return Why(workload=workload, each_node=True) if sort == 2 else WouldPlace(workload=workload, avoid=avoid)


@settings(max_examples=10)
@given(st.data())
def test_no_answer_names_a_rack_or_anybody_else_and_each_says_what_operators_are_told(data: st.DataObject) -> None:
    estate = data.draw(estates.reserved(data.draw(estates.estates(law_base=estates.roomy()))))
    question = data.draw(questions(estate))
    theirs = {w.id for w in estate.workloads() if w.tenant != MINE}
    told, known = asked(estate, TENANT, question), asked(estate, ALL, question)
    said = canonical.dumps({k: v for k, v in told.items() if k != "reservation"}).decode()
    assert not ALIEN.search(said), said
    assert not [w for w in theirs if re.search(rf'"{w}"|`{w}`', said)], said
    assert [told.get(k) for k in ("fits", "grade", "assured")] == [known.get(k) for k in ("fits", "grade", "assured")]


def test_who_runs_and_has_nowhere_else_is_told_so_in_the_contracts_words() -> None:
    """Nothing of it waits; the question is about what runs."""
    lost = [n.model_copy(update={"health": Health.FAILED}) for n in builders.estate().nodes() if n.id != "eu-a1"]
    estate = builders.estate(nodes=[builders.node("eu-a1"), *lost])
    question = WouldPlace(workload=WorkloadId("a-serve"), replicas=(0,), avoid=(NodeId("eu-a1"),))
    told = asked(estate, TENANT, question)
    assert told["fits"] is False
    assert "a place that was not ruled out" in str(told["plainly"])
