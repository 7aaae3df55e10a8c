"""The durable consumers of the agents' floor as plain data: agent processes pull from them, `console` makes them."""

from __future__ import annotations

from dataclasses import dataclass

from estate.subjects import Subjects
from tools.bus import streams
from tools.bus.port import ConsumerSpec
from tools.bus.precedence import Precedence

INTAKE, DEVICES, CORRELATION, CONTAINMENT, CASES, VERDICTS, OUTCOMES, BURIED = (
    "intake",
    "intake-devices",
    "correlation",
    "correlation-containment",
    "cases",
    "case-verdicts",
    "case-outcomes",
    "case-dead-letters",
)
"""Names of the durable consumers, shared by all agent processes of an installation."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Handlers at work at once in this process. Cases have their own bound, so that a backlog never delays a fence."""

    intake: int = 16
    correlation: int = 32
    cases: int = 8
    news: int = 16


def specs(subjects: Subjects, bound: Concurrency | None = None) -> tuple[ConsumerSpec, ...]:
    """The durable consumers of every agent process: a provisioner makes them, a process only pulls from them."""
    bound = bound or Concurrency()
    ours = ((streams.CASES, CASES), (streams.VERDICTS, VERDICTS), (streams.OUTCOMES, OUTCOMES))
    buried = tuple(subjects.dead_letter(stream, consumer) for stream, consumer in ours)
    takes, gives = Precedence.TAKES, Precedence.GIVES
    return (
        ConsumerSpec(streams.INTAKE, INTAKE, concurrency=bound.intake, precedence=gives),
        ConsumerSpec(streams.INTAKE_DEVICE, DEVICES, concurrency=bound.intake),
        ConsumerSpec(streams.EVENTS_CASE, CORRELATION, concurrency=bound.correlation, precedence=gives),
        ConsumerSpec(streams.EVENTS_CONTAINMENT, CONTAINMENT, concurrency=bound.correlation, precedence=takes),
        ConsumerSpec(streams.CASES, CASES, concurrency=bound.cases, precedence=gives),
        ConsumerSpec(streams.VERDICTS, VERDICTS, concurrency=bound.news, precedence=gives),
        ConsumerSpec(streams.OUTCOMES, OUTCOMES, concurrency=bound.news, precedence=gives),
        ConsumerSpec(streams.DEAD, BURIED, buried, concurrency=2, precedence=gives),
    )
