"""The assurance of one line of snapshots, kept current: only losses that a change may have touched are looked at again.

Called by the sensor's looks (some losses each), the door and the catalogue (all). A loss rests on the racks that it
strikes, those of the homes that it was given, and those where its workloads run; what changes elsewhere cannot take a
home away. Whoever had none is looked at again once anything was freed or opened somewhere. Any thread may ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from estate.ids import NodeId, RackId, WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.placement import carriers
from tools.placement.assurance import domains
from tools.placement.assurance.domains import Sort
from tools.placement.assurance.rehoming import Aftermath, Ground, Homeless, lose
from tools.placement.columns import Columns
from tools.placement.engine import MaskEngine


@dataclass(slots=True)
class _Books:
    """What is known of each loss, and what waits to be looked at."""

    found: dict[Ref, Aftermath] = field(default_factory=dict)
    racks: dict[Ref, frozenset[RackId]] = field(default_factory=dict)
    resting: dict[RackId, set[Ref]] = field(default_factory=dict)
    breaches: dict[WorkloadId, dict[Ref, Homeless]] = field(default_factory=dict)
    waiting: dict[Ref, None] = field(default_factory=dict)
    members: dict[Ref, tuple[NodeId, ...]] = field(default_factory=dict)
    watts: dict[Ref, int] = field(default_factory=dict)
    """What all homes of each loss draw together."""


class Keeper:
    """Keeps the assurance of one estate against losses of these sorts."""

    def __init__(self, sorts: Iterable[Sort] = tuple(Sort)) -> None:
        self._sorts = tuple(sorts)
        self._engine = MaskEngine()
        self._books = _Books()
        self._ground: Ground | None = None
        self._lock = threading.Lock()  # protects the two before it: a look is one whole

    def follow(self, snapshot: Snapshot, now: datetime | None = None, promised: Iterable[WorkloadId] = ()) -> None:
        """Take in a later snapshot; `promised` names workloads whose promise itself has changed."""
        with self._lock:
            before = self._ground
            if before is not None and before.snapshot is snapshot and not promised:
                before.now = now
                return
            self._ground = Ground(snapshot, self._engine.columns_of(snapshot), now)
            touched = None if before is None else snapshot.touched_since(before.snapshot)
            if touched is None or before is None or not _comparable(before, self._ground):
                self._begin()
            else:
                homes = {b.node for w in promised if (f := snapshot.workload(w)) is not None for b in f.bindings}
                pressed = self._pressed(before.columns)
                self._queue(touched | homes, pressed, helps=_helps(before.columns, self._ground.columns, touched))

    def work(self, most: int | None = None, stopped: Callable[[], bool] = lambda: False) -> frozenset[WorkloadId]:
        """Look at what waits; the workloads of which something else is known now.

        `most` ends it once so many workloads have looked for a home: a node's loss is little work, a site's is much.
        `stopped` ends it between two losses.
        """
        with self._lock:
            books, changed, tried = self._books, set[WorkloadId](), 0
            for ref in list(books.waiting):
                if stopped() or (most is not None and tried >= most):
                    break
                del books.waiting[ref]
                changed |= self._look(ref)
                tried += 1 + len(books.found[ref].concerned)
            return frozenset(changed)

    def all(self, snapshot: Snapshot, now: datetime | None = None) -> tuple[Aftermath, ...]:
        """Every loss of this snapshot, looked at."""
        self.follow(snapshot, now)
        self.work()
        with self._lock:
            return tuple(self._books.found[ref] for ref in self._books.members)

    def waiting(self) -> int:
        """How many losses are yet to be looked at."""
        with self._lock:
            return len(self._books.waiting)

    def resting_on(self, racks: Iterable[RackId]) -> set[Ref]:
        """The losses whose second homes, or whose victims, are in these racks."""
        with self._lock:
            return self._resting_on(racks)

    def breaches(self, workload: WorkloadId) -> dict[Ref, Homeless]:
        """The losses after which that workload has no second home."""
        with self._lock:
            return dict(self._books.breaches.get(workload, {}))

    def _resting_on(self, racks: Iterable[RackId]) -> set[Ref]:
        return set[Ref]().union(*(self._books.resting.get(r, set()) for r in racks))

    def _begin(self) -> None:
        assert self._ground is not None
        members = domains.every(self._ground.snapshot, self._sorts, self._ground.columns.ids)
        # What was in breach stays known until it is looked at again, so that its end is told.
        kept = {w: {r: h for r, h in b.items() if r in members} for w, b in self._books.breaches.items()}
        breaches = {w: b for w, b in kept.items() if b}
        self._books = _Books(members=members, waiting=dict.fromkeys(members), breaches=breaches)

    def _pressed(self, before: Columns) -> set[Ref]:
        """The losses whose homes hang on what carries more than before, and has less left than they may draw."""
        assert self._ground is not None
        ground, books = self._ground, self._books
        behind = carriers.of(ground.snapshot, ground.columns)
        if behind is None:
            return set()
        now = behind.carried(ground.columns.rack_drawn)
        left, most = behind.most - now, max(books.watts.values(), default=0)
        racks = ground.columns.names.racks
        found = set[Ref]()
        for place in np.flatnonzero((now > behind.carried(before.rack_drawn)) & (left < most)).tolist():
            near = self._resting_on(racks[r] for r in np.flatnonzero((behind.part == place).any(axis=1)))
            found |= {ref for ref in near if books.watts.get(ref, 0) > left[place]}
        return found

    def _queue(self, touched: Iterable[NodeId], pressed: set[Ref], *, helps: bool) -> None:
        assert self._ground is not None
        books, snapshot = self._books, self._ground.snapshot
        struck = list(touched)
        stale = domains.around(snapshot, struck, self._sorts) | pressed
        for rack in {r for n in struck if (r := snapshot.rack_of(n)) is not None}:
            stale |= books.resting.get(rack, set())
        helped = {ref for breaches in books.breaches.values() for ref in breaches} if helps else set[Ref]()
        for ref in (*sorted(stale), *sorted(helped - stale)):
            if ref in books.members:
                books.waiting.setdefault(ref)

    def _look(self, ref: Ref) -> set[WorkloadId]:
        """Look at one loss; the workloads for which it means something else than before."""
        assert self._ground is not None
        books = self._books
        after = lose(self._ground, ref, books.members[ref])
        before, now = self._hit(ref), {h.workload.id: h for h in after.homeless}
        changed = {w for w in {*before, *now} if before.get(w) != now.get(w)}
        for name in changed:
            known = books.breaches.setdefault(name, {})
            known.pop(ref, None)
            if name in now:
                known[ref] = now[name]
            if not known:
                del books.breaches[name]
        seen_first = set() if ref in books.found else set(after.concerned)
        books.found[ref] = after
        books.watts[ref] = self._drawn_by(after)
        self._rest(ref, self._rests_on(after))
        return changed | seen_first

    def _hit(self, ref: Ref) -> dict[WorkloadId, Homeless]:
        known = self._books.found.get(ref)
        if known is not None:
            return {h.workload.id: h for h in known.homeless}
        return {w: found[ref] for w, found in self._books.breaches.items() if ref in found}

    def _drawn_by(self, after: Aftermath) -> int:
        assert self._ground is not None
        work = ((self._ground.snapshot.workload(name), bindings) for name, bindings in after.homes.items())
        return sum(w.watts_per_accelerator * len(b.accelerators) for w, bs in work if w is not None for b in bs)

    def _rests_on(self, after: Aftermath) -> frozenset[RackId]:
        assert self._ground is not None
        snapshot = self._ground.snapshot
        nodes = {b.node for bindings in after.homes.values() for b in bindings}
        for name in after.concerned:
            found = snapshot.workload(name)
            nodes |= {b.node for b in found.bindings} if found is not None else set()
        return frozenset(r for n in nodes if (r := snapshot.rack_of(n)) is not None)

    def _rest(self, ref: Ref, racks: frozenset[RackId]) -> None:
        books = self._books
        for rack in books.racks.get(ref, frozenset()) - racks:
            books.resting[rack].discard(ref)
        for rack in racks:
            books.resting.setdefault(rack, set()).add(ref)
        books.racks[ref] = racks


def _comparable(before: Ground, after: Ground) -> bool:
    """Whether both have the same nodes behind the same parts, so that what changed is on nodes alone."""
    if before.columns.ids != after.columns.ids:
        return False
    was, now = (carriers.of(g.snapshot, g.columns) for g in (before, after))
    return was is now or (was is not None and now is not None and was.alike(now))


def _helps(before: Columns, after: Columns, touched: Iterable[NodeId]) -> bool:
    """Whether a place may have come free or open on these nodes: more devices, more watts, fewer marks or neighbours.

    Facts are the same, and so are the nodes; of what is not weighed here (a device of another make) any change counts.
    """
    rows = np.array([after.rows[n] for n in touched if n in after.rows], dtype=np.int64)
    if not rows.size or after.exists.shape != before.exists.shape:
        return True
    freed = (after.free & ~before.free)[rows].any() or (before.present & ~after.present)[:, rows].any()
    drawn = (after.rack_drawn < before.rack_drawn).any() or (after.load < before.load)[rows].any()
    marks = ("cordoned", "taint", "health", "cap", "model", "memory", "domain")
    marked = any((getattr(before, m) != getattr(after, m))[rows].any() for m in marks)
    return bool(freed or drawn or marked)
