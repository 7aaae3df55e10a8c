"""One target's scrapes, read fast: the first one teaches what its series mean, later ones are numbers.

A target writes the same series in the same order, scrape after scrape. So the texts of all series are compared with
those of the scrape before; where they are equal, subjects and metrics are taken over as they are and only values are
read. What is new goes through prometheus_client's parser, once. A layout holds no more than one scrape.

A sample that cannot be read, or that names nobody, is a fault when it is first seen, and counted as ignored after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from estate.errors import BadInput
from tools.payloads import reading
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.readings import Floats, Ints, Longs, Presence, Readings, Shorts, milliseconds
from tools.payloads.parsed import Fault
from tools.payloads.telemetry import blanks, tables
from tools.payloads.telemetry.blanks import Flags
from tools.payloads.telemetry.series import Series, Target, converting

MOST_SERIES = 500_000
MOST_FAULTS = 100
"""Faults of one scrape that are told; the rest are counted."""
_LONGEST_LINE = 16_384


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape said."""

    readings: Readings
    faults: tuple[Fault, ...] = ()
    ignored: int = 0
    """Samples of no metric of ours, and those whose fault was told before."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A series of ours, resolved."""

    subject: Mention
    series: Series


@dataclass(frozen=True, slots=True)
class _Columns:
    """What stays the same from scrape to scrape."""

    rows: Ints
    """Which samples are ours."""
    subjects: tuple[Mention, ...]
    subject: Ints
    metric: Shorts
    convert: Callable[[Floats], Floats]
    blanks: Flags
    gauges: Flags


@dataclass(slots=True)
class Layout:
    """The memory of one target. Not to be used by two tasks at once."""

    source: str
    target: Target = field(default_factory=Target)
    _keys: list[bytes] = field(default_factory=list)
    _meanings: dict[bytes, _Meaning | None] = field(default_factory=dict)
    _columns: _Columns | None = None

    @property
    def remembered(self) -> int:
        """How many series it holds."""
        return len(self._meanings)

    def read(self, body: bytes, at: datetime | None) -> Scrape:
        """The readings of a scrape at that time.

        Raises:
            BadInput: it is not the text format, or holds more series than a target may have.
        """
        keys, values = _split(body)
        faults: list[Fault] = []
        if self._columns is None or keys != self._keys:
            self._learn(keys, values, faults)
        columns = self._columns
        assert columns is not None
        taken = [values[row] for row in columns.rows.tolist()]
        numbers, times = _numbers(taken, at, faults)
        found = _readings(self.source, columns, numbers, times, taken)
        if faults and not any(self._meanings.values()):
            raise BadInput("; ".join(str(f) for f in faults[:3]))
        return Scrape(found, tuple(faults[:MOST_FAULTS]), ignored=len(keys) - len(columns.rows))

    def _learn(self, keys: list[bytes], values: list[bytes], faults: list[Fault]) -> None:
        known = self._meanings
        self._meanings = {}
        for number, key in enumerate(keys):
            if key in known:
                self._meanings[key] = known[key]
            elif key not in self._meanings:
                self._meanings[key] = self._meaning(key, number, values[number], faults)
        self._keys = keys
        self._columns = _columns([self._meanings[key] for key in keys])

    def _meaning(self, key: bytes, number: int, value: bytes, faults: list[Fault]) -> _Meaning | None:
        """What the series is; None for those without use, and for faulty ones after they are told."""
        name = key.partition(b"{")[0].strip()
        if name and name.decode("ascii", "replace") not in tables.SERIES and _plain(name):
            return None
        try:
            return _resolved(key, self.target)
        except BadInput as error:
            faults.append(Fault(f"sample {number + 1}", str(error)))
            return None


def _split(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """The text of every series, and what follows it: the value, and a time where there is one."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for line in body.split(b"\n"):
        if not line or line[0] == 35:  # a comment
            continue
        end = line.rfind(b"}") + 1 or line.find(b" ")
        if end < 1:
            if not line.strip():
                continue
            end = len(line)
        keys.append(line[:end])
        values.append(line[end:])
    if len(keys) > MOST_SERIES:
        raise BadInput(f"{len(keys)} series in one scrape; at most {MOST_SERIES} are read")
    return keys, values


def _plain(name: bytes) -> bool:
    return name.replace(b":", b"_").replace(b"_", b"a").isalnum()


def _resolved(key: bytes, target: Target) -> _Meaning | None:
    """The series that prometheus_client reads in the text.

    Raises:
        BadInput: it is none, or one of ours that names nobody.
    """
    if len(key) > _LONGEST_LINE:
        raise BadInput(f"a series of {len(key)} bytes; at most {_LONGEST_LINE} are read")
    text = reading.decoded(key)
    try:
        (family,) = text_string_to_metric_families(f"{text} 0\n")
        (sample,) = family.samples
    except (ValueError, LookupError, TypeError) as error:
        raise BadInput(f"`{reading.shown(text)}` is not a series") from error
    row = tables.row(sample.name, sample.labels)
    if row is None:
        return None
    subject = row.subject(sample.labels, target)
    if subject is None:
        raise BadInput(f"`{reading.shown(text)}` names no thing that it is a reading of; add labels or the host")
    return _Meaning(subject, row)


def _columns(meanings: list[_Meaning | None]) -> _Columns:
    ours = [(row, m) for row, m in enumerate(meanings) if m is not None]
    places: dict[Mention, int] = {}
    subject = [places.setdefault(m.subject, len(places)) for _, m in ours]
    return _Columns(
        rows=np.array([row for row, _ in ours], np.int32),
        subjects=tuple(places),
        subject=np.array(subject, np.int32),
        metric=np.array([m.series.metric.code for _, m in ours], np.int16),
        convert=converting([m.series for _, m in ours]),
        blanks=np.array([m.series.blanks for _, m in ours], np.bool_),
        gauges=np.array([m.series.gauge for _, m in ours], np.bool_),
    )


def _numbers(taken: list[bytes], at: datetime | None, faults: list[Fault]) -> tuple[Floats, Longs]:
    """Values and times. Where every sample is a bare number, as nearly always, it is one pass in C."""
    now = milliseconds(at)
    try:
        return np.array(list(map(float, taken)), np.float64), np.full(len(taken), now, np.int64)
    except ValueError:
        pass
    numbers, times = np.full(len(taken), np.nan), np.full(len(taken), now, np.int64)
    for row, text in enumerate(taken):
        try:
            value, *stamp = text.split()
            numbers[row] = float(value)
            if stamp and stamp[0] != b"#":
                times[row] = int(stamp[0])
        except (ValueError, OverflowError):
            shown = reading.shown(text.decode("utf-8", "replace").strip())
            faults.append(Fault(f"value {row + 1}", f"`{shown}` is not a value with or without a time in milliseconds"))
    return numbers, times


def _readings(source: str, columns: _Columns, numbers: Floats, times: Longs, taken: list[bytes]) -> Readings:
    presence = blanks.unmeasured(numbers)
    for row in np.flatnonzero(blanks.possible(numbers, columns.blanks, columns.gauges)).tolist():
        presence[row] = blanks.of_text(taken[row].split()[0], float(numbers[row]))
    values = np.where(presence == Presence.MEASURED, columns.convert(numbers), np.nan)
    return Readings(source, columns.subjects, columns.subject, columns.metric, values, presence, times)
