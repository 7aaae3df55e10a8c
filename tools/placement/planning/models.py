"""A linear model of yes-or-no variables as CP-SAT reads it, written as messages.

`ortools.sat.python.cp_model` would write the same messages, but its import loads pandas: 1.8 s and 60 MB, where the
messages alone take 0.08 s. They are loaded with the first model and never before, by the process that plans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

type Variable = int
type Load = Sequence[tuple[Variable, int]]
"""Variables, each with what it weighs."""

_LEAST = -(2**62)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one search may take, in CP-SAT's deterministic seconds, and its seed."""

    effort: float
    seed: int
    workers: int = 1
    """More than one: that many strategies in turn, in an order that no clock decides."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The values of all variables, None where nothing was found; and the most that the objective could be."""

    values: tuple[int, ...] | None
    bound: int


class Model:
    """A model as it grows; its objective is as large as can be."""

    def __init__(self) -> None:
        from ortools.sat.python import cp_model_helper

        self._messages: Any = cp_model_helper
        self._model = cp_model_helper.CpModelProto()
        self._objective: Counter[Variable] = Counter()

    def variable(self, most: int = 1, score: int = 0, hint: int | None = None) -> Variable:
        """A whole number from 0 to `most`, and what each unit of it scores."""
        number = len(self._model.variables)
        self._model.variables.add().domain.extend([0, most])
        if score:
            self.worth(number, score)
        if hint is not None:
            self._model.solution_hint.vars.append(number)
            self._model.solution_hint.values.append(hint)
        return number

    def worth(self, variable: Variable, score: int) -> None:
        """What each unit of a variable scores beside what it did."""
        self._objective[variable] += score

    def one(self, among: Iterable[Variable]) -> None:
        """Exactly one."""
        self._model.constraints.add().exactly_one.literals.extend(list(among))

    def one_at_most(self, among: Iterable[Variable]) -> None:
        """One at most."""
        self._model.constraints.add().at_most_one.literals.extend(list(among))

    def at_most(self, load: Load, most: int) -> None:
        """A load within a limit."""
        self._linear(load, _LEAST, most)

    def equal(self, some: Iterable[Variable], others: Iterable[Variable]) -> None:
        """As many of some as of others."""
        self._linear([*((v, 1) for v in some), *((v, -1) for v in others)], 0, 0)

    def any_of(self, among: Sequence[Variable]) -> Variable:
        """A variable that is 1 where one of these is."""
        if len(among) == 1:
            return among[0]
        found = self.variable()
        for each in among:
            constraint = self._model.constraints.add()
            constraint.enforcement_literal.append(each)
            constraint.bool_and.literals.append(found)
        return found

    def solve(self, limits: Limits) -> Solution:
        """Search until it is proved, or the limit is reached."""
        messages, solver = self._messages, self._messages.SolveWrapper()
        objective = self._model.objective
        objective.vars.extend(self._objective.keys())
        objective.coeffs.extend([-c for c in self._objective.values()])
        objective.scaling_factor = -1.0
        parameters = messages.SatParameters()
        parameters.num_workers = limits.workers
        parameters.interleave_search = limits.workers > 1
        parameters.random_seed = limits.seed
        parameters.max_deterministic_time = limits.effort
        parameters.catch_sigint_signal = False
        solver.set_parameters(parameters)
        answer = solver.solve(self._model)
        found = answer.status in (messages.CpSolverStatus.OPTIMAL, messages.CpSolverStatus.FEASIBLE)
        return Solution(tuple(answer.solution) if found else None, -int(answer.inner_objective_lower_bound))

    def _linear(self, load: Load, least: int, most: int) -> None:
        linear = self._model.constraints.add().linear
        linear.vars.extend([v for v, _ in load])
        linear.coeffs.extend([c for _, c in load])
        linear.domain.extend([least, most])
