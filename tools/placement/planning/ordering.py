"""A seating as moves in an order in which each is possible: on the estate that the ones before leave, and by its rules.

Every step is judged by the engine's own masks, by `effect`, by what is promised (`min_available`), and by what feeds
and cools the racks. Moves that wait for each other need a third place that is free; where there is none they stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from estate.changes import Change, CopyWorkload, MoveWorkload, RemoveWorkload, ReplicaMove
from estate.effects import lay_out
from estate.ids import ClusterId, NodeId, TenantId, WorkloadId
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import supplies
from policies.playing import Play
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.table import moving, standing
from tools.placement.engine import MaskEngine
from tools.placement.planning.promising import UNTIMED, Deadlines
from tools.placement.port import Ask
from tools.placement.rooms import Room
from tools.placement.wishes import Wish
from tools.rehearsal.rehearsing import disturbs


@dataclass(frozen=True, slots=True)
class Target:
    """Where one replica shall go: a node, and there the NVLink domain of these devices."""

    replica: int
    node: NodeId
    devices: frozenset[int]
    """Those of the place, of which some are taken when it is its turn."""


@dataclass(frozen=True, slots=True)
class Group:
    """Replicas of one workload that move in one step."""

    workload: WorkloadId
    targets: tuple[Target, ...]
    cluster: ClusterId | None = None
    """Another cluster that all of it goes to."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was taken."""

    group: Group
    sources: tuple[NodeId, ...]
    bindings: tuple[Binding, ...]
    changes: tuple[Change, ...]
    stops: Mapping[WorkloadId, int]
    """Running replicas that it disturbs, by workload."""
    after: Snapshot
    ends_after: int
    """Minutes from the beginning of all."""
    parked: bool = False
    """It is only on its way, to let another pass."""


@dataclass(slots=True)
class Ordering:
    """The estate as it runs on, step by step."""

    snapshot: Snapshot
    avoid: frozenset[NodeId]
    budget: int
    takes: Callable[[WorkloadId], int] = lambda _: 0
    """How many minutes a step with that workload lasts; they follow one another."""
    minutes: int | None = None
    """Those that there are; None: any number."""
    deadlines: Deadlines = UNTIMED
    """What is kept of what was promised."""
    engine: MaskEngine = field(default_factory=MaskEngine)
    done: list[Done] = field(default_factory=list)
    why: dict[Group, str] = field(default_factory=dict)
    """Of each group that could not go when it was last tried."""

    def run(self, groups: Sequence[Group]) -> tuple[Group, ...]:
        """Take every step that can be taken; those are given back that cannot."""
        waiting, parked = list(groups), set[Group]()
        while waiting:
            gone = [g for g in waiting if self._go(g)]
            waiting = [g for g in waiting if g not in gone]
            if gone or not waiting:
                continue
            aside = next((g for g in waiting if g not in parked and self._park(g)), None)
            if aside is None:
                break
            parked.add(aside)
        return tuple(waiting)

    @property
    def disturbed(self) -> int:
        """Running replicas that were disturbed so far."""
        return sum(sum(d.stops.values()) for d in self.done)

    def _go(self, group: Group) -> bool:
        workload = self.snapshot.workload(group.workload)
        assert workload is not None, "nothing is removed but what was copied, and that moves once"
        seats = self._seats(workload, group)
        if isinstance(seats, str):
            self.why[group] = seats
            return False
        return self._take(workload, group, seats)

    def _park(self, group: Group) -> bool:
        """To wherever it may be for a while: nobody else's target."""
        workload = self.snapshot.workload(group.workload)
        if workload is None or group.cluster is not None:
            return False
        replicas = tuple(t.replica for t in group.targets)
        here = {b.node for b in workload.bindings if b.replica in replicas}
        seats = self.engine.seats(self.snapshot, Ask(workload.id, replicas, avoid=self.avoid | here))
        if seats is None or not here:
            return False
        inside = all(self._cluster(b.node) == workload.cluster for b in seats)
        return inside and self._take(workload, group, seats, parked=True)

    def _take(self, workload: Workload, group: Group, seats: tuple[Binding, ...], *, parked: bool = False) -> bool:
        changes = _changes(workload, seats, group.cluster)
        judged = self._judged(changes, {b.node for b in seats})
        if isinstance(judged, str):
            self.why[group] = judged
            return False
        after, stops = judged
        if self.disturbed + sum(stops.values()) > self.budget:
            self.why[group] = f"the budget of moves is used up: {self.disturbed} of {self.budget}"
            return False
        ends = (self.done[-1].ends_after if self.done else 0) + self.takes(workload.id)
        if self.minutes is not None and ends > self.minutes:
            self.why[group] = f"late: it would be done {ends} minutes from the beginning, and there are {self.minutes}"
            return False
        if missed := self._missed(workload, seats, stops, ends):
            self.why[group] = missed
            return False
        moved = {b.replica for b in seats}
        sources = tuple(b.node for b in workload.bindings if b.replica in moved)
        self.done.append(Done(group, sources, seats, changes, stops, after, ends, parked))
        self.snapshot = after
        return True

    def _missed(self, workload: Workload, seats: Sequence[Binding], stops: Iterable[WorkloadId], ends: int) -> str:
        """Who would miss a deadline: whoever is moved, or stopped with it, begins anew."""
        mates = (self.snapshot.workload(name) for name in stops)
        anew = {w.id: {b.node for b in w.bindings} for w in mates if w is not None and w.id != workload.id}
        anew[workload.id] = {b.node for b in seats}
        return self.deadlines.missed(self.snapshot, self.engine.columns_of(self.snapshot), ends, anew)

    def _seats(self, workload: Workload, group: Group) -> tuple[Binding, ...] | str:
        """Devices for each replica as things are, by the masks; or why there are none."""
        replicas = tuple(t.replica for t in group.targets)
        wish = Wish(
            self.snapshot, self.engine.columns_of(self.snapshot), Ask(workload.id, replicas, (), self.avoid), workload
        )
        room, fixed = Room(wish), standing(wish)
        of_kind = suitable(wish, None).all
        found = []
        for target in group.targets:
            row = wish.columns.rows[target.node]
            masks = fixed | moving(wish, room, None)
            refused = [c.value for c, mask in masks.items() if mask[row]]
            if refused:
                return f"`{target.node}` is refused: {', '.join(refused)}"
            usable = room.devices[row] & of_kind[row]
            usable &= np.isin(wish.columns.index[row], list(target.devices))
            slots = np.flatnonzero(usable)[: wish.needed]
            if len(slots) < wish.needed:
                return f"`{target.node}` has {len(slots)} of {wish.needed} devices free in one place"
            room.seat(row, slots, wish.watts)
            indexes = tuple(sorted(int(i) for i in wish.columns.index[row, slots]))
            found.append(Binding(replica=target.replica, node=target.node, accelerators=indexes))
        return tuple(found)

    def _judged(self, changes: Sequence[Change], onto: set[NodeId]) -> tuple[Snapshot, Mapping[WorkloadId, int]] | str:
        """The estate afterwards and what was disturbed, or what stands against it."""
        running, stopped, tenants = self.snapshot, Counter[WorkloadId](), set[TenantId]()
        for change in changes:
            laid = lay_out((change,), running)
            if isinstance(laid, Refusal):
                return laid.message
            after = laid.value.after
            if short := "" if isinstance(change, RemoveWorkload) else breaks(running, after, change.disrupts(running)):
                return short
            play = Play(running, laid.value.steps, laid.value.steps, (after,), laid.value.footprint, None)
            if over := _overloads(play, onto):
                return over
            tenants.update(laid.value.footprint.tenants)
            stopped.update(change.disrupts(running))
            running = after
        if over := self._unaffordable(running, tenants):
            return over
        return running, {name: count for name, count in stopped.items() if count}

    def _unaffordable(self, after: Snapshot, tenants: Iterable[TenantId]) -> str:
        """The quota that the gate would forbid it for, in words: of a copy and a removal both together count."""
        books = self.engine.columns_of(self.snapshot).books
        for bound, used in books.exceeded(self.snapshot, after, tenants):
            return f"the {bound} would be used by {used.devices} accelerators and {used.watts} W"
        return ""

    def _cluster(self, node: NodeId) -> ClusterId | None:
        found = self.snapshot.node(node)
        return found.cluster if found else None


