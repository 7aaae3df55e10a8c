"""Exceptions and broken glass as rows that a person reads: what gives way until when, and which review is due. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from console.door.views import Row
from estate.modes import Scope
from estate.records import write_time
from estate.reliefs import Glass, GlassState, PolicyException
from policies.controls import Controls

_DUE: Final = frozenset({GlassState.REVIEW_DUE, GlassState.OVERDUE})


def rows(controls: Controls, now: datetime) -> list[Row]:
    """Every exception and every pane of glass, oldest first within each."""
    return [*(_excepted(e, now) for e in controls.exceptions()), *(_broken(g) for g in controls.glasses(now))]


def reviews_due(controls: Controls, now: datetime) -> list[str]:
    """The panes of glass whose review is due, until somebody signs it."""
    return list(_due(controls, now))


def _due(controls: Controls, now: datetime) -> Iterator[str]:
    for glass in controls.glasses(now):
        if glass.state in _DUE and glass.due_at is not None:
            yield f"{glass.id} ({glass.state.value}, by {write_time(glass.due_at)})"


def _excepted(exception: PolicyException, now: datetime) -> Row:
    return {
        "name": exception.digest,
        "sort": "exception",
        "state": "in-force" if now < exception.valid_until else "ended",
        "rule": exception.rule,
        "scope": _told(exception.scope),
        "target": exception.target,
        "by": [exception.by.name],
        "until": write_time(exception.valid_until),
        "review_due": "",
        "reason": exception.reason,
    }


def _broken(glass: Glass) -> Row:
    return {
        "name": glass.id,
        "sort": "break-glass",
        "state": glass.state.value,
        "rule": "tier 1",
        "scope": _told(glass.scope),
        "target": "",
        "by": [s.name for s in glass.by],
        "until": write_time(glass.until) if glass.until is not None else "",
        "review_due": write_time(glass.due_at) if glass.due_at is not None else "",
        "reason": glass.reason,
        "reviewed_by": glass.reviewed_by.name if glass.reviewed_by is not None else "",
        "finding": glass.finding,
    }


def _told(scope: Scope) -> str:
    return f"{scope.site or '*'}/{scope.tenant or '*'}"
