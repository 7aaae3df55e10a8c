"""`Inventory`: the whole estate in columns, and its frozen snapshots. One task writes, any may read what is frozen.

Called by `tools.inventory.follower` and `writer`. It decides nothing and knows no clock: who feeds it says what, from
where and when. Telemetry comes in batches (`read`), everything else as typed changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from estate.deltas import Delta, restocked
from estate.errors import NeverRetry
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from estate.stock import Stock
from estate.workloads import Workload
from tools.inventory.columns import batches, changes
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.batches import Facts as FactsInBatches
from tools.inventory.columns.changes import Change
from tools.inventory.columns.grounds import ColumnarGround, Memory
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.origins import UNTOLD, Told, packed
from tools.inventory.columns.readings import Batch, Roster, Taken
from tools.inventory.columns.residents import Residents
from tools.inventory.columns.singles import FEW, Singles


class Inventory:
    """One estate under one law base."""

    def __init__(self, facts: Facts, few: int = FEW) -> None:
        """So many single facts in a row at most are taken one by one, more as a batch."""
        self.facts = facts
        self._few = few
        self.stock = Stock()
        """All that is neither node nor workload: too little of it for columns."""
        self._ages = Ages()
        self.machines = Machines(facts, self._ages)
        self.residents = Residents(self.machines)
        self._memory = Memory()
        self._told: Told | None = None
        self._number = UNTOLD
        self._facts = FactsInBatches(self.machines, self.residents)
        self._singles = Singles(self.machines, self.residents)
        self._whole: Final[dict[type[Any], Callable[[Any, Told], bool]]] = {
            changes.NodeSeen: lambda c, told: self.put_node(c.node, told),
            changes.NodeGone: lambda c, told: self.drop_node(c.node),
            changes.WorkloadSeen: lambda c, told: self.put_workload(c.workload, told),
            changes.WorkloadGone: lambda c, told: self.drop_workload(c.workload),
        }

    def take(self, happened: Sequence[Change], told: Told) -> list[bool]:
        """Take changes in their order; False for each that is about what nobody knows, of which nothing was done.

        Facts that come together are taken together: a thousand at once cost a few microseconds each.
        """
        taken: list[bool] = []
        for start, end in batches.runs(happened):
            whole = self._whole.get(type(happened[start]))
            if whole is not None:
                taken.append(whole(happened[start], told))
            elif end - start > self._few:
                taken += self._facts.take(happened[start:end], self._packed(told)).tolist()
            else:
                taken += self._singles.take(happened[start:end], self._packed(told))
        return taken

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
        """Take a delta (joined), under `facts` (the verified ones).

        Raises:
            NeverRetry: it alters what nobody knows: something was missed, and what is here is right no more.
        """
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
        if not all(self.take(delta.alterations, told)):
            raise NeverRetry(f"delta {delta.version} alters what is not there; waiting for a whole estate")
        self.stock = restocked(self.stock, delta)

    def roster(self, uuids: Sequence[str]) -> Roster:
        """Devices in the order of the batches that will come of them."""
        return self.machines.roster(uuids)

    def read(self, roster: Roster, batch: Batch) -> Taken:
        """Take a batch of telemetry. A roster that no longer holds is resolved anew."""
        current = roster if roster.moved == self.machines.moved else self.machines.roster(roster.uuids)
        return self.machines.read(current, batch)

    def snapshot(self, version: SnapshotVersion) -> FrozenEstate:
        """The estate as it is now."""
        return FrozenEstate.over(self.freeze(), version, self.facts, self.stock)

    def freeze(self) -> ColumnarGround:
        """The columns as they are now, for engines that read them as arrays."""
        return ColumnarGround(self.machines, self.residents, self._memory, self._ages)

    def reap(self, most: int = 32) -> int:
        """Free what snapshots that nobody holds any more needed, about so many chunks of it; how many columns are left.

        A snapshot that ends frees nothing itself, so that no decision waits for it.
        """
        return self._ages.reap(most)

    def _tell_node(self, row: int, told: Told) -> None:
        self.machines.told.set(row, self._packed(told))

    def _tell_workload(self, row: int, told: Told) -> None:
        self.residents.told.set(row, self._packed(told))

    def _packed(self, told: Told) -> int:
        if told is not self._told:  # one word often brings many changes
            self._told, self._number = told, packed(self.machines.sources.code(told.source), told.at)
        return self._number
