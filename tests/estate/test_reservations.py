"""Reservations as part of the estate: never two on one device, gone without a trace, and refused in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import reserving
from estate.changes import Change, ReserveCapacity
from estate.effects import effect
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import RackId, TenantId
from estate.results import Ok, Refusal
from estate.snapshots import Snapshot
from estate.uses.reservations import Afterwards, Meanwhile, Terms
from estate.workloads import Workload
from tests import builders
from tests.estate.estates_changing import changes
from tests.reserved import TONIGHT, holding, release, reserve, seat, terms

EVERYTHING = ("reserve", "reserve", "reserve", "release", "move", "scale")


@given(st.data())
@settings(max_examples=60)
def test_no_device_is_ever_reserved_twice_for_one_moment(data: st.DataObject) -> None:
    running: Snapshot = builders.estate()
    for _ in range(data.draw(st.integers(2, 8))):
        result = effect(data.draw(changes(running, EVERYTHING)), running)
        running = result.value if isinstance(result, Ok) else running
    moments = {(r.id, n, i): hours(r.terms) for r in reserving.every(running) for n, i in r.terms.devices}
    for (one, *where), (other, *there) in combinations(moments, 2):
        if where == there:
            assert moments[one, *where].isdisjoint(moments[other, *there]), (one, other)


def hours(granted: Terms) -> set[int]:
    """Each hour of it, by its number."""
    first, last = ((at - builders.START) // timedelta(hours=1) for at in (granted.start, granted.end))
    return set(range(first, last))


@given(st.data())
def test_what_was_reserved_and_given_back_leaves_the_estate_as_it_was(data: st.DataObject) -> None:
    before = holding(reserve("c-day", "tenant-c", seat("us-a2", 0)))
    made = data.draw(changes(before, ("reserve",)))
    assert isinstance(made, ReserveCapacity)
    after = effect(made, before)
    if isinstance(after, Refusal):
        return
    assert reserving.found(after.value, made.reservation) is not None
    back = made.inverse(before)
    assert not isinstance(back, Refusal)
    again = effect(back, after.value)  # type: ignore[arg-type]
    assert isinstance(again, Ok)
    assert (again.value.stock, [*again.value.nodes()], [*again.value.workloads()]) == (
        before.stock,
        [*before.nodes()],
        [*before.workloads()],
    )


SICK = builders.estate().with_node(builders.node("eu-b2", health=Health.FAILED))
OWN = (reserve("b-day", "tenant-b", seat("eu-b2", 3), start=TONIGHT + timedelta(hours=1)),)


def lasting(node: str, **over: Any) -> FrozenEstate:
    """Work of tenant-a on the first two devices of a node."""
    held = builders.workload("a-job", replicas=1, bindings=(builders.binding(0, node, 0, 1),), **over)
    return builders.estate().with_workload(held)


@pytest.mark.parametrize(
    ("change", "on", "fault"),
    [
        (reserve("b-night", "tenant-b", seat("eu-z9", 0)), builders.estate(), "`eu-z9` is not in the estate"),
        (reserve("b-night", "tenant-b", seat("eu-b2", 9)), builders.estate(), "`eu-b2` has no accelerator 9"),
        (reserve(), SICK, "`eu-b2` is failed"),
        (reserve("b", "tenant-b", seat("eu-b2", 0), seat("us-a2", 0)), builders.estate(), "eu-1, us-1); split it"),
        (reserve(), lasting("eu-b2"), "accelerator 0 is held by work that does not say to be gone by 2026-11-21T18"),
        (reserve(), holding(*OWN), "accelerator 3 is reserved from 2026-11-21T19:00:00Z to 2026-11-21T22:00:00Z"),
        (reserve(), holding(reserve()), "is there already; choose another name"),
        (release("nobody"), builders.estate(), "`reservation/nobody` is not in the estate"),
        (release("b-night", "tenant-a"), holding(reserve()), "`reservation/b-night` is not in the estate"),
    ],
)
def test_what_cannot_be_reserved_or_released_is_refused_with_the_reason(
    change: Change, on: FrozenEstate, fault: str
) -> None:
    found = effect(change, on)
    assert isinstance(found, Refusal)
    assert fault in found.message


@pytest.mark.parametrize(
    "work",
    [
        {"tenant": "tenant-b"},
        {"contract": builders.contract(2, deadline=TONIGHT)},
        {"contract": builders.contract(2, preemptible=True)},
    ],
    ids=["the holder's own", "done by then", "may be moved"],
)
def test_what_runs_there_and_will_be_gone_or_is_theirs_stands_in_nobodys_way(work: dict[str, Any]) -> None:
    assert isinstance(effect(reserve(), lasting("eu-b2", **work)), Ok)


def test_whoever_yields_at_the_end_is_followed_by_the_next() -> None:
    """Two reservations of one device after another, while the first one's work runs."""
    first = reserve("a-day", "tenant-a", seat("eu-b2", 0, 1), end=TONIGHT, start=builders.START)
    running = holding(first, on=lasting("eu-b2"))
    assert isinstance(effect(reserve(), running), Refusal), "it stays"
    yielding = holding(
        ReserveCapacity(
            reservation=first.reservation, terms=first.terms.model_copy(update={"afterwards": Afterwards.YIELDS})
        ),
        on=lasting("eu-b2"),
    )
    assert isinstance(effect(reserve(), yielding), Ok)


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"end": TONIGHT}, "end: `2026-11-21T18:00:00Z` is not after the start"),
        ({"seats": ()}, "at least 1 item"),
        ({"seats": (seat("eu-b2", 0), seat("eu-b2", 1))}, "seats: `eu-b2` is there twice"),
        ({"watts_per_accelerator": -1}, "greater than or equal to 0"),
    ],
)
def test_terms_that_contradict_themselves_name_the_field(over: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Terms(**(terms().model_dump() | over))
    assert fault in str(caught.value)
    with pytest.raises(ValidationError, match="in ascending order"):
        seat("eu-b2", 1, 1)


ENDING = builders.contract(2, deadline=TONIGHT)
MOVABLE = builders.contract(2, preemptible=True)
BEFORE, DURING, AFTER = builders.START, TONIGHT, TONIGHT + timedelta(hours=4)


@pytest.mark.parametrize(
    ("work", "meanwhile", "now", "kept"),
    [
        ({}, Meanwhile.PREEMPTIBLE, BEFORE, True),
        ({"contract": ENDING}, Meanwhile.ENDING, BEFORE, False),
        ({"contract": ENDING}, Meanwhile.NOBODY, BEFORE, True),
        ({"contract": MOVABLE}, Meanwhile.PREEMPTIBLE, BEFORE, False),
        ({"contract": MOVABLE}, Meanwhile.ENDING, BEFORE, True),
        ({"contract": MOVABLE}, Meanwhile.PREEMPTIBLE, DURING, True),
        ({"contract": MOVABLE}, Meanwhile.PREEMPTIBLE, None, True),
        ({"tenant": "tenant-b"}, Meanwhile.NOBODY, DURING, False),
        ({}, Meanwhile.NOBODY, AFTER, False),
    ],
)
def test_reserved_devices_are_kept_from_whom_the_terms_keep_them(
    work: dict[str, Any], meanwhile: Meanwhile, now: datetime | None, kept: bool
) -> None:
    estate = holding(reserve(meanwhile=meanwhile))
    asks: Workload = builders.workload("w", **work)
    here, beside = builders.binding(0, "eu-b2", 3, 4), builders.binding(1, "eu-b2", 4, 5)
    found = [b.replica for b, _ in reserving.kept_from(estate, asks, (here, beside), now)]
    assert found == ([0] if kept else [])


def test_watts_that_are_reserved_and_not_drawn_are_those_of_the_fullest_time() -> None:
    """Two at one time add up, two after another do not; what runs there draws them already."""
    later = TONIGHT + timedelta(hours=4)
    estate = holding(
        reserve("one", "tenant-b", seat("eu-b2", 0, 1)),
        reserve("with", "tenant-c", seat("eu-b3", 0), watts_per_accelerator=1_000),
        reserve("after", "tenant-b", seat("eu-b2", 0, 1, 2), start=later, end=later + timedelta(hours=1)),
    )
    assert reserving.undrawn_watts(estate, reserving.every(estate)) == {"eu-b": 2 * 700 + 1_000}
    running = estate.with_workload(
        builders.workload("b-job", tenant="tenant-b", replicas=1, bindings=(builders.binding(0, "eu-b2", 0, 1),))
    )
    assert reserving.undrawn_watts(running, reserving.every(running)) == {"eu-b": 1_000}
    assert reserving.unused(running, {TenantId("tenant-b")}) == (1, 700, ("after",))
    assert {r.id for r in reserving.in_rack(running, RackId("eu-b"))} == {"one", "with", "after"}
    assert reserving.in_rack(running, RackId("eu-a")) == ()
