"""Who is still on reserved devices when their time comes, moved away, or stopped where there is no other home.

Pure; called by `rereserving`. A reservation is granted only where nobody would be in its way (`ReserveCapacity`), so
whoever is has agreed to be moved, has outstayed its word, or came later by other hands. Who is promised to run and not
preemptible is nevertheless left to people. The highest priority finds a home first; stopped is what may be, gang by
gang and above `min_available`. The gate judges each change as any other: consents, budgets, blast radius.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agents.cases import moves
from estate import gangs, pledges, reserving
from estate.changes import Change, EvictPod
from estate.effects import effect
from estate.ids import NodeId, WorkloadId
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation
from estate.workloads import Binding, Workload
from tools.kubernetes import naming
from tools.placement import yielding
from tools.placement.assurance.promises import promised
from tools.placement.port import Ask, Engine, NoPlacement


@dataclass(slots=True)
class Clearing:
    """The running estate, the changes so far, and who is left there, each with why."""

    snapshot: Snapshot
    engine: Engine
    held: Reservation
    now: datetime
    changes: list[Change] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Go through all that are in the way, the highest priority first."""
        found = {w.id for _, _, w in reserving.in_the_way(self.snapshot, self.held.terms, self.now)}
        for name in sorted(found, key=self._rank):
            workload = self.snapshot.workload(name)
            sitting = reserving.sitting(workload, self.held.terms) if workload is not None else ()
            if workload is not None and sitting:  # whoever is in a gang with one that stopped has gone with it
                self._clear(workload, sitting)

    def _rank(self, name: WorkloadId) -> tuple[int, str]:
        workload = self.snapshot.workload(name)
        return (0 if workload is None else -self._priority(workload), name)

    def _priority(self, workload: Workload) -> int:
        return pledges.of(self.snapshot, workload, self.now).priority

    def _clear(self, workload: Workload, sitting: tuple[Binding, ...]) -> None:
        if not self._may_go(workload):
            self.left.append(f"`{workload.id}` is promised to run, and may not be moved for others")
            return
        homes = () if naming.is_bare(workload) else self._homes(workload, sitting)
        if homes:
            for move in moves.in_turn(workload, homes):
                self._add(move)
        else:
            self._stop(workload, sitting)

    def _may_go(self, workload: Workload) -> bool:
        contract = pledges.of(self.snapshot, workload, self.now)
        return contract.preemptible or not promised(self.snapshot, workload, self.now)

    def _homes(self, workload: Workload, sitting: tuple[Binding, ...]) -> tuple[Binding, ...]:
        """In its cluster, where nobody else has reserved a place by then."""
        shut = frozenset[NodeId](s.node for s in self.held.seats)
        replicas, then = tuple(sorted(b.replica for b in sitting)), max(self.now, self.held.start)
        found = self.engine.place(self.snapshot, Ask(workload.id, replicas, avoid=shut, at=then))
        if isinstance(found, NoPlacement):
            return ()
        nodes = (self.snapshot.node(b.node) for b in found.bindings)
        return found.bindings if all(n is not None and n.cluster == workload.cluster for n in nodes) else ()

    def _stop(self, workload: Workload, sitting: tuple[Binding, ...]) -> None:
        stops = gangs.together(self.snapshot, {workload.id: sitting})
        for name, bindings in stops.items():
            member = self.snapshot.workload(name)
            if member is None or not self._may_stop(member, bindings):
                because = f"`{name}` would keep too few replicas, or may not be stopped"
                self.left.append(f"`{workload.id}` has no other home, and {because}")
                return
        for name, bindings in stops.items():
            for change in _stopping(self.snapshot, name, bindings):
                self._add(change)

    def _may_stop(self, member: Workload, bindings: tuple[Binding, ...]) -> bool:
        least = pledges.of(self.snapshot, member, self.now).min_available
        return self._may_go(member) and len(member.bindings) - len(bindings) >= least

    def _add(self, change: Change) -> None:
        after = effect(change, self.snapshot)
        if isinstance(after, Refusal):
            self.left.append(after.message)
            return
        self.changes.append(change)
        self.snapshot = after.value


def _stopping(snapshot: Snapshot, name: WorkloadId, bindings: tuple[Binding, ...]) -> tuple[Change, ...]:
    """What nobody would make again is evicted; of all else there are fewer."""
    workload = snapshot.workload(name)
    if workload is not None and naming.is_bare(workload):
        return tuple(EvictPod(workload=name, replica=b.replica, node=b.node) for b in bindings)
    return (yielding.stopped(snapshot, name, {b.replica for b in bindings}),)
