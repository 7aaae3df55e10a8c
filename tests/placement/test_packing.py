"""The packing engine against a judge that shares nothing with it: capacity, and what fits is placed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.referees import Referee
from tools.placement.packing import pricing
from tools.placement.packing.cutting import filled, strains
from tools.placement.packing.demands import Classes, Request
from tools.placement.packing.engine import Packer, Rule, Seat
from tools.placement.packing.expecting import Foresight
from tools.placement.packing.fleets import Fleet

pytestmark = pytest.mark.xdist_group("packing")  # one worker compiles, where nothing is compiled yet

SHARES = (190, 320, 470, 810, 1000)


def fleet(*nodes: tuple[int, int, int, int]) -> Fleet:
    """Nodes of (kind, CPU, memory, devices)."""
    kind, cpu, memory, devices = (np.array(column) for column in zip(*nodes, strict=True))
    return Fleet(kind, cpu, memory, devices)


NODES = st.tuples(st.integers(0, 2), st.integers(1, 8), st.integers(1, 8), st.sampled_from((0, 1, 2, 8)))
FLEETS = st.lists(NODES, min_size=1, max_size=8).map(
    lambda nodes: fleet(*((k, 1000 * c, m, d) for k, c, m, d in nodes))
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    devices = draw(st.sampled_from((0, 1, 1, 1, 2)))
    milli = 0 if not devices else 1000 if devices > 1 else draw(st.sampled_from(SHARES))
    kinds = draw(st.none() | st.frozensets(st.integers(0, 2), min_size=1))
    return Request(500 * draw(st.integers(0, 4)), draw(st.integers(0, 3)), devices, milli, kinds)


EVENTS = st.lists(requests() | st.integers(0, 30), max_size=40)


@settings(max_examples=30)
@given(FLEETS, EVENTS, st.sampled_from(Rule))
def test_no_seat_breaks_capacity_and_what_fits_is_seated(nodes: Fleet, events: list[Request | int], rule: Rule) -> None:
    foresight, referee, seated = Foresight(Packer(nodes, rule)), Referee(nodes), list[tuple[Request, Seat]]()
    for at, event in enumerate(events):
        if isinstance(event, Request):
            seat = foresight.place(event)
            referee.check(event, seat)
            seated += [(event, seat)] if seat else []
        elif seated:
            request, seat = seated.pop(event % len(seated))
            foresight.release(seat)
            referee.release(request, seat)
        if at == 20 and rule is Rule.GRADIENT:
            foresight.look()
    again = Foresight(Packer(nodes, rule))
    assert replayed(again, events, rule) == [seat for _, seat in seated], "the same calls gave other seats"


def replayed(foresight: Foresight, events: list[Request | int], rule: Rule) -> list[Seat]:
    """The seats that are left after the events."""
    seated: list[Seat] = []
    for at, event in enumerate(events):
        if isinstance(event, Request):
            seat = foresight.place(event)
            seated += [seat] if seat else []
        elif seated:
            foresight.release(seated.pop(event % len(seated)))
        if at == 20 and rule is Rule.GRADIENT:
            foresight.look()
    return seated


@settings(max_examples=20)
@given(FLEETS, EVENTS, requests())
def test_what_is_remembered_of_states_is_what_a_fresh_engine_would_find(
    nodes: Fleet, events: list[Request | int], last: Request
) -> None:
    foresight = Foresight(Packer(nodes))
    replayed(foresight, events, Rule.GRADIENT)
    fresh = foresight.packer.rehearse(np.array([foresight.packer.number(last)]))
    seat = foresight.place(last)
    assert fresh == (-1 if seat is None else seat.node)


def test_after_a_look_shares_go_where_they_spoil_least() -> None:
    """320 leaves 680 of a whole device, which nothing here fills, and 210 beside 470; beside 650 it leaves 30."""
    foresight = Foresight(Packer(fleet(*[(0, 9000, 9, 1)] * 90)))
    large, small, half = (Request(10, 0, 1, milli) for milli in (650, 320, 470))
    for _ in range(20):
        assert all(foresight.place(request) for request in (half, large))
    for _ in range(2):
        assert foresight.place(small)
    foresight.look()
    seat = foresight.place(small)
    assert seat
    beside = foresight.packer.rehearse(np.array([foresight.packer.number(large)]))
    assert foresight.packer.free_milli == 90_000 - 20 * (470 + 650) - 3 * 320
    assert beside >= 0


def test_scarce_kinds_are_dearer_to_those_who_could_go_elsewhere() -> None:
    classes = Classes(2)
    bound = classes.number(Request(0, 0, 1, 1000, frozenset({1})))
    free = classes.number(Request(0, 0, 1, 1000))
    columns = classes.columns
    price = pricing.prices(
        columns, np.array([5.0, 5.0]), np.array([[8.0, 8.0], [8.0, 8.0], [8000.0, 8000.0]]), columns.allowed
    )
    assert price[free, 1] > price[free, 0] == 0
    assert price[bound, 1] == 0, "where it has no choice it pays nothing"


@settings(max_examples=8)
@given(st.dictionaries(st.integers(50, 999), st.integers(1, 50), min_size=1, max_size=6))
def test_a_device_is_cut_for_no_more_than_it_is_worth(expected: dict[int, int]) -> None:
    shares = np.array(sorted(expected))
    row, strain = strains(shares, np.array([float(expected[share]) for share in sorted(expected)]))
    assert (strain >= 0).all()
    for share in shares:
        least = strain[row[share], share:].min()
        assert least <= 1e-3, "each share has a place where it spoils nothing"
    value, _ = filled(shares, shares.astype(float))
    assert all(a <= b for a, b in pairwise(value))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ((-1, 0), "cpu_milli"),
        ((0, -1), "memory_mebibytes"),
        ((0, 0, 1), "device_milli"),
        ((0, 0, 2, 500), "device_milli"),
    ],
)
def test_an_absurd_request_names_its_field(asked: tuple[int, ...], field: str) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        Request(*asked)


def test_an_absurd_fleet_names_its_field() -> None:
    with pytest.raises(ValueError, match="`cpu_milli`"):
        fleet((0, -1, 1, 1))
    with pytest.raises(ValueError, match="`kind`"):
        Fleet(*(np.array([], dtype=int) for _ in range(4)))
