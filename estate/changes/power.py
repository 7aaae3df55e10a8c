"""SetPowerCap: the most a node may draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from estate.changes.kinds import NodeChange, NoInverse
from estate.conditions import Condition, Field, observed
from estate.results import Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.units import Watts

if TYPE_CHECKING:
    from estate.changes import Change


class SetPowerCap(NodeChange):
    """Cap what a node may draw, or lift the cap (`watts: null`)."""

    kind: Literal["SetPowerCap"] = "SetPowerCap"
    watts: Watts | None

    def describe(self) -> str:
        return f"lift the power cap of {self.node}" if self.watts is None else f"cap {self.node} at {self.watts} W"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        node = snapshot.node(self.node)
        if node is not None and self.watts is not None and self.watts < node.idle_watts:
            return Refusal(
                code=RefusalCode.NOT_SUPPORTED,
                about=str(self.target()),
                message=f"a cap of {self.watts} W is below the node's idle draw; use at least {node.idle_watts} W",
            )
        return self.rewritten(snapshot, power_cap_watts=self.watts)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        return observed(snapshot, self.target(), Field.POWER_CAP_WATTS)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return self.preconditions(after)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        node = snapshot.node(self.node)
        if node is None:
            return NoInverse(reason="the node is unknown")
        return SetPowerCap(node=self.node, watts=node.power_cap_watts)
