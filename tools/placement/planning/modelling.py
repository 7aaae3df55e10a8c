"""A part of a problem, or all of it, as a model: everything outside the part stays where it is.

The same part, seed and limit give the same answer: the search ends by deterministic time, never by the clock's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.placement.columns import Ints
from tools.placement.planning.boards import Board
from tools.placement.planning.cliques import clashes
from tools.placement.planning.models import Limits, Model, Variable
from tools.placement.planning.problems import AWAY, BESIDE, NOWHERE, Problem

type Options = Mapping[int, Sequence[tuple[int, Variable]]]
"""Of each guest, the places that come into question with their variables."""


@dataclass(frozen=True, slots=True)
class Part:
    """Guests that may sit anew, and the places among which."""

    guests: Ints
    places: Ints
    moves: int | None = None
    """How many running ones of them may be disturbed."""


@dataclass(frozen=True, slots=True)
class Found:
    """All seats with the part's as the search found them, and the most that the part's guests could score."""

    seat: Ints
    bound: int


def improve(problem: Problem, seat: Ints, part: Part, limits: Limits) -> Found:
    """The best seats that the search finds for the part; those of `seat` where it finds none."""
    others = seat.copy()
    others[part.guests] = NOWHERE
    building = _Building(Board.of(problem, others), part)
    options = building.options(seat)
    building.constrain(options)
    solution = building.model.solve(limits)
    if solution.values is None:
        return Found(seat, problem.ceiling)
    for guest, offered in options.items():
        others[guest] = next((place for place, chosen in offered if solution.values[chosen]), NOWHERE)
    return Found(others, solution.bound)


def disturbed(problem: Problem, seat: Ints, guests: Iterable[int] | None = None) -> int:
    """How many running guests a seating disturbs, whole crews; of some guests' crews only where they are named."""
    moved = problem.moved(seat)
    if guests is not None:
        moved = moved[np.isin(moved, list(guests))]
    _, first = np.unique(problem.crew[moved], return_index=True)
    return int(problem.disturbance[moved[first]].sum())