def breaks(before: Snapshot, after: Snapshot, stops: Mapping[WorkloadId, int]) -> str:
    """The promise that a step would break, in words; empty where it breaks none."""
    for name, count in stops.items():
        was, now = before.workload(name), after.workload(name)
        if was is None or now is None:
            continue
        begins_anew = was.bindings == now.bindings and len(was.bindings) - count < was.contract.min_available
        if (count and begins_anew) or disturbs(before, after, name):
            return (
                f"`{name}` is promised {was.contract.min_available} running replicas, {len(was.bindings)} run, and this"
                f" would stop {count}"
            )
    return ""


def _overloads(play: Play, onto: set[NodeId]) -> str:
    """The rack, feed, site, CDU or loop that would carry more than it may, in words."""
    for rack in sorted({r for n in onto if (r := play.base.rack_of(n)) is not None}):
        before, after = supplies.drawn(play, rack)
        budget, cooled = play.base.facts.rack[rack].power_budget_watts, supplies.cooled(play.base, rack)
        if after > before and after > budget:
            return f"rack `{rack}` would draw {after} W of {budget} W"
        if cooled is not None and after > before and after > cooled:
            return f"rack `{rack}` gives away {cooled} W of heat, and would draw {after} W"
    for supply in supplies.supplies(play):
        if supply.after > supply.before and supply.after > supply.most:
            return f"{supply.ref} would carry {supply.after} W of {supply.most} W"
    return ""


def _changes(workload: Workload, seats: Sequence[Binding], cluster: ClusterId | None) -> tuple[Change, ...]:
    if cluster is not None:
        copy = CopyWorkload(workload=workload.id, to_cluster=cluster, bindings=tuple(seats))
        return (copy, RemoveWorkload(workload=workload.id, replaced_by=copy.named(workload)))
    running = {b.replica: b.node for b in workload.bindings}
    moves = tuple(
        ReplicaMove(replica=b.replica, source=running.get(b.replica), target=b.node, accelerators=b.accelerators)
        for b in seats
    )
    return (MoveWorkload(workload=workload.id, moves=moves),)
