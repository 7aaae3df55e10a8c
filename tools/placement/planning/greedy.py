"""The first answer, within milliseconds: whoever runs stays, the others in an order of worth, each where it leaves the
least behind.

What leaves little behind is a place with few devices more than are needed, in a rack that has about as many watts for
each device as the guest draws: so that neither runs out long before the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tools.placement.columns import UNCAPPED, Ints
from tools.placement.planning.boards import Board
from tools.placement.planning.problems import NOWHERE, Problem

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
        """Whoever scores more elsewhere, on its own side and within the budget of moves."""
        board, p = self._board, self._board.problem
        spent, crews = 0, set[int]()
        for guest in running:
            home, crew = int(p.home[guest]), int(p.crew[guest])
            price = 0 if crew in crews else int(p.disturbance[guest])
            if p.score[guest].max() <= p.score[guest, home] or (p.moves is not None and spent + price > p.moves):
                continue
            board.lift(guest)
            place = self._choose(guest, above=int(p.score[guest, home]), side=int(p.side[home]))
            board.put(guest, home if place == NOWHERE else place)
            if place != NOWHERE:
                spent += price
                crews.add(crew)

    def _choose(self, guest: int, above: int, side: int | None = None) -> int:
        """Of the places with the best score the one that leaves least behind."""
        board, p = self._board, self._board.problem
        open_to = board.fits(guest) & (p.score[guest] > above)
        if side is not None:
            open_to &= p.side == side
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