class _Building:
    """A model as it grows over a board from which the part's guests were lifted."""

    def __init__(self, board: Board, part: Part) -> None:
        self.problem, self.board, self.part, self.model = board.problem, board, part, Model()
        self._outside = self.problem.home < 0
        self._outside[part.guests] = False

    def options(self, seat: Ints) -> Options:
        """A variable for each guest and each place that the others leave open; `seat` is the hint."""
        p, found = self.problem, {}
        among = np.zeros(p.places, dtype=np.bool_)
        among[self.part.places] = True
        for guest in self.part.guests.tolist():
            open_to = among if not self._crew_waits(guest) else np.zeros_like(among)
            places = np.flatnonzero(self.board.fits(guest) & open_to).tolist()
            scores = p.score[guest].tolist()
            found[guest] = [(b, self.model.variable(1, scores[b], int(seat[guest] == b))) for b in places]
        return found

    def constrain(self, options: Options) -> None:
        """Everything that holds between them."""
        p = self.problem
        self._seat(options)
        self._fill(options)
        loads = self._loads(options, p.rack, p.watts)
        for rack, load in loads.items():
            self._at_most(load, int(self.board.headroom[rack]))
        self._keep_apart(options, p.host, BESIDE)
        self._keep_apart(options, p.rack, AWAY)
        self._flock(options)
        self._limit_moves(options)
        self._rent(options)

    def _seat(self, options: Options) -> None:
        """Once at most; once in any case for who runs, and for whose crew sits elsewhere; and crews together."""
        crews: dict[int, list[int]] = defaultdict(list)
        for guest, offered in options.items():
            if self.problem.home[guest] >= 0 or self._crew_sits(guest):
                self.model.one(v for _, v in offered)
            else:
                self.model.one_at_most(v for _, v in offered)
                crews[int(self.problem.crew[guest])].append(guest)
        for crew in crews.values():
            for guest in crew[1:]:
                self.model.equal((v for _, v in options[crew[0]]), (v for _, v in options[guest]))

    def _crew_sits(self, guest: int) -> bool:
        """Whether some of its crew are no part of this, and sit."""
        mates = self._outside & (self.problem.crew == self.problem.crew[guest])
        return bool((self.board.seat[mates] >= 0).any())

    def _crew_waits(self, guest: int) -> bool:
        """Whether some of its crew are no part of this, and have no seat."""
        mates = self._outside & (self.problem.crew == self.problem.crew[guest])
        return bool(self.problem.home[guest] < 0 and (self.board.seat[mates] < 0).any())

    def _fill(self, options: Options) -> None:
        """Devices, and where they count the blocks that stay free."""
        p = self.problem
        loads = self._loads(options, np.arange(p.places), p.units)
        for place in self.part.places.tolist():
            room, load = int(self.board.room[place]), loads.get(place, [])
            if p.block and p.blocks_in is not None and p.blocks_in[place] and room >= p.block:
                most = room // p.block
                blocks = self.model.variable(most, p.block_score)
                self.model.at_most([*load, (blocks, p.block)], room)
            else:
                self._at_most(load, room)

    def _loads(self, options: Options, where: Ints, weight: Ints) -> dict[int, list[tuple[Variable, int]]]:
        loads: dict[int, list[tuple[Variable, int]]] = defaultdict(list)
        for guest, offered in options.items():
            for place, chosen in offered:
                loads[int(where[place])].append((chosen, int(weight[guest])))
        return loads

    def _at_most(self, load: Sequence[tuple[Variable, int]], most: int) -> None:
        if sum(c for _, c in load) > most:
            self.model.at_most(load, most)

    def _keep_apart(self, options: Options, where: Ints, level: int) -> None:
        """Of parties that clash at most one in each rack (or host)."""
        present = sorted({int(self.problem.party[g]) for g in options})
        apart = (self.problem.apart >= level)[np.ix_(present, present)]
        if not apart.any():
            return
        groups = [[present[i] for i in group] for group in clashes(apart)]
        there: dict[int, dict[int, list[Variable]]] = defaultdict(lambda: defaultdict(list))
        for guest, offered in options.items():
            for place, chosen in offered:
                there[int(where[place])][int(self.problem.party[guest])].append(chosen)
        for parties in there.values():
            stands = {party: self.model.any_of(chosen) for party, chosen in parties.items()}
            for group in groups:
                meeting = [stands[party] for party in group if party in stands]
                if len(meeting) > 1:
                    self.model.one_at_most(meeting)

    def _flock(self, options: Options) -> None:
        """Those of one flock on one side: none on two."""
        sides: dict[int, dict[int, list[Variable]]] = defaultdict(lambda: defaultdict(list))
        for guest, offered in options.items():
            for place, chosen in offered:
                sides[int(self.problem.flock[guest])][int(self.problem.side[place])].append(chosen)
        for flock in sides.values():
            if len(flock) > 1:
                self.model.one_at_most(self.model.any_of(chosen) for chosen in flock.values())

    def _rent(self, options: Options) -> None:
        """A place costs its rent once somebody sits there; all of them together no more than the ceiling."""
        p = self.problem
        if p.rent is None:
            return
        sitting: dict[int, list[Variable]] = defaultdict(list)
        for offered in options.values():
            for place, chosen in offered:
                sitting[place].append(chosen)
        rent, taken = self.board.rent(), []
        for place, seats in sorted(sitting.items()):
            if rent[place]:
                used = self.model.any_of(seats)
                self.model.worth(used, -int(rent[place]))
                taken.append((used, int(rent[place])))
        self._at_most(taken, p.purse - self.board.spent)

    def _limit_moves(self, options: Options) -> None:
        if self.part.moves is None:
            return
        p = self.problem
        leaving: dict[int, list[Variable]] = defaultdict(list)
        for guest, offered in options.items():
            if p.home[guest] >= 0:
                leaving[int(p.crew[guest])] += [v for b, v in offered if b != p.home[guest]]
        sizes = {int(p.crew[g]): int(p.disturbance[g]) for g in options if p.home[g] >= 0}
        load = [(self.model.any_of(chosen), sizes[crew]) for crew, chosen in leaving.items() if chosen]
        self._at_most(load, self.part.moves)
