"""What we knew when we decided: recent versions of the estate, each exactly as it was.

Called by `tools.inventory.follower`. A snapshot is held now and then, and the deltas between: a version is the snapshot
before it with the deltas since. Further back than it reaches it says so, and never guesses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from estate.alterations import Bound, Unbound, altered_node, altered_workload
from estate.deltas import Delta, apply
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.records import Model
from estate.references import Ref
from estate.snapshots import SnapshotVersion
from estate.workloads import Workload


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a history goes."""

    snapshots: int = 4
    """Each may come to a copy of the whole estate, once enough of it has changed since."""
    deltas_between: int = 512


NONE = Reach(snapshots=0)
"""For processes that nobody asks about the past."""


@dataclass(slots=True)
class _Chapter:
    """A snapshot and the deltas that followed it."""

    start: FrozenEstate
    at: datetime
    first: Delta
    """What led to `start`."""
    deltas: list[Delta] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether it begins with a whole estate, so that nothing says what it changed."""
        return self.first.whole

    @property
    def told(self) -> Iterator[Delta]:
        """Every delta that changed something."""
        return chain(() if self.whole else (self.first,), self.deltas)


@dataclass(frozen=True, slots=True)
class Told:
    """What one version said of a thing."""

    version: SnapshotVersion
    at: datetime
    thing: Model | None
    """None: it was gone, or not there."""


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
            self._chapters.append(_Chapter(estate, delta.at, delta))

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

    def told(self, ref: Ref) -> Iterator[Told]:
        """Each version that is still held and said something of a node, a workload or an item, oldest first."""
        thing: Model | None = None
        for number, chapter in enumerate(self._chapters):
            if number == 0 or chapter.whole:
                thing = _found(chapter.start, ref)
                yield Told(chapter.start.version, chapter.at, thing)
            for delta in chapter.told:
                if (said := _said(delta, ref, thing)) is not None:
                    thing = said.thing
                    yield said


def _said(delta: Delta, ref: Ref, before: Model | None) -> Told | None:
    """What it says of a thing that was like this before it."""
    match ref.kind:
        case "node":
            put: Iterable[Model] = (n for n in delta.nodes if n.id == ref.id)
            gone: Iterable[str] = delta.removed_nodes
        case "workload":
            put, gone = (w for w in delta.workloads if w.id == ref.id), delta.removed_workloads
        case _:
            put, gone = (i for i in delta.items if i.ref == ref), map(str, delta.removed_items)
    thing = next(iter(put), None) or _altered(delta, ref, before)
    if thing is None and not {ref.id, str(ref)}.intersection(gone):
        return None
    return Told(delta.version, delta.at, thing)


def _altered(delta: Delta, ref: Ref, before: Model | None) -> Model | None:
    """What single facts make of it; None where they say nothing of it."""
    after = before
    for fact in delta.alterations:
        if isinstance(fact, Bound | Unbound):
            if isinstance(after, Workload) and ref == Ref("workload", fact.workload):
                after = altered_workload(after, fact)
        elif isinstance(after, Node) and ref == Ref("node", fact.node):
            after = altered_node(after, fact)
    return after if after is not before else None


def _found(estate: FrozenEstate, ref: Ref) -> Model | None:
    match ref.kind:
        case "node":
            return estate.node(NodeId(ref.id))
        case "workload":
            return estate.workload(WorkloadId(ref.id))
        case _:
            return estate.stock.get(ref)


def _replayed(chapter: _Chapter, deltas: int) -> FrozenEstate:
    estate = chapter.start
    for delta in chapter.deltas[:deltas]:
        estate = apply(estate, delta, estate.facts)
    return estate
