"""A proved bound by prices: what each guest's seat and each rack's watt are worth, and what racks could earn at those.

For any prices, no seating scores more than the guests' prices, the watts' prices, and of each rack the best company at
prices deducted (a knapsack, solved exactly). So whoever has the prices can check the bound in whole numbers
(`priced`); where they come from, the duals of a linear program in floating point, proves nothing.
Crews, flocks, budgets of moves and places within a rack are left out: a seating that heeds them scores no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Final

import numpy as np

from tools.placement.columns import Ints
from tools.placement.planning.cliques import companies
from tools.placement.planning.problems import AWAY, BARRED, Problem

SCALE: Final = 1 << 20
"""Prices are whole numbers, in parts of a score."""
_KILO = 1000.0
"""The linear program counts kilowatts: its numbers stay near each other."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of each guest, and of a watt in each rack, in parts of `SCALE`."""

    guests: Ints
    watts: Ints


class Bounding:
    """A problem made ready: racks as knapsacks, and the companies that may share one."""

    def __init__(self, problem: Problem) -> None:
        p = self._problem = problem
        racks = len(p.headroom)
        self._score = np.full((p.guests, racks), BARRED, dtype=np.int64)
        np.maximum.at(self._score.T, p.rack, p.score.T)
        room = np.bincount(p.rack, weights=p.room, minlength=racks).astype(np.int64)
        self._unit = gcd(*p.units.tolist(), p.block or 0) or 1
        self._units = p.units // self._unit
        self._room = room // self._unit
        found = companies(p.apart >= AWAY)
        parties = [set(c) for c in found] if found is not None else [set(range(len(p.apart)))]
        self._companies = [np.flatnonzero(np.isin(p.party, list(c))) for c in parties]

    def bound(self) -> int:
        """The least bound of the prices that are tried."""
        return min(self.priced(self.start()), self.priced(self.duals()))

    def start(self) -> Prices:
        """Prices as if devices alone were scarce, and everybody could sit anywhere."""
        p = self._problem
        best = np.maximum(p.score.max(axis=1, initial=0), 0)
        order = np.argsort(-best / np.maximum(p.units, 1), kind="stable")
        full = int(np.searchsorted(np.cumsum(p.units[order]), p.room.sum()))
        each = best[order[full]] / max(p.units[order[full]], 1) if full < p.guests else 0.0
        guests = np.maximum((best - each * p.units) * SCALE, 0).astype(np.int64)
        return Prices(guests, np.zeros(len(p.headroom), dtype=np.int64))

    def duals(self) -> Prices:
        """What a linear program over classes of equal racks says that seats and watts are worth."""
        from ortools.linear_solver.pywraplp import Solver

        p, solver = self._problem, Solver.CreateSolver("GLOP")
        forms = np.concatenate([self._score.T, self._room[:, None], p.headroom[:, None]], axis=1)
        _, firsts, classes, sizes = np.unique(forms, axis=0, return_index=True, return_inverse=True, return_counts=True)
        seats = [solver.Constraint(1.0 if h >= 0 else 0.0, 1.0) for h in p.home.tolist()]
        powers = [self._class(solver, seats, int(rack), int(size)) for rack, size in zip(firsts, sizes, strict=True)]
        if solver.Solve() != Solver.OPTIMAL:
            return self.start()
        guests = np.array([round(c.dual_value() * SCALE) for c in seats], dtype=np.int64)
        watts = np.array([round(c.dual_value() / _KILO * SCALE) for c in powers], dtype=np.int64)[classes.ravel()]
        return Prices(np.where(p.home >= 0, guests, np.maximum(guests, 0)), np.maximum(watts, 0))

    def _class(self, solver: Any, seats: Sequence[Any], rack: int, size: int) -> Any:
        """So many equal racks as one: room and power together."""
        p, objective = self._problem, solver.Objective()
        objective.SetMaximization()
        room = solver.Constraint(-solver.infinity(), float(self._room[rack] * size))
        power = solver.Constraint(-solver.infinity(), float(p.headroom[rack]) * size / _KILO)
        for guest in np.flatnonzero(self._score[:, rack] > BARRED).tolist():
            share = solver.NumVar(0.0, solver.infinity(), "")
            objective.SetCoefficient(share, float(self._score[guest, rack]))
            seats[guest].SetCoefficient(share, 1.0)
            room.SetCoefficient(share, float(self._units[guest]))
            power.SetCoefficient(share, float(p.watts[guest]) / _KILO)
        if p.block:
            blocks = solver.NumVar(0.0, solver.infinity(), "")
            objective.SetCoefficient(blocks, float(p.block_score))
            room.SetCoefficient(blocks, p.block / self._unit)
        return power

    def priced(self, prices: Prices) -> int:
        """The bound at these prices, rounded down to a whole score."""
        p = self._problem
        paid = int(prices.guests.sum()) + int((prices.watts * p.headroom).sum())
        return (paid + self._earned(prices)) // SCALE

    def _earned(self, prices: Prices) -> int:
        """What racks earn at these prices, each with the company that earns the most there."""
        p = self._problem
        deducted = self._score * SCALE - prices.guests[:, None] - p.watts[:, None] * prices.watts[None, :]
        profit = np.where(self._score > BARRED, deducted, 0)
        best = np.zeros(len(self._room), dtype=np.int64)
        for company in self._companies:
            guests = company[(profit[company] > 0).any(axis=1)]
            best = np.maximum(best, self._knapsacks(profit[guests], self._units[guests]))
        return int(best.sum())

    def _knapsacks(self, profit: Ints, units: Ints) -> Ints:
        """Of each rack the most that guests earn within its room; who earns less than nothing is never taken."""
        p, racks, most = self._problem, len(self._room), int(self._room.max(initial=0))
        table = np.zeros((racks, most + 1), dtype=np.int64)
        if p.block:
            table += (np.arange(most + 1) // (p.block // self._unit)) * (p.block_score * SCALE)
        for guest, need in enumerate(units.tolist()):
            if need <= most:
                offered = table[:, : most + 1 - need] + np.maximum(profit[guest], 0)[:, None]
                table[:, need:] = np.maximum(table[:, need:], offered)
        return table[np.arange(racks), self._room]
