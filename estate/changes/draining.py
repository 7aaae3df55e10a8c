"""DrainNode: a cordon, and then the eviction of every replica on the node, each within its disruption budget, and of
the whole of each gang that one of them is in (`estate.gangs`).

What it evicts is pending then; owners make other replicas where they find room. On the twin nobody does, and they stay
pending. An undo lifts the cordon and brings nothing back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate import gangs
from estate.changes.cordoning import UncordonNode
from estate.changes.kinds import Footprint, NodeChange, NoInverse, footprint_of, gang_conditions, unknown
from estate.conditions import Condition, Field, observed
from estate.gangs import Stops
from estate.ids import NodeId, WorkloadId
from estate.results import Ok, Result
from estate.snapshots import Snapshot

if TYPE_CHECKING:
    from estate.changes import Change


class DrainNode(NodeChange):
    """Empty a node and keep it shut. To drain several, cordon them all first: else one is filled from the other."""

    kind: Literal["DrainNode"] = "DrainNode"
    reason: str = ""

    def describe(self) -> str:
        return f"drain node {self.node}: cordon it and evict what runs there, whole gangs (an undo only uncordons it)"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        node = snapshot.node(self.node)
        if node is None:
            return unknown(self.target())
        running = snapshot.with_node(node.model_copy(update={"cordoned": True}))
        return Ok(gangs.stopped(running, self._stops(snapshot)))

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """All that stands there: nobody is evicted unthought of. `EvictPod` says what is not in it, and why."""
        here = observed(snapshot, self.target(), Field.CORDONED, Field.BINDINGS)
        return (*here, *gang_conditions(snapshot, self._stops(snapshot), self.node))

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if (node := snapshot.node(self.node)) is not None and node.cordoned:
            return NoInverse(reason="the node was cordoned before, and what was evicted is not put back")
        return UncordonNode(node=self.node)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return gangs.counts(self._stops(snapshot))

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return footprint_of(snapshot, self._stops(snapshot), self.node)

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        held = ((w, b) for w in snapshot.workloads_on(self.node) for b in w.on(self.node))
        return {self.node: -sum(w.watts_per_accelerator * len(b.accelerators) for w, b in held)}

    def _stops(self, snapshot: Snapshot) -> Stops:
        return gangs.together(snapshot, {w.id: w.on(self.node) for w in snapshot.workloads_on(self.node)})
