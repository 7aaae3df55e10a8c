"""An offer for a time: what it would reserve can be reserved, and from when there is room is known, not guessed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estate import effects
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import TenantId
from estate.results import Ok
from estate.uses.reservations import Afterwards
from estate.workloads import BandwidthClass
from tests import builders
from tests.drawing import among
from tests.placement import estates
from tests.reserved import TONIGHT, holding, reserve, seat
from tools.placement.assurance.keeping import Keeper
from tools.placement.engine import MaskEngine
from tools.placement.offering import requests
from tools.placement.offering.answers import Grade, Offer
from tools.placement.offering.offers import offer
from tools.placement.offering.requests import Request
from tools.placement.offering.reservations import Window

HOUR = timedelta(hours=1)


def answered(estate: FrozenEstate, window: Window | None = None, **request: Any) -> Offer:
    asked = Request(**({"tenant": "tenant-a", "accelerators": 8, "outlives": ()} | request))
    return offer(MaskEngine(), Keeper(), estate, asked, builders.START, window)


def one(*made: Any, **work: Any) -> FrozenEstate:
    """One lawful node of eight devices; where named, with tenant-a's work on all of them."""
    held = builders.workload("a-job", replicas=1, bindings=(builders.binding(0, "eu-a1", *range(8)),), **work)
    return holding(*made, on=builders.estate(nodes=(builders.node("eu-a1"),), workloads=(held,) if work else ()))


NIGHT = reserve("b-night", "tenant-b", seat("eu-a1", *range(8)))
WHOLE = builders.contract(8)


@given(st.data())
@settings(max_examples=25)
def test_what_an_offer_would_reserve_can_be_reserved_on_the_estate_as_it_is(data: st.DataObject) -> None:
    estate = data.draw(estates.reserved(data.draw(estates.estates(law_base=estates.roomy()))))
    assume([*estate.nodes()])
    start = builders.START + HOUR * data.draw(st.integers(0, 4))
    window = Window(start=start, end=start + HOUR * data.draw(st.integers(1, 3)))
    request = {
        "tenant": data.draw(among([TenantId("tenant-a"), TenantId("tenant-c")])),
        "accelerators": data.draw(st.integers(1, 3)),
        "replicas": data.draw(st.integers(1, 2)),
        "bandwidth": BandwidthClass.ANY,
        "watts_per_accelerator": 300,
    }
    before = (estate.stock, [*estate.workloads()])
    found = answered(estate, window, **request)
    assert (estate.stock, [*estate.workloads()]) == before
    if found.reservation is not None:
        after = effects.effect(found.reservation, estate)
        assert isinstance(after, Ok), after
        again = answered(after.value, window, **request)  # type: ignore[arg-type]
        taken = found.reservation.terms.devices
        assert again.reservation is None or taken.isdisjoint(again.reservation.terms.devices)


def test_what_is_free_tonight_is_offered_though_it_is_taken_now() -> None:
    tonight = Window(start=TONIGHT, end=TONIGHT + HOUR)
    ending = one(contract=builders.contract(8, deadline=TONIGHT))
    found = answered(ending, tonight)
    assert (found.grade, found.reservation is not None) == (Grade.GUARANTEED, True)
    assert answered(ending, Window(end=TONIGHT)).reservation is None, "not before"
    assert answered(one(contract=builders.contract(8, preemptible=True)), tonight).reservation is not None
    assert answered(one(contract=WHOLE), tonight).reservation is None, "nobody says when it ends"
    assert answered(one(NIGHT), tonight, tenant="tenant-b").reservation is None, "nor twice for its own holder"


@pytest.mark.parametrize(
    ("estate", "when"),
    [
        (one(NIGHT), "reservation `b-night` ends"),
        (one(contract=builders.contract(8, deadline=TONIGHT + 4 * HOUR)), "`a-job` says to be done"),
        (
            one(
                reserve("a-day", "tenant-a", seat("eu-a1", *range(8)), start=builders.START,
                        end=TONIGHT + 4 * HOUR, afterwards=Afterwards.YIELDS),
                contract=WHOLE,
            ),
            "reservation `a-day` ends and `a-job` says to be done",
        ),
    ],
    ids=["a reservation", "a deadline", "whoever yields"],
)  # fmt: skip
def test_a_counter_offer_says_from_when_there_is_room_and_what_ends_then(estate: FrozenEstate, when: str) -> None:
    found = answered(estate, tenant="tenant-c")
    counter = found.counters[0]
    assert (counter.instead, counter.when) == ("start at 2026-11-21T22:00:00Z", when)
    assert counter.start == TONIGHT + 4 * HOUR
    told = found.for_tenant().counters[0]
    assert (told.instead, told.when, told.places[0].nodes) == (counter.instead, "", ())
    late = answered(estate, tenant="tenant-c", deadline=TONIGHT + HOUR)
    assert all(c.start is None for c in late.counters), "too late for whoever must be done before"


def test_where_nobody_says_when_anything_ends_no_time_is_offered() -> None:
    assert all(c.start is None for c in answered(one(contract=WHOLE), tenant="tenant-c").counters)


@pytest.mark.parametrize(
    ("window", "fault"),
    [
        ({"start": TONIGHT, "end": TONIGHT}, "end: `2026-11-21T18:00:00Z` is not after the start"),
        ({"start": builders.START - HOUR}, "start: `2026-11-21T07:00:00Z` has passed"),
        ({"end": builders.START - HOUR}, "end: `2026-11-21T07:00:00Z` has passed"),
    ],
)
def test_a_time_that_cannot_be_names_the_field(window: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput) as caught:
        answered(one(), Window(**window))
    assert fault in str(caught.value)
    with pytest.raises(BadInput, match="accelerators: nothing is reserved"):
        answered(one(), Window(), accelerators=0)
    assert requests.NAME == "request"
