"""A proved bound by prices: what each guest's seat and each rack's watt are worth, and what racks could earn at those.

For any prices, no seating scores more than the guests' prices, the watts' prices, and of each rack the best company at
prices deducted (a knapsack, solved exactly). So whoever has the prices can check the bound in whole numbers
(`priced`); the search for good ones (subgradient, Polyak's step against what is seated already) proves nothing.
Crews, flocks, budgets of moves and places within a rack are left out: a seating that heeds them scores no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np

from tools.placement.columns import Flags, Ints
from tools.placement.planning.cliques import companies
from tools.placement.planning.problems import AWAY, BARRED, Problem

SCALE: Final = 1 << 20
"""Prices are whole numbers, in parts of a score."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of each guest, and of a watt in each rack, in parts of `SCALE`."""

    guests: Ints
    watts: Ints


@dataclass(frozen=True, slots=True)
class _Earned:
    """What racks earn at some prices, and by whom."""

    value: int
    taken: Ints
    """How often each guest is taken."""
    drawn: Ints
    """The watts of who is taken in each rack."""


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

    def start(self) -> Prices:
        """Prices as if devices alone were scarce, and everybody could sit anywhere."""
        p = self._problem
        best = np.maximum(p.score.max(axis=1), 0)
        order = np.argsort(-best / np.maximum(p.units, 1), kind="stable")
        full = int(np.searchsorted(np.cumsum(p.units[order]), p.room.sum()))
        each = best[order[full]] / max(p.units[order[full]], 1) if full < p.guests else 0.0
        guests = np.maximum((best - each * p.units) * SCALE, 0).astype(np.int64)
        return Prices(guests, np.zeros(len(p.headroom), dtype=np.int64))

    def priced(self, prices: Prices) -> int:
        """The bound at these prices, rounded down to a whole score."""
        return self._total(prices, self._earn(prices)) // SCALE

    def search(self, value: int, rounds: int, prices: Prices | None = None) -> tuple[int, Prices]:
        """The least bound over some rounds, and its prices; `value` is what is seated already."""
        p, now = self._problem, prices or self.start()
        unit = float(max(p.watts.mean(), 1.0))
        best, kept, eager, worse = None, now, 1.0, 0
        heading_guests, heading_watts = np.zeros(p.guests), np.zeros(len(p.headroom))
        for _ in range(rounds):
            earned = self._earn(now)
            total = self._total(now, earned)
            if best is None or total < best:
                best, kept, worse = total, now, 0
            elif (worse := worse + 1) >= 6:
                eager, worse, now = eager / 2, 0, kept
            heading_guests = 0.6 * heading_guests + 0.4 * (1 - earned.taken)
            heading_watts = 0.6 * heading_watts + 0.4 * (p.headroom - earned.drawn) / unit
            size = float((heading_guests**2).sum() + (heading_watts**2).sum())
            if size < 1e-9 or total <= value * SCALE:
                break
            step = eager * (total - value * SCALE) / size
            now = self._stepped(now, step * heading_guests, step * heading_watts / unit)
        return (best or 0) // SCALE, kept

    def _stepped(self, now: Prices, guests: np.ndarray, watts: np.ndarray) -> Prices:
        fresh = np.rint(now.guests - guests).astype(np.int64)
        free = self._problem.home >= 0
        return Prices(
            np.where(free, fresh, np.maximum(fresh, 0)), np.maximum(np.rint(now.watts - watts), 0).astype(np.int64)
        )

    def _total(self, prices: Prices, earned: _Earned) -> int:
        return int(prices.guests.sum()) + int((prices.watts * self._problem.headroom).sum()) + earned.value

    def _earn(self, prices: Prices) -> _Earned:
        p, racks = self._problem, len(self._room)
        best = np.full(racks, -1, dtype=np.int64)
        taken = np.zeros((p.guests, racks), dtype=np.bool_)
        profit = np.where(
            self._score > BARRED,
            self._score * SCALE - prices.guests[:, None] - p.watts[:, None] * prices.watts[None, :],
            -1,
        )
        for company in self._companies:
            guests = company[(profit[company] > 0).any(axis=1)]
            value, chosen = self._knapsacks(profit[guests], self._units[guests])
            better = value > best
            best = np.where(better, value, best)
            taken[:, better] = False
            taken[np.ix_(guests, np.flatnonzero(better))] = chosen[:, better]
        return _Earned(int(best.sum()), taken.sum(axis=1), (taken * p.watts[:, None]).sum(axis=0))

    def _knapsacks(self, profit: Ints, units: Ints) -> tuple[Ints, Flags]:
        """Of each rack the most that guests earn within its room, and who they are. Profits below 0 are never taken."""
        p, racks, most = self._problem, len(self._room), int(self._room.max(initial=0))
        table = np.zeros((racks, most + 1), dtype=np.int64)
        if p.block:
            table += (np.arange(most + 1) // (p.block // self._unit)) * (p.block_score * SCALE)
        took = np.zeros((len(units), racks, most + 1), dtype=np.bool_)
        for guest, need in enumerate(units.tolist()):
            if need <= most:
                offered = table[:, : most + 1 - need] + profit[guest][:, None]
                took[guest, :, need:] = (offered > table[:, need:]) & (profit[guest] > 0)[:, None]
                table[:, need:] = np.where(took[guest, :, need:], offered, table[:, need:])
        return table[np.arange(racks), self._room], self._read_back(took, units)

    def _read_back(self, took: Flags, units: Ints) -> Flags:
        racks = np.arange(len(self._room))
        left, chosen = self._room.copy(), np.zeros(took.shape[:2], dtype=np.bool_)
        for guest in range(len(units) - 1, -1, -1):
            chosen[guest] = took[guest, racks, left]
            left -= np.where(chosen[guest], units[guest], 0)
        return chosen
