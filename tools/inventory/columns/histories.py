"""What we knew when we decided: recent versions of the estate, each exactly as it was.

Called by `tools.inventory.follower`. A snapshot is held now and then, and the deltas between: a version is the snapshot
before it with the deltas since. Further back than it reaches it says so, and never guesses.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from estate.deltas import Delta, apply
from estate.frozen import FrozenEstate
from estate.snapshots import SnapshotVersion


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a history goes."""

    snapshots: int = 16
    deltas_between: int = 128


@dataclass(slots=True)
class _Chapter:
    """A snapshot and the deltas that followed it."""

    start: FrozenEstate
    at: datetime
    deltas: list[Delta] = field(default_factory=list)


class History:
    """Recent versions of one estate, in order."""

    def __init__(self, reach: Reach | None = None) -> None:
        self._reach = reach or Reach()
        self._chapters: deque[_Chapter] = deque(maxlen=self._reach.snapshots)

    def note(self, estate: FrozenEstate, delta: Delta) -> None:
        """`delta` has led to `estate`."""
        last = self._chapters[-1] if self._chapters else None
        if last is not None and not delta.whole and self._continues(last, estate):
            last.deltas.append(delta)
        else:
            self._chapters.append(_Chapter(estate, delta.at))

    def _continues(self, chapter: _Chapter, estate: FrozenEstate) -> bool:
        return estate.facts is chapter.start.facts and len(chapter.deltas) < self._reach.deltas_between

    def as_of(self, version: SnapshotVersion) -> FrozenEstate | None:
        """The estate under exactly that version; None when it is further back, or never was here."""
        for chapter in reversed(self._chapters):
            if chapter.start.version == version:
                return chapter.start
            known = [d.version for d in chapter.deltas]
            if version in known:
                return _replayed(chapter, known.index(version) + 1)
        return None

    def at(self, time: datetime) -> FrozenEstate | None:
        """The newest estate that was told by that time; None when it is further back."""
        for chapter in reversed(self._chapters):
            if chapter.at <= time:
                told = [number for number, delta in enumerate(chapter.deltas, start=1) if delta.at <= time]
                return _replayed(chapter, max(told, default=0))
        return None


def _replayed(chapter: _Chapter, deltas: int) -> FrozenEstate:
    estate = chapter.start
    for delta in chapter.deltas[:deltas]:
        estate = apply(estate, delta, estate.facts)
    return estate
