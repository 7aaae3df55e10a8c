"""ScaleWorkload: more replicas on named devices, or fewer (the highest numbers stop first)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from pydantic import Field as Range

from estate import gangs
from estate.changes.kinds import Footprint, NoInverse, footprint_of, unknown, workload_thing
from estate.changes.seating import seated
from estate.conditions import Condition, Field, observed
from estate.gangs import Stops
from estate.ids import NodeId, WorkloadId
from estate.records import Model
from estate.results import Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing
from estate.workloads import Binding, Workload

if TYPE_CHECKING:
    from estate.changes import Change


class ScaleWorkload(Model):
    """Set the number of replicas. `bindings` places the added ones; an added one without a binding is pending."""

    kind: Literal["ScaleWorkload"] = "ScaleWorkload"
    workload: WorkloadId
    replicas: int = Range(ge=0, le=10_000)
    bindings: tuple[Binding, ...] = ()

    def target(self) -> Thing:
        return workload_thing(self.workload)

    def describe(self) -> str:
        return f"scale {self.workload} to {self.replicas} replicas"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return unknown(self.target())
        if any(not workload.replicas <= b.replica < self.replicas for b in self.bindings):
            return Refusal(
                code=RefusalCode.PRECONDITION_FAILED,
                about=str(self.target()),
                message=f"bindings may only place the added replicas {workload.replicas} to {self.replicas - 1}",
            )
        return self._scaled(snapshot, workload)

    def _scaled(self, snapshot: Snapshot, workload: Workload) -> Result[Snapshot]:
        kept = tuple(b for b in workload.bindings if b.replica < self.replicas)
        scaled = workload.model_copy(update={"replicas": self.replicas, "bindings": kept})
        return seated(snapshot, scaled, self.bindings)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.REPLICAS, Field.BINDINGS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        workload = snapshot.workload(self.workload)
        if workload is None:
            return NoInverse(reason="the workload is unknown")
        return ScaleWorkload(workload=self.workload, replicas=workload.replicas, bindings=self._stopped(snapshot))

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        """See `ChangeKind`. Where replicas are counted, a place for added ones is written in the template that all of
        them share, and its system replaces every one, as `MoveWorkload` says.
        """
        return gangs.counts(self._stops(snapshot))

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return footprint_of(snapshot, self._stops(snapshot), *(b.node for b in self.bindings))

    def _stops(self, snapshot: Snapshot) -> Stops:
        workload = snapshot.workload(self.workload)
        rolled = workload.bindings if workload is not None and workload.counted and self.bindings else ()
        return gangs.together(snapshot, {self.workload: rolled or self._stopped(snapshot)})

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        workload = snapshot.workload(self.workload)
        each = workload.watts_per_accelerator if workload else 0
        wanted: defaultdict[NodeId, int] = defaultdict(int)
        for binding in self.bindings:
            wanted[binding.node] += each * len(binding.accelerators)
        return dict(wanted)

    def _stopped(self, snapshot: Snapshot) -> tuple[Binding, ...]:
        workload = snapshot.workload(self.workload)
        return tuple(b for b in workload.bindings if b.replica >= self.replicas) if workload else ()
