"""A problem solved: greedy at once, then neighbourhoods by CP-SAT, two at a time, under a bound by prices.

Deterministic: the same problem and effort give the same answer. What each neighbourhood holds follows from the seed, its
search ends by deterministic time, and two that are solved at once share no rack and no guest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng

from tools.placement.columns import Ints
from tools.placement.planning.bounding import Bounding, Prices
from tools.placement.planning.greedy import greedy
from tools.placement.planning.modelling import Found, Limits, Part, disturbed, improve
from tools.placement.planning.problems import Problem, Seating

WHOLE = 20_000
"""Up to so many guest-and-place pairs a problem is one model."""
_ASIDE = 24
"""Guests without a seat that a neighbourhood looks at."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent: rounds of prices, rounds of two neighbourhoods, and what one search may take."""

    prices: int = 80
    rounds: int = 40
    racks: int = 5
    """How many a neighbourhood has."""
    each: float = 0.15
    """Deterministic seconds of one search."""
    whole: float = 4.0
    """Of one search of everything."""
    seed: int = 0


def solve(problem: Problem, effort: Effort | None = None) -> Seating:
    """The best seating that is found, and the bound that no seating passes."""
    effort = effort or Effort()
    first = greedy(problem)
    if int(problem.open.sum()) <= WHOLE:
        return _whole(problem, first, effort)
    bounding = Bounding(problem)
    bound, prices = bounding.search(problem.value(first), effort.prices)
    seat = max((first, greedy(problem, prices.guests)), key=problem.value)
    return _searched(problem, seat, prices, bound, effort)


def _whole(problem: Problem, first: Ints, effort: Effort) -> Seating:
    everything = Part(np.arange(problem.guests), np.arange(problem.places), problem.moves)
    found = improve(problem, first, everything, Limits(effort.whole, effort.seed, workers=4))
    return Seating(found.seat, problem.value(found.seat), max(found.bound, problem.value(found.seat)))


def _searched(problem: Problem, seat: Ints, prices: Prices, bound: int, effort: Effort) -> Seating:
    chance = default_rng(effort.seed)
    rounds = 0
    with ThreadPoolExecutor(2, "plan") as threads:
        for rounds in range(1, effort.rounds + 1):  # noqa: B007 - told below
            if problem.value(seat) >= bound:
                break
            parts = _neighbourhoods(problem, seat, prices, chance, effort.racks)
            seed = int(chance.integers(1 << 30))
            found = threads.map(lambda part: improve(problem, seat, part, Limits(effort.each, seed)), parts)  # noqa: B023
            seat = _merged(problem, seat, parts, list(found))
    return Seating(seat, problem.value(seat), max(bound, problem.value(seat)), rounds)


def _merged(problem: Problem, seat: Ints, parts: tuple[Part, ...], found: list[Found]) -> Ints:
    merged = seat.copy()
    for part, each in zip(parts, found, strict=True):
        if problem.value(each.seat) >= problem.value(seat):
            merged[part.guests] = each.seat[part.guests]
    return merged


def _neighbourhoods(problem: Problem, seat: Ints, prices: Prices, chance: Generator, racks: int) -> tuple[Part, ...]:
    """Two, with racks that much the same guests could use, who sits there, and guests without a seat."""
    used = np.unique(problem.rack)
    first = chance.choice(used)
    alike = np.isin(problem.side, problem.side[problem.rack == first])
    near = np.unique(problem.rack[alike]) if chance.random() < 0.7 else used
    chosen = chance.permutation(near)[: 2 * racks]
    aside = np.flatnonzero(seat < 0)
    drawn = prices.guests[aside] * chance.random(len(aside)) ** 0.5
    aside = aside[np.argsort(-drawn, kind="stable")][: 2 * _ASIDE]
    return tuple(_part(problem, seat, chosen[n::2], aside[n::2]) for n in (0, 1))


def _part(problem: Problem, seat: Ints, racks: Ints, aside: Ints) -> Part:
    places = np.flatnonzero(np.isin(problem.rack, racks))
    sitting = np.flatnonzero(np.isin(seat, places))
    guests = np.concatenate([sitting, aside])
    if problem.moves is None:
        return Part(guests, places)
    spare = max(problem.moves - disturbed(problem, seat), 0) // 2
    return Part(guests, places, disturbed(problem, seat, sitting.tolist()) + spare)
