"""What a parser found, as lines that a person can read against the payload. A sender's prose is left out of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tools.payloads.facts.readings import Presence, Reading
from tools.payloads.facts.statements import Condition, Fact, Notice, Price, Quota, Relation, Statement
from tools.payloads.parsed import Parsed


def lines(found: Parsed) -> Iterator[str]:
    """Facts, readings, events, faults, in the parser's order."""
    for fact in found.facts:
        yield _fact(fact)
    for reading in found.readings:
        yield _reading(reading)
    for o in found.observations:
        where = " ".join(f"{k}={v}" for k, v in o.whereabouts.json_form().items() if v not in ("", None))
        end = " (resolved)" if o.resolved else ""
        yield f"event {o.type} {o.severity} {o.code} at {_time(o.occurred_at)} [{where}]{end}"
    for fault in found.faults:
        yield f"fault {fault}"


def _fact(fact: Fact) -> str:
    match fact:
        case Statement():
            return f"{fact.subject} {fact.attribute} = {fact.value!r}"
        case Condition():
            words = f" ({fact.reason})" if fact.reason else ""
            return f"{fact.subject} {fact.type} is {fact.status} since {_time(fact.since)}{words}"
        case Relation():
            return f"{fact.subject} {fact.tie} {fact.other}"
        case Price():
            return f"{fact.subject} costs {fact.micros} micro-{fact.currency} a {fact.basis}"
        case Quota():
            return f"{fact.subject} has {fact.used} of {fact.limit} {fact.counted}"
        case Notice():
            return f"{fact.subject} {fact.action} at {_time(fact.due)}"


def _reading(reading: Reading) -> str:
    value = f"{reading.value:g} {reading.metric.unit}" if reading.value is not None else reading.presence.name.lower()
    assert (reading.presence is Presence.MEASURED) == (reading.value is not None)
    return f"{reading.subject} {reading.metric} = {value}"


def _time(at: datetime | None) -> str:
    return at.isoformat() if at else "no time"
