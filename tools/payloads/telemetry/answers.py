"""What Prometheus' HTTP API answers to an instant query: a vector, a matrix, or why there is none.

A vector's times are those of the query. A matrix, as a range selector gives one, has the samples' own times: the last
of each series is taken.

The API server's own JSON is decoded by orjson, because answers are large; a repeated key means its last value there. A
sample without a name, as every expression gives one, takes the name that the reader asked under (`placet-series`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.facts.readings import Presence, Writing
from tools.payloads.parsed import Fault, Headers, Parsed
from tools.payloads.telemetry import blanks, tables
from tools.payloads.telemetry.series import Series, Target

SERIES = "placet-series"
LARGEST = 256 * 1024 * 1024
_MOST_FAULTS = 100
_KINDS = frozenset({"vector", "matrix"})
_LAST_SECOND = 253402300799
"""The end of the year 9999."""


def parse(body: bytes, headers: Headers) -> Parsed:
    """The readings of one answer.

    Raises:
        BadInput: it is no answer, an error, or another kind of result than a vector.
    """
    context = contexts.of(headers, "prometheus")
    asked = reading.name({k.lower(): v for k, v in headers.items()}.get(SERIES, ""))
    writing = Writing(context.source, context.at)
    faults: list[Fault] = []
    ignored = 0
    for number, item in enumerate(_series(body)):
        try:
            ignored += not _sample(item, f"result.{number}", asked, context.target, writing)
        except BadInput as error:
            faults.append(Fault(f"result.{number}", str(error)))
    return Parsed(faults=tuple(faults[:_MOST_FAULTS]), ignored=ignored, readings=writing.done())


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


def _sample(item: object, at: str, asked: str, target: Target, writing: Writing) -> bool:
    """Whether it is a reading of ours."""
    fields = reading.Fields(item, at)
    labels = fields.within("metric", required=True).texts()
    name = asked or labels.get("__name__", "")
    row = tables.row(name, labels)
    if row is None:
        return False
    when, number, exact = _value(_last(fields), fields.place("value"))
    subject = row.subject(labels, target)
    if subject is None:
        raise BadInput(f"`{reading.shown(name)}` with labels {reading.shown(sorted(labels))} names no thing")
    writing.at = when
    absence = _absence(exact, row)
    writing.add(subject, row.metric, None if absence else number * row.scale, absence or Presence.BLANK)
    return True


def _last(fields: reading.Fields) -> list[object]:
    """The newest pair of time and value."""
    if fields.has("value"):
        return fields.items("value")
    pairs = fields.items("values")
    if not pairs or not isinstance(pairs[-1], list):
        raise BadInput(f"{fields.place('value')}: required, and missing (a native histogram is not read)")
    return pairs[-1]


def _value(pair: list[object], at: str) -> tuple[datetime, float, float]:
    """Time, value, and the value as an exact integer where it is written as one."""
    match pair:
        case [(int() | float()) as seconds, str() as text] if 0 <= seconds <= _LAST_SECOND:
            try:
                number = float(text)
            except ValueError as error:
                raise BadInput(f"{at}: `{reading.shown(text)}` is not a number") from error
            exact = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else number
            return datetime.fromtimestamp(seconds, UTC), number, exact
    raise BadInput(f"{at}: expected a time and a number as text, found `{reading.shown(pair)}`")


def _absence(value: float, row: Series) -> Presence | None:
    if not row.blanks:
        return None
    found = blanks.told(value)
    beyond_any_count = value >= 2**62
    return found if row.gauge or beyond_any_count else None
