"""RepartitionAccelerator: the accelerators of a node cut anew, or made whole, by a layout that signed facts state.

A partition manager is told one word for all of a node, takes the devices from everybody there while it works, and may
restart the machine (`docs/decisions/0059`). So no device of the node may be in use, it may not be fenced, and all of it
is healthy. Who runs there without a device, and whose reservation names one, is asked by the law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from estate import layouts
from estate.changes.kinds import NodeChange, NoInverse, unknown
from estate.conditions import Condition, Field, observed
from estate.devices import Partitioning, PartitionState
from estate.hardware import Health, Node
from estate.law.layouts import LayoutName
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot

if TYPE_CHECKING:
    from estate.changes import Change

_READ: Final = (Field.LAYOUT, Field.CORDONED, Field.TAINTS, Field.HEALTH, Field.BINDINGS)


class RepartitionAccelerator(NodeChange):
    """Have the node's partition manager cut its accelerators as a stated layout says."""

    kind: Literal["RepartitionAccelerator"] = "RepartitionAccelerator"
    layout: LayoutName

    def describe(self) -> str:
        return f"cut the accelerators of {self.node} by the layout {self.layout} (nothing may run there meanwhile)"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        node = snapshot.node(self.node)
        if node is None:
            return unknown(self.target())
        if barred := _barred(snapshot, node):
            return self._refused(RefusalCode.PRECONDITION_FAILED, barred)
        known = layouts.stated(snapshot.facts, node)
        layout = next((x for x in known if x.name == self.layout), None)
        if layout is None:
            names = ", ".join(f"`{x.name}`" for x in known) or "none"
            why = f"is in cluster `{node.cluster}`, for which signed facts state no layout `{self.layout}`, but {names}"
            return self._refused(RefusalCode.NOT_SUPPORTED, why)
        made = layouts.laid(node, layout, known)
        if isinstance(made, str):
            return self._refused(RefusalCode.NOT_SUPPORTED, made)
        if layouts.sizes(made) == layouts.sizes(node):
            return self._refused(
                RefusalCode.NOT_SUPPORTED, f"has as many devices of each size as `{self.layout}` makes"
            )
        return Ok(snapshot.with_node(made.model_copy(update={"partitioning": Partitioning(layout=self.layout)})))

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), *_READ)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return observed(after, self.target(), Field.LAYOUT)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        node = snapshot.node(self.node)
        before = layouts.in_force(node, layouts.stated(snapshot.facts, node)) if node is not None else None
        if before is None:
            return NoInverse(reason="no layout that signed facts state is how its accelerators were cut before")
        return RepartitionAccelerator(node=self.node, layout=before.name)

    def _refused(self, code: RefusalCode, why: str) -> Refusal:
        return Refusal(code=code, about=str(self.target()), message=f"`{self.node}` {why}")


def _barred(snapshot: Snapshot, node: Node) -> str:
    """What stands against cutting anything there now."""
    if node.partitioning is None:
        return "has no partition manager that says how it is cut"
    if node.partitioning.state in (PartitionState.PENDING, PartitionState.REBOOTING):
        return f"is being cut already (its partition manager says `{node.partitioning.state.value}`); wait for it"
    if node.partitioning.state is PartitionState.FAILED:
        return "was left by its partition manager as `failed`; have somebody look at it"
    if node.fenced:
        return "is fenced; what is fenced is not cut before the fence is lifted"
    if sick := [f"accelerator {a.index}" for a in node.accelerators if a.health is not Health.HEALTHY]:
        return f"is not healthy: {sick[0]}"
    if node.health is not Health.HEALTHY:
        return f"is {node.health.value}"
    if held := snapshot.taken(node.id):
        return f"has {len(held)} devices in use; move away what holds them first"
    return ""
