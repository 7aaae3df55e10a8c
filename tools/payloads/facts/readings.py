"""Telemetry in columns: millions of readings a second pass as arrays, and one of them is a `Reading` for whoever asks.

A reading is measured, blank (the thing is there and gives no value now) or absent (there is no such thing to read):
neither of the latter two is ever a number. `Readings` of one layout share their subjects and codes, so that an engine
maps them to its rows once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import ORDER, Metric

type Floats = npt.NDArray[np.float64]
type Longs = npt.NDArray[np.int64]
type Ints = npt.NDArray[np.int32]
type Shorts = npt.NDArray[np.int16]
type Bytes = npt.NDArray[np.uint8]

NO_TIME = np.iinfo(np.int64).min
"""A reading whose sender and reader say no time."""


class Presence(IntEnum):
    """Whether there is a value, and if not, why."""

    MEASURED = 0
    BLANK = 1
    ABSENT = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric of one subject."""

    subject: Mention
    metric: Metric
    value: float | None
    """In the metric's unit; None unless it is measured."""
    presence: Presence
    source: str
    at: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Columns of equal length. They are not to be written to."""

    source: str
    subjects: tuple[Mention, ...]
    subject: Ints
    """Places in `subjects`."""
    metric: Shorts
    """Places in `metrics.ORDER`."""
    value: Floats
    """NaN unless it is measured."""
    presence: Bytes
    at: Longs
    """Milliseconds since 1970 in UTC, or `NO_TIME`."""

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Reading]:
        for row in range(len(self)):
            yield self.row(row)

    def row(self, row: int) -> Reading:
        """One of them."""
        presence = Presence(int(self.presence[row]))
        return Reading(
            subject=self.subjects[self.subject[row]],
            metric=ORDER[self.metric[row]],
            value=float(self.value[row]) if presence is Presence.MEASURED else None,
            presence=presence,
            source=self.source,
            at=_time(int(self.at[row])),
        )


@dataclass(slots=True)
class Writing:
    """Readings that come one by one: for senders that send few."""

    source: str
    at: datetime | None = None
    """For readings that have no time of their own."""
    _subjects: dict[Mention, int] = field(default_factory=dict)
    _subject: list[int] = field(default_factory=list)
    _metric: list[int] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)
    _presence: list[int] = field(default_factory=list)
    _at: list[int] = field(default_factory=list)

    def add(self, subject: Mention, metric: Metric, value: float | None, absence: Presence = Presence.BLANK) -> None:
        """A value in the metric's unit; None is `absence`."""
        measured = value is not None and np.isfinite(value)
        self._subject.append(self._subjects.setdefault(subject, len(self._subjects)))
        self._metric.append(metric.code)
        self._value.append(float(value) if value is not None and measured else np.nan)
        self._presence.append(Presence.MEASURED if measured else absence)
        self._at.append(milliseconds(self.at))

    def done(self) -> Readings:
        """All of them."""
        return Readings(
            self.source,
            tuple(self._subjects),
            np.array(self._subject, np.int32),
            np.array(self._metric, np.int16),
            np.array(self._value, np.float64),
            np.array(self._presence, np.uint8),
            np.array(self._at, np.int64),
        )


def milliseconds(at: datetime | None) -> int:
    """As in the column of times."""
    return NO_TIME if at is None else round(at.timestamp() * 1000)


def _time(milliseconds: int) -> datetime | None:
    return None if milliseconds == NO_TIME else datetime.fromtimestamp(milliseconds / 1000, UTC)


NONE = Writing("").done()
"""No readings."""
