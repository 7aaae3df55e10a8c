"""Prices of everything scarce by a linear programme, what they prove in whole numbers, and what a little more is worth.

Called by `worth`. For any prices, no placement has more at work than all limits come to at them, and what seats would
earn above them: weak duality, checked in whole numbers (`proved`), whoever has made the prices. A price is what a
little more is worth only as long as nothing else runs out; so it is asked again (`solved`) with a whole unit more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tools.placement.columns import Ints
from tools.placement.fleets.worth.markets import Market

if TYPE_CHECKING:  # SciPy takes a second to load, which most programs never need
    from scipy.sparse import csr_array

SCALE: Final = 1 << 30
"""Prices are whole numbers, in parts of an accelerator at work."""
_KILO: Final = 1000.0
"""The linear programme counts kilowatts: its numbers stay near each other."""
_HAIR: Final = 1e-5

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """Rows of a market: demand by class, devices by group, watts by limit, accelerators by share, in this order."""

    takes: csr_array
    """Row × seat, whole numbers."""
    has: Ints
    """By row."""
    most: Ints
    """By seat."""
    gives: Ints
    """By seat: the accelerators that it puts to work."""
    watts: slice
    """The rows that count watts."""


@dataclass(frozen=True, slots=True, eq=False)
class More:
    """So much more of what a programme has."""

    has: Floats
    most: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Of a unit of each row, and of one more replica that could sit at each seat; and what they value all at."""

    rows: Floats
    seats: Floats
    value: float

    def worth(self, more: More) -> float:
        """What so much more is worth at these prices."""
        return float(self.rows @ more.has + self.seats @ more.most)


def programme(market: Market) -> Programme:
    """The market as rows."""
    size, watts, seats = market.size, market.watts, np.arange(len(market.of))
    classes, groups, rack = len(market.classes), len(market.first), market.columns.rack[market.first[market.at]]
    entries = [(market.of, seats, np.ones_like(seats)), (classes + market.at, seats, size)]
    row = classes + groups
    for limit in market.limits:
        among = limit.shared[rack]
        mine = np.flatnonzero((among > 0) & (watts > 0))
        entries.append((np.full(len(mine), row), mine, watts[mine] // among[mine]))
        row += 1
    for share in market.shares:
        mine = np.flatnonzero(market.covered(share))
        entries.append((np.full(len(mine), row), mine, size[mine]))
        row += 1
    rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    has = [c.replicas for c in market.classes], market.members * market.devices
    left = [limit.left for limit in market.limits], [share.left for share in market.shares]
    begin = classes + groups
    from scipy.sparse import csr_array

    return Programme(
        takes=csr_array((values, (rows, columns)), shape=(row, len(seats))),
        has=np.concatenate([np.array(part, dtype=np.int64) for part in (*has, *left)]),
        most=market.most,
        gives=size,
        watts=slice(begin, begin + len(market.limits)),
    )


def hair(market: Market, problem: Programme) -> More:
    """A hair more of everything but demand: at its prices nothing is dear of which there is just enough.

    Nodes grow by a hair as a whole, with their devices and their seats. The hairs differ, so that of two things that
    are scarce together neither hides the other.
    """
    classes, groups = len(market.classes), len(market.first)
    nodes = _HAIR * (1 + np.arange(groups) % 89 / 89)
    has = _HAIR * (1 + np.arange(len(problem.has)) % 97 / 97)
    has[:classes] = 0.0
    has[classes : classes + groups] = nodes * market.devices
    has[problem.watts] *= _KILO
    return More(has, nodes[market.at] * market.each)


def gained(problem: Programme, value: float, more: More) -> float:
    """By how much more than `value` is at work with so much more; nothing where its own needs cannot be met."""
    if (problem.has + more.has < 0).any():
        return 0.0
    return max(solved(problem, more).value - value, 0.0)


def solved(problem: Programme, more: More | None = None) -> Prices:
    """The prices at which everything is worth the least, with so much more than there is."""
    has, most = problem.has.astype(float), problem.most.astype(float)
    if more is not None:
        has, most = has + more.has, most + more.most
    if not len(most):
        return Prices(np.zeros(len(has)), np.zeros(0), 0.0)
    from scipy.optimize import linprog

    scale = np.ones(len(has))
    scale[problem.watts] = _KILO
    takes = problem.takes.multiply(1 / scale[:, None]).tocsr()
    bounds = np.stack([np.zeros_like(most), most], axis=1)
    found = linprog(-problem.gives.astype(float), takes, has / scale, bounds=bounds, method="highs")
    assert found.status == 0, "nobody seated is always an answer, and seats are numbered"
    rows = np.maximum(-found.ineqlin.marginals, 0) / scale
    return Prices(rows, np.maximum(problem.gives - problem.takes.T @ rows, 0), -float(found.fun))


def proved(problem: Programme, prices: Prices) -> int:
    """The most accelerators that any placement puts to work, by these prices: whole numbers, and no solver's word."""
    rows = np.rint(np.maximum(prices.rows, 0) * SCALE).astype(np.int64)
    earned = np.maximum(problem.gives * SCALE - problem.takes.T.astype(np.int64) @ rows, 0)
    return int(sum(map(int, rows * problem.has)) + sum(map(int, earned * problem.most))) // SCALE


def scaled(more: More, by: float) -> More:
    """A part of it, or many times."""
    return replace(more, has=more.has * by, most=more.most * by)
