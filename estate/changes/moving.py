"""MoveWorkload: running or pending replicas to named nodes of their cluster. To another one: `CopyWorkload`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from estate import gangs
from estate.changes.kinds import Footprint, NoInverse, footprint_of, unknown, workload_thing
from estate.changes.seating import seat
from estate.conditions import Condition, Field, observed
from estate.gangs import Stops
from estate.ids import NodeId, WorkloadId
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing
from estate.workloads import Binding, Workload

if TYPE_CHECKING:
    from estate.changes import Change


class ReplicaMove(Model):
    """One replica from where it runs (None: it is pending) to where it shall run (None: it stops)."""

    replica: int
    source: NodeId | None
    target: NodeId | None
    accelerators: tuple[int, ...] = ()


class MoveWorkload(Model):
    """Bind replicas of a workload to named nodes and devices."""

    kind: Literal["MoveWorkload"] = "MoveWorkload"
    workload: WorkloadId
    moves: tuple[ReplicaMove, ...]

    @model_validator(mode="after")
    def _moves_each_replica_once(self) -> Self:
        replicas = [m.replica for m in self.moves]
        if not replicas or len(replicas) != len(set(replicas)):
            raise ValueError("moves: name each replica once, and at least one")
        return self

    def target(self) -> Thing:
        return workload_thing(self.workload)

    def describe(self) -> str:
        places = ", ".join(f"{m.source or 'pending'} → {m.target or 'stopped'}" for m in self.moves)
        return f"move {self.workload}: {places}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return unknown(self.target())
        if fault := self._source_fault(workload):
            return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(self.target()), message=fault)
        return self._rebound(snapshot, workload)

    def _rebound(self, snapshot: Snapshot, workload: Workload) -> Result[Snapshot]:
        moved = {m.replica for m in self.moves}
        kept = tuple(b for b in workload.bindings if b.replica not in moved)
        fresh = tuple(
            Binding(replica=m.replica, node=m.target, accelerators=m.accelerators) for m in self.moves if m.target
        )
        if refusal := seat(snapshot, workload.model_copy(update={"bindings": kept}), fresh):
            return refusal
        ordered = tuple(sorted((*kept, *fresh), key=lambda b: b.replica))
        return Ok(snapshot.with_workload(workload.model_copy(update={"bindings": ordered})))

    def _source_fault(self, workload: Workload) -> str | None:
        running = {b.replica: b.node for b in workload.bindings}
        for move in self.moves:
            if move.replica >= workload.replicas:
                return f"`{workload.id}` has no replica {move.replica}"
            if running.get(move.replica) != move.source:
                found = running.get(move.replica) or "pending"
                return f"replica {move.replica} of `{workload.id}` is {found}, not on `{move.source or 'pending'}`"
        return None

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.CLUSTER, Field.REPLICAS, Field.BINDINGS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return NoInverse(reason="the workload is unknown")
        before = {b.replica: b for b in workload.bindings}
        back = tuple(_back(m, before.get(m.replica)) for m in self.moves)
        return MoveWorkload(workload=self.workload, moves=back)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        """See `ChangeKind`. Where replicas are counted, a place is written in the template that all of them share, and
        its system replaces every one. It does so by and by: the executor holds that above `min_available`, or refuses.
        Whoever is in a gang with one that moves begins anew as well, where it is.
        """
        return gangs.counts(self._stops(snapshot))

    def footprint(self, snapshot: Snapshot) -> Footprint:
        nodes = (n for m in self.moves for n in (m.source, m.target) if n)
        return footprint_of(snapshot, self._stops(snapshot), *nodes)

    def _stops(self, snapshot: Snapshot) -> Stops:
        workload = snapshot.workload(self.workload)
        moving = {m.replica for m in self.moves if m.source}
        bound = workload.bindings if workload else ()
        leaving = [b for b in bound if b.replica in moving or (workload and workload.counted)]
        return gangs.together(snapshot, {self.workload: leaving})

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        workload = snapshot.workload(self.workload)
        each = workload.watts_per_accelerator if workload else 0
        held = {b.replica: len(b.accelerators) for b in workload.bindings} if workload else {}
        wanted: defaultdict[NodeId, int] = defaultdict(int)
        for move in self.moves:
            if move.source:
                wanted[move.source] -= each * held.get(move.replica, 0)
            if move.target:
                wanted[move.target] += each * len(move.accelerators)
        return dict(wanted)


def _back(move: ReplicaMove, before: Binding | None) -> ReplicaMove:
    return ReplicaMove(
        replica=move.replica,
        source=move.target,
        target=before.node if before else None,
        accelerators=before.accelerators if before else (),
    )
