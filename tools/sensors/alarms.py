"""One alarm with hysteresis: a condition must hold for a time before it is raised, and be gone for a time to clear.

Called by `sensing` for every condition of every subject. Pure: the clock is an argument. Between the threshold to raise
and the one to clear nothing begins and nothing ends, so that a value that hovers there is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from estate.records import Model, Time


class Level(StrEnum):
    """Where a value stands to the two thresholds."""

    BAD = "bad"
    """Beyond the threshold to raise."""
    BETWEEN = "between"
    GOOD = "good"
    """Within the threshold to clear."""
    UNKNOWN = "unknown"
    """Nothing is measured now: neither good nor bad follows."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a level must last."""

    raise_after: timedelta
    clear_after: timedelta

    @classmethod
    def seconds(cls, raise_after: int, clear_after: int) -> Hold:
        """Of whole seconds, as settings have them."""
        return cls(timedelta(seconds=raise_after), timedelta(seconds=clear_after))


class Edge(StrEnum):
    """What became of an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"


class Alarm(Model):
    """Since when a condition is bad or good, and whether it was told. Persisted."""

    bad_since: Time | None = None
    good_since: Time | None = None
    raised_at: Time | None = None
    occurrence: int = 0
    """How often it was raised: part of each event's identity, so that a restart tells the same event again."""
    at: Time | None = None
    """When it was last judged; time never goes back."""

    @property
    def blank(self) -> bool:
        """Whether it says no more than a new one: what is well costs no memory."""
        return self.bad_since is None and self.raised_at is None and not self.occurrence


def step(alarm: Alarm, level: Level, now: datetime, hold: Hold) -> tuple[Alarm, Edge | None]:
    """The alarm after it was found at that level, and what is to be told."""
    now = max(now, alarm.at) if alarm.at is not None else now
    alarm = alarm.model_copy(update={"at": now})
    if level is Level.UNKNOWN:
        return alarm, None
    if level is Level.BAD:
        return _bad(alarm.model_copy(update={"good_since": None}), now, hold)
    alarm = alarm.model_copy(update={"bad_since": alarm.bad_since if alarm.raised_at else None})
    if level is Level.BETWEEN or alarm.raised_at is None:
        return alarm.model_copy(update={"good_since": None}), None
    return _good(alarm, now, hold)


def due(alarm: Alarm, hold: Hold) -> datetime | None:
    """When the alarm changes by time alone, if its level stays as it is."""
    if alarm.raised_at is None:
        return alarm.bad_since + hold.raise_after if alarm.bad_since else None
    return alarm.good_since + hold.clear_after if alarm.good_since else None


def _bad(alarm: Alarm, now: datetime, hold: Hold) -> tuple[Alarm, Edge | None]:
    since = alarm.bad_since or now
    if alarm.raised_at is not None or now - since < hold.raise_after:
        return alarm.model_copy(update={"bad_since": since}), None
    update = {"bad_since": since, "raised_at": now, "occurrence": alarm.occurrence + 1}
    return alarm.model_copy(update=update), Edge.RAISED


def _good(alarm: Alarm, now: datetime, hold: Hold) -> tuple[Alarm, Edge | None]:
    since = alarm.good_since or now
    if now - since < hold.clear_after:
        return alarm.model_copy(update={"good_since": since}), None
    return Alarm(occurrence=alarm.occurrence, at=now), Edge.CLEARED
