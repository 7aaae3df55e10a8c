"""A part of a problem, or all of it, as a model of CP-SAT: everything outside the part stays where it is.

OR-tools is imported when the first model is built and never before: no other process than the one that plans loads it.
The same part, seed and limit give the same answer: one search on a limit of deterministic time, never of the clock's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.placement.columns import Ints
from tools.placement.planning.boards import Board
from tools.placement.planning.cliques import clashes
from tools.placement.planning.problems import AWAY, BESIDE, NOWHERE, Problem

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar

type Options = Mapping[int, Sequence[tuple[int, IntVar]]]
"""Of each guest, the places that come into question with their variables."""


@dataclass(frozen=True, slots=True)
class Part:
    """Guests that may sit anew, and the places among which."""

    guests: Ints
    places: Ints
    moves: int | None = None
    """How many running ones of them may be disturbed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one search may take, in CP-SAT's deterministic seconds, and its seed."""

    effort: float
    seed: int
    workers: int = 1
    """More than one: that many strategies in turn, in an order that no clock decides."""


@dataclass(frozen=True, slots=True)
class Found:
    """Seats of the part's guests, and the most that they could score."""

    seat: Ints
    bound: int
    proved: bool


def improve(problem: Problem, seat: Ints, part: Part, limits: Limits) -> Found:
    """The best seats that the search finds for the part; those of `seat` where it finds none that are as good."""
    from ortools.sat.python import cp_model

    board = Board.of(problem, _without(seat, part.guests))
    building = _Building(problem, board, part, cp_model.CpModel())
    model, options, objective = building.model, building.options(), building.objective
    building.constrain(options)
    for guest, offered in options.items():
        for place, chosen in offered:
            model.add_hint(chosen, int(seat[guest] == place))
    model.maximize(cp_model.LinearExpr.weighted_sum([v for v, _ in objective], [c for _, c in objective]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = limits.workers
    solver.parameters.interleave_search = limits.workers > 1
    solver.parameters.random_seed = limits.seed
    solver.parameters.max_deterministic_time = limits.effort
    solver.parameters.catch_sigint_signal = False
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found(seat, int(np.floor(solver.best_objective_bound + 1e-6)), proved=False)
    fresh = seat.copy()
    fresh[part.guests] = NOWHERE
    for guest, offered in options.items():
        for place, chosen in offered:
            if solver.boolean_value(chosen):
                fresh[guest] = place
    return Found(fresh, int(np.floor(solver.best_objective_bound + 1e-6)), status == cp_model.OPTIMAL)


def _without(seat: Ints, guests: Ints) -> Ints:
    found = seat.copy()
    found[guests] = NOWHERE
    return found


class _Building:
    """A model as it grows."""

    def __init__(self, problem: Problem, board: Board, part: Part, model: CpModel) -> None:
        self.problem, self.board, self.part, self.model = problem, board, part, model
        self.objective: list[tuple[IntVar, int]] = []

    def options(self) -> Options:
        """A variable for each guest and place that the others leave open."""
        p, found = self.problem, {}
        among = np.zeros(p.places, dtype=np.bool_)
        among[self.part.places] = True
        for guest in self.part.guests.tolist():
            places = np.flatnonzero(self.board.fits(guest) & among)
            found[guest] = [(b, self.model.new_bool_var("")) for b in places.tolist()]
            self.objective += [(v, int(p.score[guest, b])) for b, v in found[guest]]
        return found

    def constrain(self, options: Options) -> None:
        """Everything that holds between them."""
        self._seat(options)
        self._fill(options)
        self._power(options)
        self._keep_apart(options, self.problem.host, BESIDE)
        self._keep_apart(options, self.problem.rack, AWAY)
        self._flock(options)
        self._limit_moves(options)

    def _seat(self, options: Options) -> None:
        """Once at most, once in any case for who runs, and the members of a crew together."""
        crews: dict[int, list[int]] = defaultdict(list)
        for guest, offered in options.items():
            if self.problem.home[guest] >= 0:
                self.model.add_exactly_one(v for _, v in offered)
            else:
                self.model.add_at_most_one(v for _, v in offered)
                crews[int(self.problem.crew[guest])].append(guest)
        for crew in crews.values():
            for guest in crew[1:]:
                self.model.add(sum(v for _, v in options[crew[0]]) == sum(v for _, v in options[guest]))

    def _fill(self, options: Options) -> None:
        p = self.problem
        loads: dict[int, list[tuple[IntVar, int]]] = defaultdict(list)
        for guest, offered in options.items():
            for place, chosen in offered:
                loads[place].append((chosen, int(p.units[guest])))
        for place in self.part.places.tolist():
            room = int(self.board.room[place])
            if p.block and p.blocks_in is not None and p.blocks_in[place] and room >= p.block:
                blocks = self.model.new_int_var(0, room // p.block, "")
                self.objective.append((blocks, p.block_score))
                loads[place].append((blocks, p.block))
            self._at_most(loads[place], room)

    def _power(self, options: Options) -> None:
        p = self.problem
        loads: dict[int, list[tuple[IntVar, int]]] = defaultdict(list)
        for guest, offered in options.items():
            for place, chosen in offered:
                loads[int(p.rack[place])].append((chosen, int(p.watts[guest])))
        for rack, load in loads.items():
            self._at_most(load, int(self.board.headroom[rack]))

    def _at_most(self, load: Sequence[tuple[IntVar, int]], room: int) -> None:
        from ortools.sat.python.cp_model import LinearExpr

        if sum(c for _, c in load) > room or any(v.proto.domain[-1] > 1 for v, _ in load if len(load) == 1):
            self.model.add(LinearExpr.weighted_sum([v for v, _ in load], [c for _, c in load]) <= room)

    def _keep_apart(self, options: Options, where: Ints, level: int) -> None:
        """Of parties that clash at most one in each rack (or host)."""
        apart = self.problem.apart >= level
        present = sorted({int(self.problem.party[g]) for g in options})
        if not apart[np.ix_(present, present)].any():
            return
        groups = [[present[i] for i in group] for group in clashes(apart[np.ix_(present, present)])]
        there: dict[tuple[int, int], list[IntVar]] = defaultdict(list)
        for guest, offered in options.items():
            for place, chosen in offered:
                there[int(self.problem.party[guest]), int(where[place])].append(chosen)
        for at in sorted({at for _, at in there}):
            stands = {party: self._any(there[party, at]) for party in present if (party, at) in there}
            for group in groups:
                meeting = [stands[party] for party in group if party in stands]
                if len(meeting) > 1:
                    self.model.add_at_most_one(meeting)

    def _any(self, chosen: Sequence[IntVar]) -> IntVar:
        if len(chosen) == 1:
            return chosen[0]
        found = self.model.new_bool_var("")
        for each in chosen:
            self.model.add_implication(each, found)
        return found

    def _flock(self, options: Options) -> None:
        """Those of one flock on one side: none on two."""
        sides: dict[int, dict[int, list[IntVar]]] = defaultdict(lambda: defaultdict(list))
        for guest, offered in options.items():
            for place, chosen in offered:
                sides[int(self.problem.flock[guest])][int(self.problem.side[place])].append(chosen)
        for flock in sides.values():
            if len(flock) > 1:
                self.model.add_at_most_one(self._any(chosen) for chosen in flock.values())

    def _limit_moves(self, options: Options) -> None:
        if self.part.moves is None:
            return
        p = self.problem
        leaving: dict[tuple[bool, int], list[IntVar]] = defaultdict(list)
        for guest, offered in options.items():
            if p.home[guest] >= 0:
                leaving[True, int(p.crew[guest])] += [v for b, v in offered if b != p.home[guest]]
        sizes = {int(p.crew[g]): int(p.disturbance[g]) for g in options if p.home[g] >= 0}
        load = [(self._any(chosen), sizes[crew]) for (_, crew), chosen in leaving.items() if chosen]
        self._at_most(load, self.part.moves)


def disturbed(problem: Problem, seat: Ints, guests: Iterable[int] | None = None) -> int:
    """How many running guests a seating disturbs, whole crews; of some guests' crews only where they are named."""
    moved = problem.moved(seat)
    if guests is not None:
        moved = moved[np.isin(moved, list(guests))]
    _, first = np.unique(problem.crew[moved], return_index=True)
    return int(problem.disturbance[moved[first]].sum())
