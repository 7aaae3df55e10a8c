"""Every stream of an installation, with explicit limits.

Declared once by `console.bootstrap` with the administrator's user. Work streams refuse when full; only the streams of
deltas and of telemetry forget their oldest messages, because newer ones supersede them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from estate.proposals import Lane
from estate.subjects import Subjects
from tools.bus.port import MAX_EVENT_BYTES, StreamSpec

INTAKE = "INTAKE"
INTAKE_DEVICE = "INTAKE_DEVICE"
RAW = (INTAKE_DEVICE, INTAKE)
"""Streams of what senders wrote, each on its channel's own subjects."""
EVENTS_CONTAINMENT = "EVENTS_CONTAINMENT"
EVENTS_CASE = "EVENTS_CASE"
CASES = "CASES"
PROPOSALS_CONTAINMENT = "PROPOSALS_CONTAINMENT"
PROPOSALS_CASE = "PROPOSALS_CASE"
APPROVALS = "APPROVALS"
VERDICTS = "VERDICTS"
OUTCOMES = "OUTCOMES"
NOTICES = "NOTICES"
WARRANTS_CONTAINMENT = "WARRANTS_CONTAINMENT"
WARRANTS_CASE = "WARRANTS_CASE"
DELTAS = "DELTAS"
TELEMETRY = "TELEMETRY"
CONTROLS = "CONTROLS"
DEAD = "DEAD"

BUCKETS = ("incidents", "leases", "left", "checkpoints", "drifts", "sensors", "workers", "reservations", "outlooks")
"""Buckets that several processes share; the administrator makes them before the others connect."""

_MEBIBYTE = 1024**2
_HEADERS = 32 * 1024
"""Room for a message's headers beyond the limit of its body."""
SHARE = 4_000
"""Raw bodies of one channel and format that may wait, and its dead letters. Of the largest bodies these are 1.1 GiB, so
that a channel with both formats of a plane fills not two thirds of a stream."""
_SHARED = 4 * 1024 * _MEBIBYTE
_LONG_WINDOW = timedelta(hours=2)
_MONTH = timedelta(days=30)
_A_WHILE = timedelta(minutes=10)
"""How long a measurement may be read: whoever comes later has the next round."""


def proposals(lane: Lane) -> str:
    """The stream of proposals on that lane."""
    return PROPOSALS_CONTAINMENT if lane is Lane.CONTAINMENT else PROPOSALS_CASE


def events(lane: Lane) -> str:
    """The stream of events on that lane."""
    return EVENTS_CONTAINMENT if lane is Lane.CONTAINMENT else EVENTS_CASE


def warrants(lane: Lane) -> str:
    """The stream of warrants on that lane."""
    return WARRANTS_CONTAINMENT if lane is Lane.CONTAINMENT else WARRANTS_CASE


def streams(subjects: Subjects) -> tuple[StreamSpec, ...]:
    """What an installation declares."""
    fence, case = Lane.CONTAINMENT, Lane.CASE
    return (
        *(_intake(n, s) for n, s in zip(RAW, subjects.intakes("*"), strict=True)),
        _kept(EVENTS_CONTAINMENT, subjects.event(fence, "*", "*"), max_age=timedelta(days=7)),
        _kept(EVENTS_CASE, subjects.event(case, "*", "*"), max_age=timedelta(days=7)),
        _work(CASES, subjects.case("*", "*")),
        _work(PROPOSALS_CONTAINMENT, subjects.proposal(fence, "*", "*")),
        _work(PROPOSALS_CASE, subjects.proposal(case, "*", "*")),
        _work(APPROVALS, subjects.approval("*")),
        _kept(VERDICTS, subjects.verdict("*", "*"), max_age=_MONTH),
        _kept(OUTCOMES, subjects.outcome("*", "*"), max_age=_MONTH),
        _kept(NOTICES, subjects.notice("*", "*"), max_age=_MONTH),
        _work(WARRANTS_CONTAINMENT, subjects.warrants(fence)),
        _work(WARRANTS_CASE, subjects.warrants(case)),
        StreamSpec(DELTAS, (subjects.delta(),), False, 100_000, 1024 * _MEBIBYTE, discard_old=True),
        StreamSpec(TELEMETRY, (subjects.telemetry(),), False, 20_000, 128 * _MEBIBYTE, _A_WHILE, discard_old=True),
        StreamSpec(CONTROLS, (subjects.control("*"),), False, 100_000, 128 * _MEBIBYTE),
        _dead(subjects.dead_letter("*", "*"), subjects.dead_letter("*", "*", "*")),
    )


def _intake(name: str, subject: str) -> StreamSpec:
    """Senders publish here with clients of their own: the limit of one body, and of what one sends, is the server's."""
    limit = MAX_EVENT_BYTES + _HEADERS
    return replace(_work(name, subject), max_bytes=_SHARED, max_per_subject=SHARE, max_message_bytes=limit)


def _dead(*subjects: str) -> StreamSpec:
    return StreamSpec(DEAD, subjects, False, 100_000, _SHARED, max_per_subject=SHARE)


def _work(name: str, subject: str) -> StreamSpec:
    return StreamSpec(name, (subject,), True, 200_000, 512 * _MEBIBYTE, duplicate_window=_LONG_WINDOW)


def _kept(name: str, subject: str, *, max_age: timedelta) -> StreamSpec:
    return StreamSpec(name, (subject,), False, 1_000_000, 1024 * _MEBIBYTE, max_age, _LONG_WINDOW)
