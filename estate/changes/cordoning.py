"""CordonNode and UncordonNode: whether a node receives new work. Running work is not disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate.changes.kinds import NodeChange, NoInverse
from estate.conditions import Condition, Field, observed
from estate.results import Result
from estate.snapshots import Snapshot

if TYPE_CHECKING:
    from estate.changes import Change


class _Cordoning(NodeChange):
    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.CORDONED)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)


class CordonNode(_Cordoning):
    """Fence a node: no new work is placed on it."""

    kind: Literal["CordonNode"] = "CordonNode"
    reason: str = ""

    def describe(self) -> str:
        return f"cordon node {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        return self.rewritten(snapshot, cordoned=True)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if (node := snapshot.node(self.node)) is not None and node.cordoned:
            return NoInverse(reason="the node was cordoned before; an undo leaves it so")
        return UncordonNode(node=self.node)


class UncordonNode(_Cordoning):
    """Lift a fence: the node receives new work again."""

    kind: Literal["UncordonNode"] = "UncordonNode"

    def describe(self) -> str:
        return f"uncordon node {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        return self.rewritten(snapshot, cordoned=False)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if (node := snapshot.node(self.node)) is not None and not node.cordoned:
            return NoInverse(reason="the node was not cordoned before; an undo leaves it so")
        return CordonNode(node=self.node, reason="undo of an uncordon")
