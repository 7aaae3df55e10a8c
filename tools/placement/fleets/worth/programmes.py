"""A market as a linear programme: rows of what there is, seats that take of it, and so much more of something.

Called by `worths`. Rows come in this order: demand by class, devices by group, whole devices by group, watts by limit,
accelerators by quota. Devices count in thousandths: a share is its part of a device's budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tools.placement.columns import Ints
from tools.placement.fleets.worth.markets import Market

if TYPE_CHECKING:  # SciPy is loaded where somebody asks for a worth, and nowhere else
    from scipy.sparse import csr_array

_KILO: Final = 1000.0
"""Watts and thousandths of devices are counted by the thousand: numbers stay near each other."""
_HAIR: Final = 1e-5

type Floats = NDArray[np.float64]
type Entries = tuple[Ints, Ints, Ints]
"""Row, seat, and what it takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """The rows and seats of a market."""

    takes: csr_array
    """Row × seat, whole numbers."""
    has: Ints
    """By row."""
    most: Ints
    """By seat."""
    gives: Ints
    """By seat: the thousandths of accelerators that it puts to work."""
    rows: Rows

    @property
    def scale(self) -> Floats:
        """By row: so many of its units count as one."""
        found = np.ones(len(self.has))
        found[self.rows.devices : self.rows.quotas] = _KILO
        return found


@dataclass(frozen=True, slots=True)
class Rows:
    """Where each sort of row begins; demand is first."""

    devices: int
    whole: int
    watts: int
    quotas: int
    end: int

    @classmethod
    def of(cls, market: Market) -> Rows:
        """Those of a market."""
        devices, groups = len(market.classes), len(market.first)
        watts = devices + 2 * groups
        quotas = watts + len(market.limits)
        return cls(devices, devices + groups, watts, quotas, quotas + len(market.shares))


@dataclass(frozen=True, slots=True, eq=False)
class More:
    """So much more of some rows, and room for so many more at some seats."""

    rows: Ints
    has: Floats
    seats: Ints
    most: Floats

    @classmethod
    def of_row(cls, row: int, much: float) -> More:
        """Of one row alone."""
        return cls(np.array([row]), np.array([much]), np.zeros(0, dtype=np.int64), np.zeros(0))

    def scaled(self, by: float) -> More:
        """A part of it, or many times."""
        return replace(self, has=self.has * by, most=self.most * by)


def programme(market: Market) -> Programme:
    """The market as rows."""
    from scipy.sparse import csr_array

    rows = Rows.of(market)
    taken, seats, much = (np.concatenate(part) for part in zip(*_entries(market, rows), strict=True))
    has = ([c.replicas for c in market.classes], market.members * market.devices, market.members * market.whole)
    left = ([limit.left for limit in market.limits], [share.left for share in market.shares])
    return Programme(
        takes=csr_array((much, (taken, seats)), shape=(rows.end, len(market.of))),
        has=np.concatenate([np.array(part, dtype=np.int64) for part in (*has, *left)]),
        most=market.most,
        gives=market.milli,
        rows=rows,
    )


def _entries(market: Market, rows: Rows) -> Iterator[Entries]:
    seats = np.arange(len(market.of))
    yield market.of, seats, np.ones_like(seats)
    yield rows.devices + market.at, seats, market.milli
    split = market.by_class([c.whole for c in market.classes]).astype(np.bool_)
    mine = np.flatnonzero(split & (market.whole < market.devices)[market.at])  # elsewhere it is the row above again
    yield rows.whole + market.at[mine], mine, market.milli[mine]
    yield _watts(market, rows)
    accelerators = market.by_class([c.accelerators for c in market.classes])
    for place, share in enumerate(market.shares):
        mine = np.flatnonzero(market.covered(share))
        yield np.full(len(mine), rows.quotas + place), mine, accelerators[mine]


def _watts(market: Market, rows: Rows) -> Entries:
    """What each seat takes of each limit: its part of the load of the rack."""
    from scipy.sparse import csc_array

    racks = len(market.columns.names.racks)
    among = np.array([limit.shared for limit in market.limits], dtype=np.int64).reshape(len(market.limits), racks)
    drawing = np.flatnonzero((market.watts > 0) & (market.rack >= 0))
    found = csc_array(among)[:, market.rack[drawing]].tocoo()
    limit, seat = found.coords
    return rows.watts + limit.astype(np.int64), drawing[seat], market.watts[drawing[seat]] // found.data


def hair(market: Market, problem: Programme) -> More:
    """A hair more of everything but demand: at its prices nothing is dear of which there is just enough.

    Nodes grow by a hair as a whole, with their devices and their seats. The hairs differ, so that of two things that
    are scarce together neither hides the other.
    """
    rows, nodes = problem.rows, _HAIR * (1 + np.arange(len(market.first)) % 89 / 89)
    has = _HAIR * (1 + np.arange(rows.end) % 97 / 97)
    has[: rows.devices] = 0.0
    has[rows.devices : rows.watts] = np.concatenate([nodes * market.devices, nodes * market.whole])
    has[rows.watts : rows.quotas] *= _KILO
    return More(np.arange(rows.end), has, np.arange(len(market.of)), nodes[market.at] * market.each)
