"""SetPowerCap: the most a node may draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate.changes.kinds import Footprint, NoInverse, node_thing, tenants_on, unknown
from estate.conditions import Condition, Field, observed
from estate.ids import NodeId
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing
from estate.units import Watts

if TYPE_CHECKING:
    from estate.changes import Change


class SetPowerCap(Model):
    """Cap what a node may draw, or lift the cap (`watts: null`)."""

    kind: Literal["SetPowerCap"] = "SetPowerCap"
    node: NodeId
    watts: Watts | None

    def target(self) -> Thing:
        return node_thing(self.node)

    def describe(self) -> str:
        return f"lift the power cap of {self.node}" if self.watts is None else f"cap {self.node} at {self.watts} W"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        node = snapshot.node(self.node)
        if node is None:
            return unknown(self.target())
        if self.watts is not None and self.watts < node.idle_watts:
            return Refusal(
                code=RefusalCode.NOT_SUPPORTED,
                about=str(self.target()),
                message=f"a cap of {self.watts} W is below the node's idle draw; use at least {node.idle_watts} W",
            )
        return Ok(snapshot.with_node(node.model_copy(update={"power_cap_watts": self.watts})))

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.POWER_CAP_WATTS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        node = snapshot.node(self.node)
        if node is None:
            return NoInverse(reason="the node is unknown")
        return SetPowerCap(node=self.node, watts=node.power_cap_watts)

    def footprint(self, snapshot: Snapshot) -> Footprint:
        return Footprint(nodes=(self.node,), tenants=tenants_on(snapshot, self.node))
