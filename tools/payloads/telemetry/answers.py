"""What Prometheus' HTTP API answers to an instant query: a vector, a matrix, or why there is none.

A vector's times are those of the query. A matrix, as a range selector gives one, has the samples' own times: the last
of each series is taken. A sample without a name, as every expression gives one, takes the name that the reader asked
under (`placet-series`).

Answers are large, so the server's own JSON is decoded by orjson (a repeated key means its last value there), and who
asks again and again keeps a `Memory`: what the labels of a series mean is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.readings import Presence, Readings
from tools.payloads.parsed import Fault, Headers, Parsed
from tools.payloads.telemetry import blanks, tables
from tools.payloads.telemetry.series import Series, Target, converting

SERIES = "placet-series"
LARGEST = 256 * 1024 * 1024
_MOST_FAULTS = 100
_LAST_SECOND = 253402300799
"""The end of the year 9999."""
_KINDS = frozenset({"vector", "matrix"})

type Key = bytes
"""The labels of a series as JSON: one object for the collector of garbage, where a tuple of pairs would be many."""


def parse(body: bytes, headers: Headers) -> Parsed:
    """The readings of one answer.

    Raises:
        BadInput: it is no answer, an error, or another kind of result than a vector or a matrix.
    """
    context = contexts.of(headers, "prometheus")
    asked = reading.name({k.lower(): v for k, v in headers.items()}.get(SERIES, ""))
    return Memory(context.source, context.target).read(body, asked)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A series of ours, resolved."""

    subject: Mention
    row: Series
    code: int


@dataclass(slots=True)
class _Columns:
    """The samples of ours in one answer."""

    meanings: list[_Meaning] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Memory:
    """What the series of one query mean. It holds no more than the last answer. Not for two tasks at once."""

    source: str
    target: Target = field(default_factory=Target)
    _known: dict[Key, _Meaning | None] = field(default_factory=dict)
    _subjects: dict[Mention, Mention] = field(default_factory=dict)

    def read(self, body: bytes, asked: str) -> Parsed:
        """The readings of one answer. Raises BadInput as `parse` does."""
        known, self._known = self._known, {}
        columns, faults, ignored = _Columns(), list[Fault](), 0
        for number, item in enumerate(_series(body)):
            try:
                labels, seconds, text = _quickly(item)
                key = orjson.dumps(labels)
                meaning = known[key] if key in known else self._meaning(labels, asked)
                self._known[key] = meaning
                if meaning is None:
                    ignored += 1
                    continue
                value, at = float(text), round(seconds * 1000)
            except (BadInput, TypeError, KeyError, ValueError, IndexError, AttributeError, OverflowError) as error:
                faults.append(Fault(f"result.{number}", _why(item, error)))
                continue
            columns.meanings.append(meaning)
            columns.texts.append(text)
            columns.values.append(value)
            columns.times.append(at)
        if len(self._subjects) > 2 * len(self._known):
            self._subjects = {m.subject: m.subject for m in columns.meanings}
        readings = _readings(self.source, columns)
        return Parsed(faults=tuple(faults[:_MOST_FAULTS]), ignored=ignored, readings=readings)

    def _meaning(self, raw: object, asked: str) -> _Meaning | None:
        labels = reading.Fields(raw, "metric").texts()
        name = asked or labels.get("__name__", "")
        row = tables.row(name, labels)
        if row is None:
            return None
        subject = row.subject(labels, self.target)
        if subject is None:
            raise BadInput(f"`{reading.shown(name)}` with labels {reading.shown(sorted(labels))} names no thing")
        return _Meaning(self._subjects.setdefault(subject, subject), row, row.metric.code)


def _series(body: bytes) -> list[object]:
    if len(body) > LARGEST:
        raise BadInput(f"an answer of {len(body)} bytes is over {LARGEST}; ask for fewer series at once")
    try:
        answer = reading.Fields(orjson.loads(body), "")
    except orjson.JSONDecodeError as error:
        raise BadInput(f"not JSON: {reading.shown(str(error))}") from error
    if answer.text("status") != "success":
        kind, why = answer.text("errorType", "unknown"), answer.text("error", "no reason given")
        raise BadInput(f"prometheus refused the query: {reading.shown(kind)}: {reading.shown(why)}")
    data = answer.within("data", required=True)
    if (kind := data.text("resultType")) not in _KINDS:
        raise BadInput(f"data.resultType: `{reading.shown(kind)}` is not read; ask for a vector or a matrix")
    return data.items("result", required=True)


def _quickly(sample: Any) -> tuple[object, float, str]:
    """Labels, time and value of a sample as a server writes it; whatever is otherwise raises some error."""
    seconds, text = sample["value"] if "value" in sample else sample["values"][-1]
    if not isinstance(text, str) or "_" in text or not 0 <= seconds <= _LAST_SECOND:
        raise ValueError
    return sample["metric"], seconds, text


def _why(item: object, error: Exception) -> str:
    if isinstance(error, BadInput):
        return str(error)
    return f"`{reading.shown(item)}` is not a sample with labels, a time and a number as text (histograms are not read)"


def _readings(source: str, columns: _Columns) -> Readings:
    places: dict[int, int] = {}
    subjects: list[Mention] = []
    subject = []
    for meaning in columns.meanings:
        # Subjects are interned by the memory, so that one thing is one object.
        place = places.setdefault(id(meaning.subject), len(subjects))
        if place == len(subjects):
            subjects.append(meaning.subject)
        subject.append(place)
    rows = [m.row for m in columns.meanings]
    numbers = np.array(columns.values, np.float64)
    presence = blanks.unmeasured(numbers)
    flags, gauges = np.array([r.blanks for r in rows], np.bool_), np.array([r.gauge for r in rows], np.bool_)
    for place in np.flatnonzero(blanks.possible(numbers, flags, gauges)).tolist():
        presence[place] = blanks.of_text(columns.texts[place], float(numbers[place]))
    scaled = converting(rows)(numbers)
    return Readings(
        source,
        tuple(subjects),
        np.array(subject, np.int32),
        np.array([m.code for m in columns.meanings], np.int16),
        np.where(presence == Presence.MEASURED, scaled, np.nan),
        presence,
        np.array(columns.times, np.int64),
    )
