"""The first answer, within milliseconds: whoever runs stays, the others in an order of worth, each where it leaves the
least behind.

What leaves little behind is a place with few devices more than are needed, in a rack that has about as many watts for
each device as the guest draws: so that neither runs out long before the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from tools.placement.columns import UNCAPPED, Ints
from tools.placement.planning.boards import Board
from tools.placement.planning.problems import BARRED, NOWHERE, Problem

CORES = (0.93, 0.9, 0.96, 0.86)
"""The worthiest guests that want this part of all devices are seated first, the largest of them before the others."""
ALIGNMENT = 0.4
"""What a mismatch of watts for a device, as part of the mean, counts against a room left, as part of the largest."""


def greedy(problem: Problem, core: float = CORES[0]) -> Ints:
    """A seat for each guest that finds one."""
    board = Board.of(problem, problem.home)
    choosing = _Choosing(board)
    crews: dict[int, list[int]] = {}
    for guest in _order(problem, core):
        crews.setdefault(int(problem.crew[guest]), []).append(guest)
    for crew in crews.values():
        choosing.seat(crew)
    choosing.move(np.flatnonzero(problem.home >= 0).tolist())
    return board.seat


def best_of(problem: Problem, cores: Iterable[float] = CORES) -> Ints:
    """The best of several orders."""
    return max((greedy(problem, core) for core in cores), key=problem.value)


def _order(problem: Problem, core: float) -> list[int]:
    waiting = np.flatnonzero(problem.home < 0)
    units = problem.units[waiting]
    density = problem.score[waiting].max(axis=1, initial=0) / np.maximum(units, 1)
    order = np.lexsort((waiting, -units, -density))
    size = int(np.searchsorted(np.cumsum(units[order]), core * problem.room.sum()))
    first = order[:size][np.argsort(-units[order[:size]], kind="stable")]
    found: list[int] = waiting[np.concatenate([first, order[size:]])].tolist()
    return found


class _Choosing:
    """Places for guests, on one board."""

    def __init__(self, board: Board) -> None:
        self._board, p = board, board.problem
        powered = np.flatnonzero(p.headroom < UNCAPPED)
        fed = np.isin(p.rack, powered)
        self._mean = float(p.headroom[powered].sum()) / max(float(p.room[fed].sum()), 1.0) or 1.0
        self._most = max(int(p.room.max(initial=1)), 1)
        self._spent, self._crews = 0, set[int]()

    def seat(self, crew: Sequence[int]) -> None:
        """All of them, or none."""
        for position, guest in enumerate(crew):
            place = self._choose(guest, above=0)
            if place == NOWHERE:
                for seated in crew[:position]:
                    self._board.lift(seated)
                return
            self._board.put(guest, place)

    def move(self, running: Iterable[int]) -> None:
        """Whoever scores more elsewhere, within the budget of moves; flocks that may change their side all together."""
        p, flocks = self._board.problem, defaultdict[int, list[int]](list)
        for guest in running:
            flocks[int(p.flock[guest])].append(guest)
        for flock in flocks.values():
            if len(np.unique(p.side[p.open[flock].any(axis=0)])) > 1:
                self._together(flock)
            else:
                for guest in flock:
                    self._together([guest])

    def _together(self, guests: Sequence[int]) -> None:
        """Each of some guests to where it scores best, if all find a place and score more than where they are."""
        board, p = self._board, self._board.problem
        crews = {int(p.crew[g]): int(p.disturbance[g]) for g in guests if int(p.crew[g]) not in self._crews}
        best, now = int(p.score[guests].max(axis=1).sum()), int(p.score[guests, p.home[guests]].sum())
        if best <= now or (p.moves is not None and self._spent + sum(crews.values()) > p.moves):
            return
        for guest in guests:
            board.lift(guest)
        gained = self._seated(guests) - now
        if gained <= 0:
            for guest in guests:
                if board.seat[guest] != NOWHERE:
                    board.lift(guest)
            for guest in guests:
                board.put(guest, int(p.home[guest]))
        else:
            self._spent += sum(crews.values())
            self._crews |= crews.keys()

    def _seated(self, guests: Sequence[int]) -> int:
        """What they score, each at its best place; the least there is where one finds none."""
        scored = 0
        for guest in guests:
            place = self._choose(guest, above=BARRED)
            if place == NOWHERE:
                return BARRED
            self._board.put(guest, place)
            scored += int(self._board.problem.score[guest, place])
        return scored

    def _choose(self, guest: int, above: int) -> int:
        """Of the places with the best score the one that leaves least behind."""
        board, p = self._board, self._board.problem
        open_to = board.fits(guest) & (p.score[guest] > above)
        places = np.flatnonzero(open_to)
        if not places.size:
            return NOWHERE
        scores = p.score[guest, places]
        places = places[scores == scores.max()]
        return int(places[np.argmin(self._behind(guest, places))])

    def _behind(self, guest: int, places: Ints) -> np.ndarray:
        p, room = self._board.problem, self._board.room[places]
        watts = np.minimum(self._board.headroom[p.rack[places]] / np.maximum(room, 1), 4 * self._mean)
        mismatch = np.abs(watts - p.watts[guest] / max(int(p.units[guest]), 1)) / self._mean
        found: np.ndarray = ALIGNMENT * mismatch + (room - p.units[guest]) / self._most
        return found
