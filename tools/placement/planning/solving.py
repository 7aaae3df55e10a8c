"""A problem solved: greedy at once, then neighbourhoods by CP-SAT, two at a time, under a bound by prices.

Deterministic: the same problem and effort give the same answer. What each neighbourhood holds follows from the seed,
its search ends by deterministic time, and two that are solved at once share no rack and no guest.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator, default_rng

from tools.placement.columns import Ints
from tools.placement.planning.bounding import Bounding
from tools.placement.planning.greedy import best_of
from tools.placement.planning.modelling import Part, disturbed, improve
from tools.placement.planning.models import Limits
from tools.placement.planning.problems import Problem, Seating

_NEAR, _EVEN = 0.6, 1.0
"""How often racks of one side are taken, and how little worth counts against luck."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent."""

    rounds: int = 100
    """Of two neighbourhoods each."""
    racks: int = 4
    """How many a neighbourhood has."""
    aside: int = 20
    """How many guests without a seat it looks at."""
    each: float = 0.05
    """Deterministic seconds of one search."""
    largest: int = 20_000
    """Up to so many guest-and-place pairs a problem is one model."""
    whole: float = 4.0
    """Deterministic seconds of a search of that one."""
    seed: int = 0


def solve(problem: Problem, effort: Effort | None = None) -> Seating:
    """The best seating that is found, and the bound that no seating passes."""
    effort = effort or Effort()
    first = best_of(problem)
    if int(problem.open.sum()) <= effort.largest:
        return _whole(problem, first, effort)
    return _searched(problem, first, Bounding(problem).bound(), effort)


def _whole(problem: Problem, first: Ints, effort: Effort) -> Seating:
    everything = Part(np.arange(problem.guests), np.arange(problem.places), problem.moves)
    found = improve(problem, first, everything, Limits(effort.whole, effort.seed, workers=4))
    seat = max((found.seat, first), key=problem.value)
    return Seating(seat, problem.value(seat), max(found.bound, problem.value(seat)))


def _searched(problem: Problem, seat: Ints, bound: int, effort: Effort) -> Seating:
    chance, rounds = default_rng(effort.seed), 0
    with ThreadPoolExecutor(2, "plan") as threads:
        while rounds < effort.rounds and problem.value(seat) < bound:
            parts, limits = _neighbourhoods(problem, seat, chance, effort), Limits(effort.each, effort.seed + rounds)
            found = list(threads.map(partial(_improved, problem, seat, limits), parts))
            seat = _merged(problem, seat, parts, found)
            rounds += 1
    return Seating(seat, problem.value(seat), max(bound, problem.value(seat)), rounds)


def _improved(problem: Problem, seat: Ints, limits: Limits, part: Part) -> Ints:
    return improve(problem, seat, part, limits).seat


def _merged(problem: Problem, seat: Ints, parts: Sequence[Part], found: Sequence[Ints]) -> Ints:
    """Both parts as they were found, each where it is no worse."""
    merged = seat.copy()
    for part, fresh in zip(parts, found, strict=True):
        if problem.value(fresh) >= problem.value(seat):
            merged[part.guests] = fresh[part.guests]
    return merged


def _neighbourhoods(problem: Problem, seat: Ints, chance: Generator, effort: Effort) -> tuple[Part, ...]:
    """Two that share nothing: racks that much the same guests could use, who sits there, and some without a seat.

    The first rack of each has devices to spare, where any has; the worthier somebody without a seat, the likelier.
    """
    left = np.bincount(problem.rack, weights=problem.left(seat), minlength=len(problem.headroom))
    used = np.unique(problem.rack)
    spare = used[left[used] > 0]
    first = chance.choice(spare if spare.size else used)
    near = np.unique(problem.rack[np.isin(problem.side, problem.side[problem.rack == first])])
    drawn = chance.permutation(near if chance.random() < _NEAR and near.size >= 2 * effort.racks else used)
    racks = np.concatenate([[first], drawn[drawn != first]])[: 2 * effort.racks]
    aside = np.flatnonzero(seat < 0)
    density = problem.score[aside].max(axis=1, initial=0) / np.maximum(problem.units[aside], 1)
    aside = aside[np.argsort(-density * (_EVEN + chance.random(len(aside))), kind="stable")][: 2 * effort.aside]
    return tuple(_part(problem, seat, racks[n::2], aside[n::2]) for n in (0, 1))


def _part(problem: Problem, seat: Ints, racks: Ints, aside: Ints) -> Part:
    places = np.flatnonzero(np.isin(problem.rack, racks))
    sitting = np.flatnonzero(np.isin(seat, places))
    guests = np.concatenate([sitting, aside])
    if problem.moves is None:
        return Part(guests, places)
    spare = max(problem.moves - disturbed(problem, seat), 0) // 2
    return Part(guests, places, disturbed(problem, seat, sitting.tolist()) + spare)
