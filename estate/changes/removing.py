"""RemoveWorkload: a workload ends because its counterpart in another cluster runs in its place.

Nothing is removed that stands nowhere else. What is removed is not brought back by an undo: nobody keeps what it ran,
and what would be made anew is another thing. The counterpart runs; copying it back is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from estate import gangs, names
from estate.changes.kinds import Footprint, NoInverse, footprint_of, unknown, workload_thing
from estate.conditions import Condition, Field, absent, observed
from estate.gangs import Stops
from estate.ids import NodeId, WorkloadId
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing
from estate.workloads import Binding, Workload

if TYPE_CHECKING:
    from estate.changes import Change


class RemoveWorkload(Model):
    """End a workload whose counterpart in another cluster runs."""

    kind: Literal["RemoveWorkload"] = "RemoveWorkload"
    workload: WorkloadId
    replaced_by: WorkloadId
    """Its counterpart, which was copied from it, or from which it was copied."""

    def target(self) -> Thing:
        return workload_thing(self.workload)

    def describe(self) -> str:
        return f"remove {self.workload}: {self.replaced_by} runs in its place"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        workload, other = snapshot.workload(self.workload), snapshot.workload(self.replaced_by)
        if workload is None:
            return unknown(self.target())
        if other is None:
            return unknown(workload_thing(self.replaced_by))
        return self._fault(workload, other) or Ok(snapshot.without_workload(self.workload))

    def _fault(self, workload: Workload, other: Workload) -> Refusal | None:
        if not names.are_counterparts(workload, other):
            why = f"`{other.id}` is no copy of `{workload.id}` in another cluster; copy it first, with CopyWorkload"
            return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(self.target()), message=why)
        if workload.bindings and not other.bindings:
            why = f"nothing of `{other.id}` runs; what is left of `{workload.id}` stays"
            return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(self.target()), message=why)
        return None

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """The workload, and that its counterpart runs as it was decided."""
        things = (self.target(), workload_thing(self.replaced_by))
        return tuple(c for thing in things for c in observed(snapshot, thing, Field.REPLICAS, Field.BINDINGS))

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return (absent(self.target()),)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        return NoInverse(reason=f"what it ran is not kept, and `{self.replaced_by}` runs in its place; copy that back")

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return gangs.counts(self._stops(snapshot))

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return footprint_of(snapshot, self._stops(snapshot))

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        workload = snapshot.workload(self.workload)
        wanted: defaultdict[NodeId, int] = defaultdict(int)
        for binding in self._running(snapshot):
            wanted[binding.node] -= len(binding.accelerators) * (workload.watts_per_accelerator if workload else 0)
        return dict(wanted)

    def _stops(self, snapshot: Snapshot) -> Stops:
        """With it, whoever is in a gang with a replica of it begins anew."""
        return gangs.together(snapshot, {self.workload: self._running(snapshot)})

    def _running(self, snapshot: Snapshot) -> tuple[Binding, ...]:
        workload = snapshot.workload(self.workload)
        return workload.bindings if workload else ()
