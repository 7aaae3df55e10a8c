"""Gangs seated on racks all at once: a synthetic instance by seed, the first answer, and the best found in ten seconds.

600 gangs of 4 to 72 GPUs (whole trays of four, small ones more often) want to be whole in one of 96 racks of 72 GPUs,
24 in each of four jurisdictions. Each gang's tenant may be in one to four jurisdictions; a gang draws 500 to 1 300 W a
GPU, depending on its work; a rack's budget is one of four ratings, between 694 and 1 375 W a GPU. 20 % of the gangs
need a rack without any other tenant's work. A gang's value is its GPUs times its priority (1 to 8). Twice as much is
wanted as there is, so that a choice is needed. Every answer goes through a checker that shares no code with the engine.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figure, figure, main
from tools.placement.planning.greedy import greedy
from tools.placement.planning.problems import AWAY, BARRED, NOWHERE, Problem
from tools.placement.planning.solving import Effort, solve

SEEDS = (1, 2, 3, 4, 5)
GANGS, RACKS, GPUS, JURISDICTIONS, TENANTS = 600, 96, 72, 4, 30
RATINGS = (50_000, 66_000, 80_000, 99_000)
DRAWS = (500, 700, 900, 1_100, 1_300)
ALONE = 0.2


@dataclass(frozen=True, slots=True)
class Gang:
    """One gang, as a person would write it down."""

    gpus: int
    watts: int
    priority: int
    tenant: int
    alone: bool
    jurisdictions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Instance:
    """Gangs, and of each rack its jurisdiction and its budget in watts."""

    gangs: tuple[Gang, ...]
    jurisdiction: tuple[int, ...]
    budget: tuple[int, ...]


def instance(seed: int) -> Instance:
    """The instance of that seed."""
    chance = np.random.default_rng(seed)
    limits = [
        frozenset(chance.permutation(JURISDICTIONS)[: chance.integers(1, JURISDICTIONS + 1)].tolist())
        for _ in range(TENANTS)
    ]
    trays = np.clip(np.rint(np.exp(chance.uniform(0, np.log(GPUS / 4 + 0.49), GANGS))), 1, GPUS // 4).astype(int)
    alone = np.zeros(GANGS, dtype=bool)
    alone[chance.permutation(GANGS)[: round(GANGS * ALONE)]] = True
    gangs = []
    for size, single in zip((trays * 4).tolist(), alone.tolist(), strict=True):
        tenant = int(chance.integers(TENANTS))
        watts = size * int(chance.choice(DRAWS))
        gangs.append(Gang(size, watts, int(chance.integers(1, 9)), tenant, single, limits[tenant]))
    budgets = tuple(int(chance.choice(RATINGS)) for _ in range(RACKS))
    return Instance(tuple(gangs), tuple(r % JURISDICTIONS for r in range(RACKS)), budgets)


def problem(made: Instance) -> Problem:
    """The instance as the engine takes it. A tenant has two parties: of gangs that stand alone, and of the others."""
    gangs = made.gangs
    value = np.array([g.gpus * g.priority for g in gangs], dtype=np.int64)
    lawful = np.array([[j in g.jurisdictions for j in made.jurisdiction] for g in gangs])
    parties = [(t, alone) for t in range(TENANTS) for alone in (False, True)]
    apart = [[AWAY if a != b and (x or y) else 0 for b, y in parties] for a, x in parties]
    racks = np.arange(len(made.budget))
    return Problem(
        units=np.array([g.gpus for g in gangs], dtype=np.int64),
        watts=np.array([g.watts for g in gangs], dtype=np.int64),
        party=np.array([2 * g.tenant + g.alone for g in gangs], dtype=np.int64),
        crew=np.arange(len(gangs)),
        flock=np.arange(len(gangs)),
        home=np.full(len(gangs), NOWHERE, dtype=np.int64),
        score=np.where(lawful, value[:, None], BARRED),
        room=np.full(len(racks), GPUS, dtype=np.int64),
        host=racks,
        rack=racks,
        side=np.array(made.jurisdiction, dtype=np.int64),
        headroom=np.array(made.budget, dtype=np.int64),
        apart=np.array(apart, dtype=np.int64),
    )


def faults(made: Instance, seats: Sequence[int]) -> Iterator[str]:
    """Everything that is wrong with an answer, gang by gang and rack by rack. Reads the instance alone."""
    inside: dict[int, list[Gang]] = defaultdict(list)
    for number, (gang, rack) in enumerate(zip(made.gangs, seats, strict=True)):
        if rack >= 0:
            inside[rack].append(gang)
            if made.jurisdiction[rack] not in gang.jurisdictions:
                yield f"gang {number} may not be in jurisdiction {made.jurisdiction[rack]}"
    for rack, gangs in inside.items():
        if sum(g.gpus for g in gangs) > GPUS:
            yield f"rack {rack} has too many GPUs in use"
        if sum(g.watts for g in gangs) > made.budget[rack]:
            yield f"rack {rack} draws too much"
        if any(g.alone for g in gangs) and len({g.tenant for g in gangs}) > 1:
            yield f"rack {rack} is shared with a tenant that needs it alone"


def worth(made: Instance, seats: Sequence[int]) -> int:
    """The value of who is placed."""
    return sum(g.gpus * g.priority for g, rack in zip(made.gangs, seats, strict=True) if rack >= 0)


@dataclass(frozen=True, slots=True)
class Run:
    """One instance, answered."""

    first_ms: float
    first_own_ms: float
    """Processor time of it."""
    first: float
    """Its part of the bound."""
    seconds: float
    processor: float
    """Seconds, of all threads."""
    best: float
    seats: tuple[int, ...]
    faults: int


def run(seed: int, effort: Effort | None = None) -> Run:
    """The instance of that seed: greedy, then the whole search, both checked."""
    made = instance(seed)
    posed = problem(made)
    began, worked = time.perf_counter(), time.process_time()
    first = greedy(posed).tolist()
    first_ms, first_own_ms = (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000
    began, worked = time.perf_counter(), time.process_time()
    found = solve(posed, effort)
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    seats = tuple(found.seat.tolist())
    assert worth(made, seats) == found.value, "the engine's own count of what it placed is wrong"
    wrong = len([*faults(made, first), *faults(made, seats)])
    return Run(
        first_ms=first_ms,
        first_own_ms=first_own_ms,
        first=worth(made, first) / found.bound,
        seconds=seconds,
        processor=processor,
        best=found.value / found.bound,
        seats=seats,
        faults=wrong,
    )


def measure() -> list[Figure]:
    """Every seed in turn, the first of them twice."""
    solve(problem(instance(0)), Effort(rounds=1))  # loads the solver
    runs = [run(seed) for seed in SEEDS]
    again = run(SEEDS[0])
    placed = [sum(rack >= 0 for rack in r.seats) for r in runs]
    differ = sum(a != b for a, b in zip(runs[0].seats, again.seats, strict=True))
    return [
        figure("first answer, the slowest seed", max(r.first_ms for r in runs), "ms", at_most=50),
        figure("first answer, processor time", max(r.first_own_ms for r in runs), "ms"),
        figure("first answer, of the bound, the worst seed", 100 * min(r.first for r in runs), "%"),
        figure("whole search, the slowest seed", max(r.seconds for r in runs), "s", at_most=10),
        figure("whole search, processor time", max(r.processor for r in runs), "s"),
        *(
            figure(f"value placed, of the proved bound, seed {s}", 100 * r.best, "%", at_least=99)
            for s, r in zip(SEEDS, runs, strict=True)
        ),
        figure("gangs placed, of 600", statistics.mean(placed), "gangs"),
        figure("faults that the checker found", sum(r.faults for r in (*runs, again)), "faults", at_most=0),
        figure("the same seed again, gangs seated otherwise", differ, "gangs", at_most=0),
    ]


if __name__ == "__main__":
    main("joint", measure)
