"""CordonNode and UncordonNode: whether a node receives new work. Running work is not disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate.changes.kinds import Footprint, NoInverse, node_thing, tenants_on, unknown
from estate.conditions import Condition, Field, observed
from estate.ids import NodeId
from estate.records import Model
from estate.results import Ok, Result
from estate.snapshots import Snapshot
from estate.things import Thing

if TYPE_CHECKING:
    from estate.changes import Change


class _NodeChange(Model):
    node: NodeId

    def target(self) -> Thing:
        return node_thing(self.node)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.CORDONED)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return Footprint(nodes=(self.node,), tenants=tenants_on(snapshot, self.node))

    def _set(self, snapshot: Snapshot, cordoned: bool) -> Result[Snapshot]:
        node = snapshot.node(self.node)
        if node is None:
            return unknown(self.target())
        return Ok(snapshot.with_node(node.model_copy(update={"cordoned": cordoned})))


class CordonNode(_NodeChange):
    """Fence a node: no new work is placed on it."""

    kind: Literal["CordonNode"] = "CordonNode"
    reason: str = ""

    def describe(self) -> str:
        return f"cordon node {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        return self._set(snapshot, True)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if (node := snapshot.node(self.node)) is not None and node.cordoned:
            return NoInverse(reason="the node was cordoned before; an undo leaves it so")
        return UncordonNode(node=self.node)


class UncordonNode(_NodeChange):
    """Lift a fence: the node receives new work again."""

    kind: Literal["UncordonNode"] = "UncordonNode"

    def describe(self) -> str:
        return f"uncordon node {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        return self._set(snapshot, False)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if (node := snapshot.node(self.node)) is not None and not node.cordoned:
            return NoInverse(reason="the node was not cordoned before; an undo leaves it so")
        return CordonNode(node=self.node, reason="undo of an uncordon")
