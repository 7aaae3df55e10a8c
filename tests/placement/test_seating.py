"""Seating problems against every seating there is; and the large instance, by the benchmark's own checker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import joint
from tools.placement.planning.bounding import Bounding, Prices
from tools.placement.planning.greedy import greedy
from tools.placement.planning.problems import AWAY, BARRED, BESIDE, NOWHERE, Problem
from tools.placement.planning.solving import Effort, solve

QUICK = Effort(whole=0.5)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A few guests, some at home, on a few places in one to three racks, within everything as they stand."""
    guests, places = draw(st.integers(1, 4)), draw(st.integers(1, 4))

    def ints(count: int, least: int, most: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(least, most), min_size=count, max_size=count)), dtype=np.int64)

    rack = ints(places, 0, 2)
    apart = np.zeros((3, 3), dtype=np.int64)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        apart[i, j] = apart[j, i] = draw(st.sampled_from([0, 0, BESIDE, AWAY]))
    score = ints(guests * places, -20, 60).reshape(guests, places)
    made = Problem(
        units=ints(guests, 0, 4),
        watts=ints(guests, 0, 4),
        party=ints(guests, 0, 2),
        crew=ints(guests, 0, 3),
        flock=ints(guests, 0, 3),
        home=np.full(guests, NOWHERE, dtype=np.int64),
        score=np.where(score < -10, BARRED, score),
        room=ints(places, 0, 6),
        host=np.arange(places) // draw(st.sampled_from([1, 2])),
        rack=rack,
        side=rack // 2,
        headroom=ints(3, 0, 8),
        apart=apart,
        moves=draw(st.sampled_from([None, 0, 1, 2])),
        block=draw(st.sampled_from([0, 2, 3])),
        block_score=30,
        blocks_in=np.ones(places, dtype=np.bool_),
    )
    return _housed(draw, made)


def _housed(draw: st.DrawFn, made: Problem) -> Problem:
    """Some guests at home, where that breaks nothing; staying is always open to them."""
    for guest in range(made.guests):
        home, score = made.home.copy(), made.score.copy()
        home[guest] = draw(st.integers(-1, made.places - 1))
        if home[guest] >= 0:
            score[guest, home[guest]] = 0
            tried = replace(made, home=home, score=score)
            if not [*faults(tried, home)]:
                made = tried
    return made


def faults(p: Problem, seat: np.ndarray) -> Iterator[str]:
    """What is wrong with a seating, guest by guest: the definition, in plain words."""
    at = {g: int(b) for g, b in enumerate(seat) if b >= 0}
    yield from (f"{g} runs and was left out" for g in range(p.guests) if p.home[g] >= 0 and g not in at)
    yield from (f"{g} sits where it is barred" for g in at if p.score[g, at[g]] == BARRED)
    for b in range(p.places):
        if sum(p.units[g] for g in at if at[g] == b) > p.room[b]:
            yield f"place {b} is overfull"
    for r in range(len(p.headroom)):
        if sum(p.watts[g] for g in at if p.rack[at[g]] == r) > p.headroom[r]:
            yield f"rack {r} draws too much"
    yield from _too_close(p, at)
    yield from _torn(p, at)


def _too_close(p: Problem, at: dict[int, int]) -> Iterator[str]:
    for g, h in product(at, at):
        level = p.apart[p.party[g], p.party[h]]
        if level >= BESIDE and p.host[at[g]] == p.host[at[h]]:
            yield f"{g} and {h} share a host"
        if level >= AWAY and p.rack[at[g]] == p.rack[at[h]]:
            yield f"{g} and {h} share a rack"


def _torn(p: Problem, at: dict[int, int]) -> Iterator[str]:
    flocks, crews, moved = defaultdict(set), defaultdict(list), 0
    for g in range(p.guests):
        crews[p.crew[g]].append(g)
        flocks[p.flock[g]] |= {p.side[at[g]]} if g in at else set()
    yield from (f"flock {f} is torn" for f, sides in flocks.items() if len(sides) > 1)
    for crew in crews.values():
        if len({g in at for g in crew if p.home[g] < 0}) == 2:
            yield f"of crew {crew} only a part sits"
        running = [g for g in crew if p.home[g] >= 0]
        moved += len(running) * any(at.get(g) != p.home[g] for g in running)
    if p.moves is not None and moved > p.moves:
        yield f"{moved} are disturbed"


def best(p: Problem) -> int:
    """The most that any lawful seating scores, by trying all."""
    every = product(range(-1, p.places), repeat=p.guests)
    seats = (np.array(s, dtype=np.int64) for s in every)
    return max((p.value(s) for s in seats if not any(faults(p, s))), default=0)


@given(problems())
@settings(max_examples=25)
def test_the_answer_is_lawful_proved_and_the_best_there_is(p: Problem) -> None:
    found = solve(p, QUICK)
    assert [*faults(p, found.seat)] == []
    assert [*faults(p, greedy(p))] == []
    assert found.value == p.value(found.seat) == best(p) == found.bound


@given(problems())
@settings(max_examples=15)
def test_neighbourhoods_break_nothing_and_stay_within_the_bound(p: Problem) -> None:
    """Crews, flocks and moves reach beyond a neighbourhood."""
    found = solve(p, Effort(largest=-1, rounds=2, racks=1, aside=1))
    assert [*faults(p, found.seat)] == []
    assert p.value(greedy(p)) <= found.value <= best(p) <= found.bound


@given(problems(), st.lists(st.integers(-5, 60), min_size=7, max_size=7))
@settings(max_examples=25)
def test_no_prices_bound_less_than_the_best_there_is(p: Problem, drawn: list[int]) -> None:
    """Whoever has the prices can check the bound: any will do, and the linear program's do."""
    own = np.array([drawn[g] if p.home[g] >= 0 else max(drawn[g], 0) for g in range(p.guests)], dtype=np.int64)
    prices = Prices(own << 20, np.maximum(np.array(drawn[4:]), 0) << 18, move=max(drawn[0], 0) << 19)
    assert min(Bounding(p).priced(prices), Bounding(p).bound()) >= best(p)


def test_six_hundred_gangs_are_seated_lawfully_and_every_time_alike() -> None:
    """The search by neighbourhoods, of which two run at once: no clock and no thread decides anything."""
    made = joint.instance(1)
    posed, effort = joint.problem(made), Effort(rounds=1)
    first, found = greedy(posed), solve(posed, effort)
    for seats in (first, found.seat):
        assert [*joint.faults(made, seats.tolist())] == []
    assert found.value > posed.value(first)
    assert 0.98 * found.bound < found.value == joint.worth(made, found.seat.tolist()) <= found.bound
    assert solve(posed, effort).seat.tolist() == found.seat.tolist()
