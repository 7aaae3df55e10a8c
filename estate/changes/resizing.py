"""ScaleMachineGroup: more machines in a group that Cluster API keeps, or fewer.

Machines that are to come are no capacity: nothing is added to the estate until nodes report. Which machine leaves is
the provider's to choose, so a smaller group names the nodes that leave; what it does not name may only be a machine
that never became a node. See `docs/decisions/0060`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field as Range

from estate import pooling
from estate.changes.kinds import Footprint, NoInverse, node_thing, tenants_on, unknown
from estate.conditions import Condition, Field, absent_node, observed
from estate.ids import MachineGroupId, NodeId, TenantId, WorkloadId
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.uses.clusters import GroupSort, MachineGroup

if TYPE_CHECKING:
    from estate.changes import Change

MOST_LEAVING: Final = 256


class ScaleMachineGroup(Model):
    """Set how many machines a group has. `leaving` are the nodes that go, shut and empty."""

    kind: Literal["ScaleMachineGroup"] = "ScaleMachineGroup"
    group: MachineGroupId
    machines: int = Range(ge=0, le=10_000)
    leaving: tuple[NodeId, ...] = Range(default=(), max_length=MOST_LEAVING)
    within_minutes: int = Range(default=60, ge=1, le=24 * 60)
    """By when the machines must work, or the change is undone."""

    def target(self) -> Thing:
        return Thing(kind=ThingKind.MACHINE_GROUP, id=self.group)

    def describe(self) -> str:
        less = f", without {', '.join(self.leaving)}" if self.leaving else f" within {self.within_minutes} minutes"
        return f"scale machine group {self.group} to {self.machines} machines{less}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        group = pooling.found(snapshot, self.group)
        if group is None:
            return unknown(self.target())
        if why := _unfit(group) or self._unfit_size(snapshot, group):
            return self._refused(why)
        left = None if group.ready is None else min(group.ready - len(self.leaving), self.machines)
        if self.machines >= (group.wanted or 0):
            left = group.ready
        stock = snapshot.stock.with_(group.model_copy(update={"wanted": self.machines, "ready": left}))
        after = snapshot.with_stock(stock)
        for node in self.leaving:
            after = after.without_node(node)
        return Ok(after)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """Of each node that leaves, that it is shut and that nothing stands on it."""
        shut = (c for n in self.leaving for c in observed(snapshot, node_thing(n), Field.CORDONED, Field.BINDINGS))
        return (*observed(snapshot, self.target(), Field.MACHINES), *shut)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        """Of a larger group, that all of it works: what the estate cannot know before, and verification looks for."""
        wanted = observed(after, self.target(), Field.MACHINES)
        if self.leaving:
            return (*wanted, *(absent_node(node_thing(n)) for n in self.leaving))
        return (*wanted, *(c.model_copy(update={"field": Field.MACHINES_READY}) for c in wanted))

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        group = pooling.found(snapshot, self.group)
        if group is None or group.wanted is None:
            return NoInverse(reason="the machine group is unknown")
        if self.machines < group.wanted:
            return NoInverse(reason="a machine that was given back does not come back; another one is asked for anew")
        return ScaleMachineGroup(group=self.group, machines=group.wanted, within_minutes=self.within_minutes)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return {}

    def footprint(self, snapshot: Snapshot) -> Footprint:
        pool = snapshot.facts.pool.get(self.group)
        tenants: set[TenantId] = {t for n in self.leaving for t in tenants_on(snapshot, n)}
        tenants |= {pool.tenant} if pool is not None and pool.tenant is not None else set()
        return Footprint(nodes=tuple(sorted(self.leaving)), tenants=tuple(sorted(tenants)))

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        """No node of it is there yet: `pooling.coming_watts` tells of what is to come."""
        return dict.fromkeys(self.leaving, 0)

    def _unfit_size(self, snapshot: Snapshot, group: MachineGroup) -> str:
        fewer = (group.wanted or 0) - self.machines
        if len(set(self.leaving)) != len(self.leaving):
            return "names a node twice in `leaving`; name each once"
        if len(self.leaving) > max(fewer, 0):
            return (
                f"shall have {max(fewer, 0)} machines less, and {len(self.leaving)} are named in `leaving`; name fewer"
            )
        if fewer > len(self.leaving) and (group.ready or 0) - len(self.leaving) != self.machines:
            work = "an unknown number of" if group.ready is None else group.ready
            return (
                f"has {work} machines that work; name those that leave in `leaving`, shut and empty: unnamed go all"
                " that never worked, and no other"
            )
        if fewer < 0 and group.coming:
            return f"has {group.coming} machines that do not work yet; wait for them, or have them mended, first"
        return self._unfit_nodes(snapshot)

    def _unfit_nodes(self, snapshot: Snapshot) -> str:
        pool = snapshot.facts.pool.get(self.group)
        if self.leaving and pool is None:
            return "is in no signed fact (`pools`), so nobody knows whether these nodes are its own"
        for name in self.leaving:
            node = snapshot.node(name)
            if node is not None and pool is not None and node.cluster != pool.cluster:
                return f"makes nodes of {pool.cluster}, and `{name}` is one of {node.cluster}"
        told = ((n, pooling.busy(snapshot, n)) for n in self.leaving)
        return "; ".join(f"node `{n}` {why}" for n, why in told if why)

    def _refused(self, why: str) -> Refusal:
        about = str(self.target())
        return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=about, message=f"`{about}` {why}")


def _unfit(group: MachineGroup) -> str:
    """Why nobody may set its number; empty where somebody may."""
    if group.sort is not GroupSort.WORKERS:
        return "is a control plane; its size decides whether a quorum holds, and is set by hand"
    if group.uid is None or group.wanted is None:
        return "is shown by no cluster, or does not say how many machines it shall have; only what is read is scaled"
    return ""
