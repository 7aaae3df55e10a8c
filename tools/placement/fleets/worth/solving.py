"""Linear programmes by GLOP: the best that there is, and how much better it would be with a little more.

Called by `worths`. OR-tools' messages are filled from arrays: its wrapper would load pandas, and SciPy's own solver
takes ten times as long. Asked again (`Again`), a programme is solved for the few seats that matter, and all others are
looked at by the prices that it comes to: whoever would be worth its place joins, until nobody would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tools.placement.columns import Flags
from tools.placement.fleets.worth.programmes import Floats, More, Programme

_EARNS: Final = 1e-6
"""Accelerators that a seat earns above all prices, from where on it is worth having: above the solver's tolerance."""
_KILO: Final = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """In thousandths of accelerators: of a unit of each row, of one more replica at each seat, and of all together."""

    rows: Floats
    seats: Floats
    value: float
    used: Flags
    """By seat: whether anybody sits there."""

    def worth(self, more: More) -> float:
        """What so much more is worth at these prices."""
        return float(self.rows[more.rows] @ more.has + self.seats[more.seats] @ more.most)


def solved(problem: Programme, more: More | None = None) -> Prices:
    """The prices at which everything is worth the least, with so much more than there is."""
    has, most = grown(problem, more)
    return _solved(problem, has, most, np.arange(len(most)))


def grown(problem: Programme, more: More | None) -> tuple[Floats, Floats]:
    """What there is by row and by seat, with so much more."""
    has, most = problem.has.astype(np.float64), problem.most.astype(np.float64)
    if more is not None:
        np.add.at(has, more.rows, more.has)
        np.add.at(most, more.seats, more.most)
    return has, most


def _solved(problem: Programme, has: Floats, most: Floats, seats: Any) -> Prices:
    """With these seats alone."""
    if not len(seats):
        return Prices(np.zeros(len(has)), np.zeros(len(most)), 0.0, np.zeros(len(most), dtype=np.bool_))
    solver = _asked(problem, has, most, seats)
    rows = np.maximum(-solver.dual_values() * _KILO, 0) / problem.scale
    used = np.zeros(len(most), dtype=np.bool_)
    used[seats] = solver.variable_values() > 0
    return Prices(rows, _earned(problem, rows), -solver.objective_value() * _KILO, used)


def _asked(problem: Programme, has: Floats, most: Floats, seats: Any) -> Any:
    from ortools.linear_solver.python import model_builder_helper as messages
    from scipy.sparse import csr_matrix

    takes = csr_matrix(problem.takes[:, seats].multiply(1 / problem.scale[:, None]))
    model: Any = messages.ModelBuilderHelper()
    none, no_least = np.zeros(len(seats)), np.full(len(has), -np.inf)
    gives = -problem.gives[seats] / _KILO
    model.fill_model_from_sparse_data(none, most[seats], gives, no_least, has / problem.scale, takes)
    solver: Any = messages.ModelSolverHelper("glop")
    solver.solve(model)
    assert solver.status() == messages.SolveStatus.OPTIMAL, "nobody seated is always an answer, and seats are numbered"
    return solver


def _earned(problem: Programme, rows: Floats) -> Floats:
    """By seat: what a replica there puts to work above these prices."""
    found: Floats = np.maximum(problem.gives - problem.takes.T @ rows, 0)
    return found


class Again:
    """A programme that is asked again and again with a little more."""

    def __init__(self, problem: Programme, *known: Prices) -> None:
        """`known` says which seats matter: those that were used, and those that prices nearly let in."""
        self._problem = problem
        self._pool = np.logical_or.reduce([k.used | (k.seats > 0) for k in known])
        self._value = known[0].value

    def gained(self, more: More) -> float:
        """How many thousandths more are at work with so much more; none where its own needs cannot be met."""
        has, most = grown(self._problem, more)
        if (has < 0).any():
            return 0.0
        self._pool[more.seats] = True
        while True:
            found = _solved(self._problem, has, most, np.flatnonzero(self._pool))
            fresh = (found.seats > _EARNS * _KILO) & (most > 0) & ~self._pool
            if not fresh.any():
                return max(found.value - self._value, 0.0)
            self._pool |= fresh
