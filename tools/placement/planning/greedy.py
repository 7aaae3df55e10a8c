"""The first answer, within milliseconds: whoever runs stays, then the best score for what it takes, best fit first."""

from __future__ import annotations

import numpy as np

from tools.placement.columns import Ints
from tools.placement.planning.boards import Board
from tools.placement.planning.problems import NOWHERE, Problem


def greedy(problem: Problem, worth: Ints | None = None) -> Ints:
    """A seat for each guest that finds one. `worth` (of each guest, scaled as one likes) decides who is asked first."""
    board = Board.of(problem, problem.home)
    waiting = np.flatnonzero(problem.home < 0)
    best = problem.score[waiting].max(axis=1, initial=0) if worth is None else worth[waiting]
    order = np.lexsort((waiting, -problem.units[waiting], -_density(problem, waiting, best)))
    crews: dict[int, list[int]] = {}
    for guest in waiting[order].tolist():
        crews.setdefault(int(problem.crew[guest]), []).append(guest)
    for crew in crews.values():
        _seat(board, crew)
    return board.seat


def _density(problem: Problem, guests: Ints, worth: Ints) -> np.ndarray:
    """What each guest is worth for the share that it takes of devices and of power, whichever is scarcer counting more."""
    wanted = (problem.units[guests].sum(), problem.watts[guests].sum())
    offered = (problem.room.sum(), problem.headroom.sum())
    scarce = [max(w, 1) / max(o, 1) ** 2 for w, o in zip(wanted, offered, strict=True)]
    return worth / np.maximum(problem.units[guests] * scarce[0] + problem.watts[guests] * scarce[1], 1e-12)


def _seat(board: Board, crew: list[int]) -> None:
    """All of them, or none."""
    for position, guest in enumerate(crew):
        place = _choose(board, guest)
        if place == NOWHERE:
            for seated in crew[:position]:
                board.lift(seated)
            return
        board.put(guest, place)


def _choose(board: Board, guest: int) -> int:
    """The best score, then the least room left, then the least power left."""
    places = np.flatnonzero(board.fits(guest))
    if not places.size:
        return NOWHERE
    p = board.problem
    scores = p.score[guest, places]
    places = places[scores == scores.max()]
    left = board.room[places]
    places = places[left == left.min()]
    chosen = int(places[np.argmin(board.headroom[p.rack[places]])])
    return chosen if p.score[guest, chosen] > 0 else NOWHERE
