"""Oracles: what must be true of the final objects. They never read logs, ledgers or what an agent says of itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from estate.hardware import Health
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.records import Model
from estate.snapshots import Snapshot
from estate.units import Watts
from estate.workloads import Binding, Workload


class NodeCordoned(Model):
    """The node is (or is not) fenced."""

    check: Literal["node-cordoned"] = "node-cordoned"
    node: NodeId
    cordoned: bool = True

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        node = after.node(self.node)
        if node is not None and node.cordoned is self.cordoned:
            return None
        return f"node `{self.node}` is {'not ' if self.cordoned else ''}cordoned"


class WorkloadOff(Model):
    """No replica of the workload runs on the node."""

    check: Literal["workload-off"] = "workload-off"
    workload: WorkloadId
    node: NodeId

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        workload = after.workload(self.workload)
        if workload is not None and not workload.on(self.node):
            return None
        return f"`{self.workload}` still runs on `{self.node}`"


class WorkloadRunning(Model):
    """So many replicas run, all of them in that cluster."""

    check: Literal["workload-running"] = "workload-running"
    workload: WorkloadId
    replicas: int
    cluster: ClusterId

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        workload = after.workload(self.workload)
        if workload is None:
            return f"`{self.workload}` is gone"
        if workload.cluster != self.cluster:
            return f"`{self.workload}` runs in `{workload.cluster}`, not in `{self.cluster}`"
        if len(workload.bindings) != self.replicas:
            return f"`{self.workload}` runs {len(workload.bindings)} replicas of {self.replicas}"
        return None


class WorkloadInRack(Model):
    """Every replica of the workload runs in that rack."""

    check: Literal["workload-in-rack"] = "workload-in-rack"
    workload: WorkloadId
    rack: str

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        workload = after.workload(self.workload)
        racks = {after.rack_of(b.node) for b in workload.bindings} if workload else set()
        return None if racks == {self.rack} else f"`{self.workload}` runs in {sorted(str(r) for r in racks)}"


class RacksWithinBudget(Model):
    """No rack draws more than its budget."""

    check: Literal["racks-within-budget"] = "racks-within-budget"

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        over = [r.id for r in after.facts.racks if after.rack_watts(r.id) > r.power_budget_watts]
        return f"over budget: {', '.join(over)}" if over else None


class PowerCap(Model):
    """The node's power cap."""

    check: Literal["power-cap"] = "power-cap"
    node: NodeId
    watts: Watts | None

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        node = after.node(self.node)
        found = node.power_cap_watts if node else None
        return None if node and found == self.watts else f"`{self.node}` is capped at {found}, not {self.watts}"


class DevicesAsPromised(Model):
    """Every replica of the workload holds as many healthy devices of an accepted model as it was promised."""

    check: Literal["devices-as-promised"] = "devices-as-promised"
    workload: WorkloadId

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        workload = after.workload(self.workload)
        if workload is None:
            return f"`{self.workload}` is gone"
        for binding in workload.bindings:
            fit = _fit(after, workload, binding)
            if fit < workload.contract.accelerators_per_replica:
                return f"replica {binding.replica} of `{self.workload}` holds {fit} fit devices on `{binding.node}`"
        return None


def _fit(snapshot: Snapshot, workload: Workload, binding: Binding) -> int:
    """How many healthy devices of an accepted model a replica holds."""
    node, models = snapshot.node(binding.node), workload.contract.models
    held = [a for a in node.accelerators if a.index in binding.accelerators] if node is not None else []
    return sum(a.health is Health.HEALTHY and (not models or a.model in models) for a in held)


class Untouched(Model):
    """Every workload but these is bound exactly as before: nobody else paid for the fix."""

    check: Literal["untouched"] = "untouched"
    except_for: tuple[WorkloadId, ...] = ()

    def fault(self, before: Snapshot, after: Snapshot) -> str | None:
        """Why it does not hold, or None."""
        for workload in before.workloads():
            if workload.id not in self.except_for and after.workload(workload.id) != workload:
                return f"`{workload.id}` was touched"
        return None


type Check = Annotated[
    NodeCordoned
    | WorkloadOff
    | WorkloadRunning
    | WorkloadInRack
    | RacksWithinBudget
    | PowerCap
    | DevicesAsPromised
    | Untouched,
    Field(discriminator="check"),
]


class Score(Model):
    """1 when every check holds, else 0, with what does not."""

    score: Literal[0, 1]
    faults: tuple[str, ...] = ()


def judge(checks: tuple[Check, ...], before: Snapshot, after: Snapshot) -> Score:
    """The score of the final objects."""
    faults = tuple(f for c in checks if (f := c.fault(before, after)) is not None)
    return Score(score=0 if faults else 1, faults=faults)
