"""`Inventory`: the whole estate in columns, and its frozen snapshots. One task writes, any may read what is frozen.

Called by `tools.inventory.follower` and `writer`. It decides nothing and knows no clock: who feeds it says what, from
where and when. Telemetry comes in batches (`read`), everything else as typed changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from estate.deltas import Delta, restocked
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from estate.stock import Stock
from estate.workloads import Workload
from tools.inventory.columns import changes
from tools.inventory.columns.changes import Change
from tools.inventory.columns.chunks import Frozen
from tools.inventory.columns.grounds import ColumnarGround, Memory
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.origins import UNTOLD, Told, packed
from tools.inventory.columns.readings import Batch, Roster, Taken
from tools.inventory.columns.residents import Residents


class Inventory:
    """One estate under one law base."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.stock = Stock()
        """All that is neither node nor workload: too little of it for columns."""
        self.machines = Machines(facts)
        self.residents = Residents(self.machines)
        self._memory = Memory()
        self._told: Told | None = None
        self._number = UNTOLD
        self._ended: deque[Frozen[Any]] = deque()
        self._takes: Final[dict[type[Any], Callable[[Any, Told], bool]]] = {
            changes.NodeSeen: lambda c, told: self.put_node(c.node, told),
            changes.NodeGone: lambda c, told: self.drop_node(c.node),
            changes.WorkloadSeen: lambda c, told: self.put_workload(c.workload, told),
            changes.WorkloadGone: lambda c, told: self.drop_workload(c.workload),
            changes.Bound: self._bind,
            changes.Unbound: self._unbind,
            changes.Cordoned: lambda c, told: self._write_node(c.node, "cordoned", c.cordoned, told),
            changes.Tainted: lambda c, told: self._write_node(c.node, "taints", c.taints, told),
            changes.Capped: lambda c, told: self._write_node(c.node, "power_cap_watts", c.watts, told),
            changes.NodeJudged: lambda c, told: self._write_node(c.node, "health", c.health, told),
            changes.DeviceJudged: self._judge_device,
        }

    def take(self, change: Change, told: Told) -> bool:
        """Take one change; False where it is about what nobody knows, and nothing was done."""
        return self._takes[type(change)](change, told)

    def put_node(self, node: Node, told: Told) -> bool:
        """A node is there, as this."""
        self._tell_node(self.machines.put(node), told)
        return True

    def drop_node(self, node: NodeId) -> bool:
        """A node is gone; whether it was there."""
        row = self.machines.find(node)
        if row != NONE:
            self.machines.drop(row)
        return row != NONE

    def put_workload(self, workload: Workload, told: Told) -> bool:
        """A workload is there, as this."""
        self._tell_workload(self.residents.put(workload), told)
        return True

    def drop_workload(self, workload: WorkloadId) -> bool:
        """A workload is gone; whether it was there."""
        row = self.residents.find(workload)
        if row != NONE:
            self.residents.drop(row)
        return row != NONE

    def obey(self, facts: Facts) -> None:
        """Other facts are in force: every node is placed anew. A scan."""
        self.facts = facts
        self.machines.obey(facts)

    def follow(self, delta: Delta, facts: Facts, source: str) -> None:
        """Take a delta (joined), under `facts` (the verified ones)."""
        if facts is not self.facts:
            self.obey(facts)
        told = Told(source, int(delta.at.timestamp() * 1000))
        for node in delta.removed_nodes:
            self.drop_node(node)
        for workload in delta.removed_workloads:
            self.drop_workload(workload)
        for changed in delta.nodes:
            self.put_node(changed, told)
        for moved in delta.workloads:
            self.put_workload(moved, told)
        self.stock = restocked(self.stock, delta)

    def roster(self, uuids: Sequence[str]) -> Roster:
        """Devices in the order of the batches that will come of them."""
        return self.machines.roster(uuids)

    def read(self, roster: Roster, batch: Batch) -> Taken:
        """Take a batch of telemetry. A roster that no longer holds is resolved anew."""
        current = roster if roster.moved == self.machines.moved else self.machines.roster(roster.uuids)
        return self.machines.read(current, batch, self._packed(batch.told))

    def snapshot(self, version: SnapshotVersion) -> FrozenEstate:
        """The estate as it is now."""
        return FrozenEstate.over(self.freeze(), version, self.facts, self.stock)

    def freeze(self) -> ColumnarGround:
        """The columns as they are now, for engines that read them as arrays."""
        return ColumnarGround(self.machines, self.residents, self._memory, self._ended.extend)

    def reap(self, most: int = 2) -> int:
        """Let go of at most that many columns of snapshots that nobody holds any more; how many are left.

        A snapshot that ends hands its columns over instead of freeing them, so that no decision waits for it.
        """
        for _ in range(min(most, len(self._ended))):
            self._ended.popleft()
        return len(self._ended)

    def _bind(self, change: changes.Bound, told: Told) -> bool:
        row = self.residents.find(change.workload)
        if row == NONE or not self.residents.bind(row, change.binding):
            return False
        self._tell_workload(row, told)
        return True

    def _unbind(self, change: changes.Unbound, told: Told) -> bool:
        row = self.residents.find(change.workload)
        if row == NONE or not self.residents.unbind(row, change.replica):
            return False
        self._tell_workload(row, told)
        return True

    def _write_node(self, node: NodeId, name: str, value: Any, told: Told) -> bool:
        row = self.machines.find(node)
        if row == NONE:
            return False
        self.machines.write(row, name, value)
        self._tell_node(row, told)
        return True

    def _judge_device(self, change: changes.DeviceJudged, told: Told) -> bool:
        row = self.machines.find(change.node)
        if row == NONE or not self.machines.set_health(row, change.index, change.health):
            return False
        self._tell_node(row, told)
        return True

    def _tell_node(self, row: int, told: Told) -> None:
        self.machines.told.set(row, self._packed(told))

    def _tell_workload(self, row: int, told: Told) -> None:
        self.residents.told.set(row, self._packed(told))

    def _packed(self, told: Told) -> int:
        if told is not self._told:  # one word often brings many changes
            self._told, self._number = told, packed(self.machines.sources.code(told.source), told.at)
        return self._number
