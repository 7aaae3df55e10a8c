"""TaintNode and UntaintNode: a fence with a name of its own, or a discouragement. Running work is not disturbed.

Only taints under `placet.dev/` are put and lifted: the others are those of whoever put them. One that evicts
(`NoExecute`) is refused, because it evicts past every disruption budget; `DrainNode` asks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate.changes.kinds import NodeChange, NoInverse
from estate.conditions import Condition, Field, observed
from estate.hardware import OWN_TAINTS, Node, Taint, TaintEffect
from estate.results import Refusal, RefusalCode, Result
from estate.snapshots import Snapshot

if TYPE_CHECKING:
    from estate.changes import Change


class _Tainting(NodeChange):
    taint: Taint

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.TAINTS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def _foreign(self) -> Refusal | None:
        if self.taint.own:
            return None
        return self._refused(f"`{self.taint.key}` is somebody else's to put and lift; use a key under `{OWN_TAINTS}`")

    def _refused(self, why: str) -> Refusal:
        return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(self.target()), message=why)


class TaintNode(_Tainting):
    """Put a taint on a node, in the place of one with the same key and effect."""

    kind: Literal["TaintNode"] = "TaintNode"
    reason: str = ""

    def describe(self) -> str:
        return f"taint node {self.node} with {self.taint}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        if refusal := self._foreign():
            return refusal
        if self.taint.effect is TaintEffect.NO_EXECUTE:
            return self._refused("a `NoExecute` taint evicts without asking any disruption budget; use DrainNode")
        return self.rewritten(snapshot, taints=_with(snapshot.node(self.node), self.taint))

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        before = _like(snapshot.node(self.node), self.taint)
        if before == self.taint:
            return NoInverse(reason="the node was tainted so before; an undo leaves it so")
        if before is not None:
            return TaintNode(node=self.node, taint=before, reason="undo of a taint")
        return UntaintNode(node=self.node, taint=self.taint)


class UntaintNode(_Tainting):
    """Lift exactly this taint."""

    kind: Literal["UntaintNode"] = "UntaintNode"

    def describe(self) -> str:
        return f"lift the taint {self.taint} of node {self.node}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        if refusal := self._foreign():
            return refusal
        return self.rewritten(snapshot, taints=_without(snapshot.node(self.node), self.taint))

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if _like(snapshot.node(self.node), self.taint) != self.taint:
            return NoInverse(reason="the node did not have that taint before; an undo leaves it so")
        if self.taint.effect is TaintEffect.NO_EXECUTE:
            return NoInverse(reason="a `NoExecute` taint is never put back: it evicts without asking")
        return TaintNode(node=self.node, taint=self.taint, reason="undo of an untaint")


def _like(node: Node | None, taint: Taint) -> Taint | None:
    """The taint of the same key and effect: there is at most one."""
    found = node.taints if node else ()
    return next((t for t in found if (t.key, t.effect) == (taint.key, taint.effect)), None)


def _with(node: Node | None, taint: Taint) -> tuple[Taint, ...]:
    others = (t for t in node.taints if t != _like(node, taint)) if node else ()
    return tuple(sorted((*others, taint), key=str))


def _without(node: Node | None, taint: Taint) -> tuple[Taint, ...]:
    return tuple(t for t in node.taints if t != taint) if node else ()
