"""A proved bound by prices: of each guest's seat, a watt in each rack and a move, and what places could earn at those.

For any prices, no seating scores more than the guests' prices, the watts' and the moves', and of each place the best
company at prices deducted (a knapsack, solved exactly). So whoever has the prices can check the bound in whole numbers
(`priced`); where they come from, the duals of a linear program in floating point, proves nothing.
Crews, flocks, and neighbours in other places of a rack are left out: a seating that heeds them scores no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any, Final

import numpy as np

from tools.placement.columns import Flags, Ints
from tools.placement.planning.cliques import companies
from tools.placement.planning.problems import BARRED, BESIDE, Problem

SCALE: Final = 1 << 20
"""Prices are whole numbers, in parts of a score."""
_LARGEST: Final = 250_000
"""Guest-and-place pairs beyond which no linear program is solved: it would take many seconds."""
_KILO = 1000.0
"""The linear program counts kilowatts: its numbers stay near each other."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of each guest, of a watt in each rack, and of a move, in parts of `SCALE`."""

    guests: Ints
    watts: Ints
    move: int = 0


class Bounding:
    """A problem made ready: places as knapsacks, and the companies that may share one."""

    def __init__(self, problem: Problem) -> None:
        p = self._problem = problem
        self._unit = gcd(*p.units.tolist(), p.block) or 1
        self._units, self._room = p.units // self._unit, p.room // self._unit
        found = companies(p.apart >= BESIDE)
        parties = [set(c) for c in found] if found is not None else [set(range(len(p.apart)))]
        self._companies = [np.flatnonzero(np.isin(p.party, list(c))) for c in parties]

    @cached_property
    def _moves(self) -> Flags:
        """Guests × places: where sitting there is a move of somebody who runs."""
        p = self._problem
        found: Flags = (p.home[:, None] >= 0) & (p.home[:, None] != np.arange(p.places)[None, :])
        return found

    @cached_property
    def _blocks(self) -> Flags:
        """The places where free blocks count."""
        p = self._problem
        counted = p.blocks_in if p.block and p.blocks_in is not None else np.zeros(p.places, dtype=np.bool_)
        return counted & (p.room >= max(p.block, 1))

    def bound(self) -> int:
        """The least bound of the prices that are tried."""
        tried = [self.start(), self.leaving()]
        if int(self._problem.open.sum()) <= _LARGEST:
            tried.append(self.duals())
        return min(map(self.priced, tried))

    def start(self) -> Prices:
        """Prices as if devices alone were scarce, and everybody could sit anywhere."""
        p = self._problem
        best = np.maximum(p.score.max(axis=1, initial=0), 0)
        order = np.argsort(-best / np.maximum(p.units, 1), kind="stable")
        full = int(np.searchsorted(np.cumsum(p.units[order]), p.room.sum()))
        each = best[order[full]] / max(p.units[order[full]], 1) if full < p.guests else 0.0
        guests = np.maximum((best - each * p.units) * SCALE, 0).astype(np.int64)
        return Prices(guests, np.zeros(len(p.headroom), dtype=np.int64))

    def leaving(self) -> Prices:
        """Prices as if moves alone were scarce, each worth its part of the blocks that leaving a home frees."""
        p, blocks = self._problem, max(self._problem.block, 1)
        running = np.flatnonzero(p.home >= 0)
        count = np.bincount(p.home[running], minlength=p.places)
        freed = np.where(self._blocks, p.room // blocks - p.left(p.home) // blocks, 0) * p.block_score
        each = freed / np.maximum(count, 1)
        order = np.argsort(-each[p.home[running]], kind="stable")
        spent = p.moves is not None and p.moves < len(running)
        last = float(each[p.home[running[order[p.moves]]]]) if spent else 0.0
        guests = np.zeros(p.guests)
        guests[running] = -np.minimum(each[p.home[running]], last)
        return Prices(
            np.rint(guests * SCALE).astype(np.int64), np.zeros(len(p.headroom), dtype=np.int64), round(last * SCALE)
        )

    def duals(self) -> Prices:
        """What a linear program says that seats, watts and moves are worth; equal racks and places are one."""
        from ortools.linear_solver.pywraplp import Solver

        p, solver = self._problem, Solver.CreateSolver("GLOP")
        solver.Objective().SetMaximization()
        seats = [solver.Constraint(1.0 if h >= 0 else 0.0, 1.0) for h in p.home.tolist()]
        budget = solver.Constraint(-solver.infinity(), float(p.guests if p.moves is None else p.moves))
        forms, racks = self._forms()
        powers = []
        for rack, like in racks:
            power = solver.Constraint(-solver.infinity(), float(p.headroom[rack]) * len(like) / _KILO)
            powers.append((like, power))
            here = np.flatnonzero(p.rack == rack)
            for form in np.unique(forms[here]):
                alike = here[forms[here] == form]
                self._class(solver, (seats, power, budget), int(alike[0]), len(alike) * len(like))
        if solver.Solve() != Solver.OPTIMAL:
            return self.start()
        guests = np.array([round(c.dual_value() * SCALE) for c in seats], dtype=np.int64)
        watts = np.zeros(len(p.headroom), dtype=np.int64)
        for like, power in powers:
            watts[like] = max(round(power.dual_value() / _KILO * SCALE), 0)
        return Prices(
            np.where(p.home >= 0, guests, np.maximum(guests, 0)), watts, max(round(budget.dual_value() * SCALE), 0)
        )

    def _forms(self) -> tuple[Ints, Sequence[tuple[int, Ints]]]:
        """The form of each place, and one of each kind of equal racks with all of its kind."""
        p = self._problem
        looks = np.concatenate([p.score.T, self._moves.T, p.room[:, None], self._blocks[:, None]], axis=1)
        forms = np.unique(looks, axis=0, return_inverse=True)[1].ravel()
        kinds: dict[tuple[int, ...], list[int]] = {}
        for rack in np.unique(p.rack).tolist():
            kinds.setdefault((int(p.headroom[rack]), *sorted(forms[p.rack == rack].tolist())), []).append(rack)
        return forms, [(like[0], np.array(like, dtype=np.int64)) for like in kinds.values()]

    def _class(self, solver: Any, rows: tuple[Sequence[Any], Any, Any], place: int, size: int) -> None:
        """So many equal places as one."""
        p, objective, (seats, power, budget) = self._problem, solver.Objective(), rows
        room = solver.Constraint(-solver.infinity(), float(self._room[place] * size))
        for guest in np.flatnonzero(p.open[:, place]).tolist():
            share = solver.NumVar(0.0, solver.infinity(), "")
            objective.SetCoefficient(share, float(p.score[guest, place]))
            seats[guest].SetCoefficient(share, 1.0)
            room.SetCoefficient(share, float(self._units[guest]))
            power.SetCoefficient(share, float(p.watts[guest]) / _KILO)
            if self._moves[guest, place]:
                budget.SetCoefficient(share, 1.0)
        if self._blocks[place]:
            blocks = solver.NumVar(0.0, float(size * (p.room[place] // p.block)), "")
            objective.SetCoefficient(blocks, float(p.block_score))
            room.SetCoefficient(blocks, p.block / self._unit)

    def priced(self, prices: Prices) -> int:
        """The bound at these prices, rounded down to a whole score."""
        p = self._problem
        paid = int(prices.guests.sum()) + int((prices.watts * p.headroom).sum())
        paid += prices.move * (p.guests if p.moves is None else p.moves)
        return (paid + self._earned(prices)) // SCALE

    def _earned(self, prices: Prices) -> int:
        """What places earn at these prices, each with the company that earns the most there."""
        p = self._problem
        deducted = p.score * SCALE - prices.guests[:, None] - p.watts[:, None] * prices.watts[p.rack][None, :]
        profit = np.where(p.score > BARRED, deducted - prices.move * self._moves, 0)
        best = np.zeros(p.places, dtype=np.int64)
        for company in self._companies:
            guests = company[(profit[company] > 0).any(axis=1)]
            best = np.maximum(best, self._knapsacks(profit[guests], self._units[guests]))
        return int(best.sum())

    def _knapsacks(self, profit: Ints, units: Ints) -> Ints:
        """Of each place the most that guests earn within its room; who earns less than nothing is never taken."""
        p, most = self._problem, int(self._room.max(initial=0))
        table = np.zeros((p.places, most + 1), dtype=np.int64)
        if p.block:
            free = np.arange(most + 1) // max(p.block // self._unit, 1)
            table += free[None, :] * (self._blocks * p.block_score * SCALE)[:, None]
        for guest, need in enumerate(units.tolist()):
            if need <= most:
                offered = table[:, : most + 1 - need] + np.maximum(profit[guest], 0)[:, None]
                table[:, need:] = np.maximum(table[:, need:], offered)
        return table[np.arange(p.places), self._room]
