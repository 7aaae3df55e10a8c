"""`inventory.stale`: a source, or one target of it, has not spoken for longer than it may.

A source that is asked in rounds is stale when a target gave nothing for too long. One that tells of changes may be
silent for as long as it likes, and is stale when watching it has failed for that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from estate.evidence import Quantity
from estate.observations import EventType, Severity
from estate.records import Model, Time
from estate.references import Ref
from estate.units import Seconds
from tools.inventory.freshness import READING
from tools.sensors import places
from tools.sensors.alarms import Hold, Level
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus


class Word(Model):
    """What is remembered of a target."""

    heard_at: Time | None = None
    failing_since: Time | None = None
    failure: str = ""
    asked: bool = False
    """Whether it is asked in rounds."""


class Staleness(Sensor[Word]):
    """How old a source's word may be."""

    tells: ClassVar[EventType] = EventType.INVENTORY_STALE
    remembers: ClassVar[type[Model]] = Word

    stale_after_seconds: Seconds = Seconds(int(READING.total_seconds()))
    fresh_after_seconds: Seconds = Seconds(60)
    """How long it must have spoken again."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        if seen.source and not seen.heard and not seen.claimed:
            yield f"{seen.source}/", None
        yield from ((f"{seen.source}/{heard.target}", None) for heard in seen.heard)

    def judge(self, subject: str, memory: Word | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Word]:
        word = _after(memory or Word(), subject, seen)
        begun = word.heard_at if word.asked and word.heard_at is not None else word.failing_since
        if begun is not None and seen.watched_from is not None:
            begun = max(begun, seen.watched_from)
        limit = timedelta(seconds=self.stale_after_seconds)
        stale = begun is not None and seen.now - begun > limit
        source, _, target = subject.partition("/")
        age = int((seen.now - begun).total_seconds()) if begun is not None else 0
        why = f": {word.failure}" if word.failure else ""
        condition = Condition(
            name="stale",
            level=Level.BAD if stale else Level.GOOD,
            hold=Hold.seconds(0, self.fresh_after_seconds),
            severity=Severity.WARNING,
            message=f"{f'`{target}` of ' if target else ''}source `{source}` said nothing for {age} s{why}",
            code="inventory-stale",
            whereabouts=places.whereabouts(seen.after, Ref("cluster", target or source)),
            values=(Quantity(name="age", value=age, unit="s"),),
            thresholds=(Quantity(name="stale-after", value=self.stale_after_seconds, unit="s"),),
        )
        return Judged(word, (condition,), self._due(begun, limit, stale=stale))

    def _due(self, begun: datetime | None, limit: timedelta, *, stale: bool) -> datetime | None:
        return begun + limit + timedelta(seconds=1) if begun is not None and not stale else None


def _after(word: Word, subject: str, seen: Seen) -> Word:
    """With what was heard; nothing older than what is known already."""
    if seen.source and not seen.heard and subject == f"{seen.source}/":
        return Word(heard_at=seen.now)
    for heard in seen.heard:
        if subject != f"{seen.source}/{heard.target}":
            continue
        at = min(heard.at, seen.now)
        if heard.failure:
            since = word.failing_since or at
            update = {"failing_since": since, "failure": heard.failure[:200], "asked": bool(heard.target)}
            word = word.model_copy(update=update)
        elif word.heard_at is None or at > word.heard_at:
            word = Word(heard_at=at, asked=bool(heard.target))
    return word
