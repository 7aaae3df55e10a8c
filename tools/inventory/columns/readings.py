"""Telemetry of devices in columns: batches of one metric, added to racks and sites as they come.

Called by `machines` (a device that is gone has no readings) and `engine`. What a sensor said is told apart: a value,
blank (it answers and has none), not a number, and absent (it was never asked, or not since the device is there). Each
metric of each device has its own source and time, to the second: a time for each, and for each device one number that
stands for the sources of all of its metrics, because few sources measure a fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from estate.readings import YIELDS
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Numbers, Rows
from tools.inventory.columns.origins import Told
from tools.inventory.columns.terms import Terms

ABSENT: Final = -(2**31)
BLANK: Final = ABSENT + 1
NOT_A_NUMBER: Final = ABSENT + 2
_MOST: Final = 2**31 - 1
_LATEST: Final = 2**32 - 1
TELLERS: Final = "tellers"
"""The column of who measures a device: the number of one source for each metric, in their order."""


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

    @property
    def at(self) -> str:
        """The column of its times: seconds since 1970, 0 where nothing was told."""
        return f"{self.value} at"


_PLACES: Final = {metric: place for place, metric in enumerate(Metric)}
_NOBODY: Final = ("",) * len(Metric)


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
    after: NDArray[np.int64] | None = None
    """How many milliseconds after `told.at` each was measured; None: all of them then."""

    def seconds(self, order: Rows) -> NDArray[np.int64]:
        """When each was measured, by ascending row: the whole second, so that nothing looks newer than it is."""
        at = np.full(len(order), self.told.at) if self.after is None else self.told.at + self.after[order]
        return np.clip(at // 1000, 0, _LATEST)


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
    outdone: int = 0
    """Measured by another source, whose word goes before."""


class Readings:
    """The newest reading of each metric of each device, and when and from where it came. One task writes."""

    def __init__(self, shift: int, ages: Ages) -> None:
        self.columns = {metric.value: Numbers("i", ABSENT, shift, ages) for metric in Metric}
        self.columns |= {metric.at: Numbers("I", 0, shift, ages) for metric in Metric}
        self.columns[TELLERS] = Numbers("i", 0, shift, ages)
        self.tellers: Terms[tuple[str, ...]] = Terms([_NOBODY])

    def forget(self, device: int) -> None:
        """The device is gone."""
        for metric in Metric:
            column = self.columns[metric]
            if column[device] != ABSENT:
                column.set(device, ABSENT)
                self.columns[metric.at].set(device, 0)
        if self.columns[TELLERS][device]:
            self.columns[TELLERS].set(device, 0)

    def take(self, roster: Roster, batch: Batch) -> tuple[Taken, NDArray[np.int64]]:
        """Write a batch; what became of it, and by how much the value of each of the roster's rows grew."""
        fresh, fits = _kept(batch, roster.order)
        refused, at = len(fits) - int(fits.sum()), batch.seconds(roster.order)
        fits &= self._believed(roster.rows, batch, at)
        rows = roster.rows if fits.all() else roster.rows[fits]
        column = self.columns[batch.metric]
        before = column.take(roster.rows).astype(np.int64)
        written = fresh[fits]
        after = np.where(fits, fresh, before)
        column.put(rows, written)
        self.columns[batch.metric.at].put(rows, at[fits])
        self._sign(rows, batch)
        blank, unread = int((written == BLANK).sum()), int((written == NOT_A_NUMBER).sum())
        outdone = len(fits) - len(rows) - refused
        counts = Taken(len(rows) - blank - unread, blank, unread, refused, roster.unknown, outdone)
        return counts, _value(after) - _value(before)

    def _believed(self, rows: Rows, batch: Batch, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of which rows the batch's word goes before that of whoever measures the metric of it now."""
        source, place = batch.told.source, _PLACES[batch.metric]
        codes, which = _different(self.columns[TELLERS].take(rows))
        held = [self.tellers.values[code][place] for code in codes]
        if all(other in ("", source) for other in held):
            return np.ones(len(rows), np.bool_)
        free = np.array([other in ("", source) for other in held])[which]
        waits = np.array([YIELDS.seconds if other < source else -1 for other in held])[which]
        found: NDArray[np.bool_] = free | (at - self.columns[batch.metric.at].take(rows).astype(np.int64) > waits)
        return found

    def _sign(self, rows: Rows, batch: Batch) -> None:
        """The batch's source measures the metric of these rows now."""
        codes, which = _different(held := self.columns[TELLERS].take(rows))
        place = _PLACES[batch.metric]
        signed = [self._with(self.tellers.values[code], place, batch.told.source) for code in codes]
        if signed != codes:
            now = np.array(signed, held.dtype)[which]
            self.columns[TELLERS].put(rows[now != held], now[now != held])

    def _with(self, tellers: tuple[str, ...], place: int, source: str) -> int:
        return self.tellers.code((*tellers[:place], source, *tellers[place + 1 :]))


def _different(codes: NDArray[Any]) -> tuple[list[int], NDArray[Any]]:
    """The different ones, and which of them each is. Mostly there is one: that is looked at first."""
    if len(codes) and codes[0] == codes.max() and codes[0] == codes.min():
        return [int(codes[0])], np.zeros(len(codes), np.intp)
    found, which = np.unique(codes, return_inverse=True)
    return found.tolist(), which


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
