"""Telemetry of devices in columns: batches of one metric, added to racks and sites as they come.

Called by `machines` (a device that is gone has no readings) and `engine`. What a sensor said is told apart: a value,
blank (it answers and has none), not a number, and absent (it was never asked, or not since the device is there).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Numbers, Rows
from tools.inventory.columns.origins import UNTOLD, Told

ABSENT: Final = -(2**31)
BLANK: Final = ABSENT + 1
NOT_A_NUMBER: Final = ABSENT + 2
_MOST: Final = 2**31 - 1


class Metric(StrEnum):
    """What is measured of a device, in the unit in which it is kept: whole numbers only."""

    POWER = "power_milliwatts"
    TEMPERATURE = "temperature_millicelsius"
    UTILISATION = "utilisation_permille"
    MEMORY_USED = "memory_used_mebibytes"
    THROTTLE = "throttle_reasons"
    """DCGM's bit mask of clock event reasons."""
    XID = "xid"
    """The newest; 0: none."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Devices as a batch orders them, resolved to rows once for many batches."""

    uuids: tuple[str, ...]
    order: Rows
    """Which positions of a batch are known devices, by ascending row."""
    rows: Rows
    nodes: Rows
    moved: int
    """As of which `Machines.moved` that holds."""

    @property
    def unknown(self) -> int:
        """How many of the devices nobody knows."""
        return len(self.uuids) - len(self.rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """One metric of the devices of a roster, in its order."""

    metric: Metric
    values: NDArray[np.float64]
    """In the metric's unit. NaN is kept as such; what is infinite or does not fit is refused."""
    told: Told
    blank: NDArray[np.bool_] | None = None
    """Where the sensor answered and had no value."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch."""

    values: int
    blank: int
    not_numbers: int
    refused: int
    """Infinite, or beyond what is kept; the former reading stands."""
    unknown: int
    """Of devices that nobody knows."""


class Readings:
    """The newest reading of each metric of each device, and when and from where it came. One task writes."""

    def __init__(self, shift: int, ages: Ages) -> None:
        self.columns = {metric.value: Numbers("i", ABSENT, shift, ages) for metric in Metric}
        self.columns["read"] = Numbers("q", UNTOLD, shift, ages)

    def forget(self, device: int) -> None:
        """The device is gone."""
        for metric in Metric:
            column = self.columns[metric]
            if column[device] != ABSENT:
                column.set(device, ABSENT)
        if self.columns["read"][device] != UNTOLD:
            self.columns["read"].set(device, UNTOLD)

    def take(self, roster: Roster, batch: Batch, told: int) -> tuple[Taken, NDArray[np.int64]]:
        """Write a batch; what became of it, and by how much the value of each of the roster's rows grew."""
        fresh, fits = _kept(batch, roster.order)
        rows = roster.rows if fits.all() else roster.rows[fits]
        column = self.columns[batch.metric]
        before = column.take(roster.rows).astype(np.int64)
        written = fresh[fits]
        after = np.where(fits, fresh, before)
        column.put(rows, written)
        self.columns["read"].put(rows, told)
        blank, unread = int((written == BLANK).sum()), int((written == NOT_A_NUMBER).sum())
        counts = Taken(len(rows) - blank - unread, blank, unread, len(roster.rows) - len(rows), roster.unknown)
        return counts, _value(after) - _value(before)


def _kept(batch: Batch, order: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The batch as it is stored, by ascending row, and which of it may be."""
    values = batch.values[order]
    unread = np.isnan(values)
    rounded = np.rint(np.where(unread, 0.0, values))
    fits = (rounded > NOT_A_NUMBER) & (rounded <= _MOST)
    stored = np.where(fits, rounded, 0.0).astype(np.int64)
    stored[unread] = NOT_A_NUMBER
    if batch.blank is not None:
        blank = batch.blank[order]
        stored[blank] = BLANK
        fits |= blank
    return stored, fits


def _value(stored: NDArray[np.int64]) -> NDArray[np.int64]:
    """What counts: blank, absent and not a number as nothing."""
    return np.where(stored > NOT_A_NUMBER, stored, 0)


def sums(at: NDArray[np.int64], amounts: Sequence[int] | NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
    """The rows that occur in `at`, ascending, and what of `amounts` falls on each; below 2**53 a row, exactly."""
    totals = np.bincount(at, weights=amounts)
    rows = np.flatnonzero(totals)
    return rows, totals[rows].astype(np.int64)
