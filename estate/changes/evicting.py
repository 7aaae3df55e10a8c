"""EvictPod: one replica off a node that takes no new work. It is pending then, and its owner makes another elsewhere.

Where it is in a gang, all of that gang stop with it (`estate.gangs`).

The node must be shut to the workload first. Off an open one, the owner's next replica may come right back, and no
condition on nodes and counts could ever tell that anything was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field as Range

from estate import gangs
from estate.changes.kinds import (
    Footprint,
    NoInverse,
    footprint_of,
    gang_conditions,
    node_thing,
    resident_thing,
    unknown,
    workload_thing,
)
from estate.changes.seating import shut_to
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


class EvictPod(Model):
    """Evict one replica of a workload from a node, within its disruption budget."""

    kind: Literal["EvictPod"] = "EvictPod"
    workload: WorkloadId
    replica: int = Range(ge=0)
    """Of a counted workload a wish only: numbers are book-keeping there, and any of its replicas on the node does."""
    node: NodeId

    def target(self) -> Thing:
        return workload_thing(self.workload)

    def describe(self) -> str:
        return f"evict replica {self.replica} of {self.workload} from {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        workload, node = snapshot.workload(self.workload), snapshot.node(self.node)
        if workload is None:
            return unknown(self.target())
        if node is None:
            return unknown(node_thing(self.node))
        binding = self._binding(workload)
        if binding is None:
            fault = f"replica {self.replica} of `{self.workload}` is not on `{self.node}`"
            return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(self.target()), message=fault)
        if shut_to(node, workload) is None:
            fault = f"`{self.node}` is open and may get it right back; cordon or taint it first, or use DrainNode"
            return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(self.target()), message=fault)
        return Ok(gangs.stopped(snapshot, self._stops(snapshot)))

    def _binding(self, workload: Workload) -> Binding | None:
        here = workload.on(self.node)
        named = next((b for b in here if b.replica == self.replica), None)
        return named or (here[-1] if here and workload.counted else None)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """What stands on this node, that it is shut, and who is in a gang with it. How many others run elsewhere is
        judged by the law, and at the moment of the eviction by the disruption budget: on a cluster that changes with
        every pod that an owner makes.
        """
        node = snapshot.node(self.node)
        shut = Field.CORDONED if node is not None and node.cordoned else Field.TAINTS
        mates = gang_conditions(snapshot, self._stops(snapshot), self.node)
        return (*self.postconditions(snapshot), *observed(snapshot, node_thing(self.node), shut), *mates)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return observed(after, resident_thing(self.workload, self.node), Field.BINDINGS)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        return NoInverse(reason="an evicted replica is not put back: its owner makes another where it finds room")

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return gangs.counts(self._stops(snapshot))

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return footprint_of(snapshot, self._stops(snapshot), self.node)

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        workload = snapshot.workload(self.workload)
        binding = self._binding(workload) if workload else None
        held = len(binding.accelerators) * workload.watts_per_accelerator if workload and binding else 0
        return {self.node: -held}

    def _stops(self, snapshot: Snapshot) -> Stops:
        workload = snapshot.workload(self.workload)
        binding = self._binding(workload) if workload else None
        return gangs.together(snapshot, {self.workload: (binding,) if binding else ()})
