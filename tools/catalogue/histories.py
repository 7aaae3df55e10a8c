"""A tool about the past: what was known of a thing under a version or at a time, and what has changed since.

It reads what the process still holds of the delta stream; further back it says so and guesses nothing.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from estate.canonical import Json
from estate.errors import BadInput
from estate.records import Model, Time
from estate.references import Ref
from estate.snapshots import SnapshotVersion
from tools.catalogue.things import ThingQuestion
from tools.catalogue.tools import Answer, Desk, Tool
from tools.views import selecting, things


class HistoryQuestion(ThingQuestion):
    """Which thing, and as of which version or time."""

    version: SnapshotVersion | None = None
    at: Time | None = None

    @model_validator(mode="after")
    def _names_one_moment(self) -> HistoryQuestion:
        if (self.version is None) == (self.at is None):
            raise ValueError("name a `version` or a time (`at`), not both")
        return self


class Change(Model):
    """A field that is otherwise now."""

    field: str
    then: Any
    now: Any


class HistoryAnswer(Answer):
    """What was known then (null: not of this thing), and which fields are otherwise now."""

    as_of: SnapshotVersion
    then: dict[str, Any] | None
    exists_now: bool
    changed: tuple[Change, ...] = Field(max_length=selecting.MOST_ITEMS)
    total: int
    """How many fields are otherwise; the first are shown."""


def history(desk: Desk, question: HistoryQuestion) -> HistoryAnswer:
    """One thing as it was, against how it is."""
    if question.version is not None:
        past, moment = desk.past.as_of(question.version), str(question.version)
    else:
        assert question.at is not None
        past, moment = desk.past.at(question.at), question.at.isoformat()
    if past is None:
        raise BadInput(f"`{moment}` is further back than is held here, or never was; ask for a later one")
    ref = Ref(question.kind, question.id)
    then, now = things.find(past, ref), things.find(desk.snapshot, ref)
    changes = differences(then.form() if then else {}, now.form() if now else {})
    shown, _ = selecting.shortened(then.form()) if then else (None, {})
    return HistoryAnswer(
        snapshot=desk.snapshot.version,
        as_of=past.version,
        then=shown,
        exists_now=now is not None,
        changed=tuple(changes[: selecting.MOST_ITEMS]),
        total=len(changes),
    )


def differences(then: dict[str, Json], now: dict[str, Json], under: str = "") -> list[Change]:
    """Field by field, into records and lists; the smallest part that differs."""
    found: list[Change] = []
    for name in dict.fromkeys((*then, *now)):
        path = f"{under}.{name}" if under else name
        found += _differs(path, then.get(name), now.get(name))
    return found


def _differs(path: str, then: Json, now: Json) -> list[Change]:
    if then == now:
        return []
    if isinstance(then, dict) and isinstance(now, dict):
        return differences(then, now, path)
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [c for n, (a, b) in enumerate(zip(then, now, strict=True)) for c in _differs(f"{path}.{n}", a, b)]
    short = (selecting.shortened(v)[0] for v in (then, now))
    return [Change(field=path, then=next(short), now=next(short))]


HISTORY = Tool(
    "history",
    "One thing of any kind as it was known under a snapshot version or at a time (what did we know when we decided),"
    " and which fields are otherwise now.",
    HistoryQuestion,
    HistoryAnswer,
    history,
)
