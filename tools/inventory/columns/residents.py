"""Workloads and their replicas in columns, and what tenants add up to.

Called by `engine` and `moves`. The replicas of a workload are a block of neighbouring rows, by number; those of a node
are a run of row numbers that the node holds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from immutables import Map

from estate.ids import GangId, TenantId, WorkloadId
from estate.workloads import Binding, Gang, Workload, WorkloadContract
from tools.inventory.columns.chunks import Items, Numbers, Rows
from tools.inventory.columns.fields import Fields, Kept
from tools.inventory.columns.indexes import Index
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.origins import UNTOLD
from tools.inventory.columns.rows import Allotment, rounded
from tools.inventory.columns.sums import DEVICES, REPLICAS, WATTS, Totals
from tools.inventory.columns.terms import Terms
from tools.inventory.columns.trails import STAMP, Trail

WORKLOAD = Kept(
    items=("id", "uid", "name", "gangs"),
    terms=("tenant", "cluster", "namespace", "contract"),
    whole=("replicas", "watts_per_accelerator"),
    apart=("bindings",),
)
WORKLOAD_SHIFT, REPLICA_SHIFT = 10, 12
MOST_WATTS: Final = 10**13
"""What one replica counts at most: more than all power stations make is no measurement, and would not fit the sums."""


def packed(rows: Iterable[int]) -> bytes:
    """Rows of replicas as a node holds them."""
    return array("i", rows).tobytes()


def rows_of(held: bytes) -> Sequence[int]:
    """The rows of the replicas that a node holds."""
    return memoryview(held).cast("i")


def without(held: bytes, row: int) -> bytes:
    """What a node holds without that row."""
    left = array("i", held)
    left.remove(row)
    return left.tobytes()


class Residents:
    """All workloads and replicas. One task writes."""

    def __init__(self, machines: Machines) -> None:
        self.machines, ages = machines, machines.ages
        machines.held_on = self._held_on
        self.tenants: Totals[TenantId] = Totals(ages)
        self.fields = Fields(Workload, WORKLOAD, WORKLOAD_SHIFT, ages)
        self.trail: Trail[WorkloadId] = Trail()
        self.columns = {
            "first": Numbers("i", NONE, WORKLOAD_SHIFT, ages),
            "room": Numbers("i", 0, WORKLOAD_SHIFT, ages),
            "order": Numbers("i", 0, WORKLOAD_SHIFT, ages),
            "home": Numbers("i", NONE, WORKLOAD_SHIFT, ages),  # the tenant by which its rows were allotted
            "payer": Numbers("i", NONE, WORKLOAD_SHIFT, ages),
            "stamp": Numbers("I", 0, WORKLOAD_SHIFT, ages),
            "told": Numbers("q", UNTOLD, WORKLOAD_SHIFT, ages),
        }
        self.replica_columns = {name: Numbers("i", NONE, REPLICA_SHIFT, ages) for name in ("workload", "node", "held")}
        self.held: Terms[tuple[int, ...]] = Terms([()])
        self.orders: Terms[tuple[int, ...]] = Terms([()])
        """The replicas that run, where their order is not that of their numbers; the first stands for those."""
        self._bind_columns()
        self.ids = Index(self._id.live.__getitem__)
        self.names = Index(self._key)
        self.gangs: Map[GangId, frozenset[WorkloadId]] = Map()
        """The workloads in each gang."""
        self.rows, self.replica_rows = Allotment(), Allotment()

    def find(self, workload: str) -> int:
        """The row of a workload, `NONE` if there is none."""
        return self.ids.find(workload)

    def put(self, workload: Workload) -> int:
        """The workload is there, as this; its row."""
        row = self.ids.find(workload.id)
        if row < 0:
            row = self._made(workload)
        else:
            self._ask(row, -1)
            self._let_go(row, workload)
        before = self._gangs[row] or ()
        changed = self.fields.write(row, workload)
        self._regang(workload.id, before, workload.gangs)
        self._payer.set(row, self.tenants.row(workload.tenant))
        self.names.put(row)
        self._ask(row, 1)
        if self._bind(row, workload.bindings) or changed:
            self.touch(row)
        return row

    def drop(self, row: int) -> None:
        """The workload is gone, with all its replicas."""
        self.touch(row)
        self._ask(row, -1)
        self._bind(row, ())
        self._house(row, 0)
        self.names.drop(row)
        self._regang(self._id[row], self._gangs[row], ())
        self.ids.drop(row)
        self.fields.clear(row)
        self.rows.give(row, self._home[row])

    def move(self, row: int, replica: int, binding: Binding | None) -> bool:
        """That replica of a workload runs there from now on (None: nowhere); False where there is none such."""
        if replica < 0 or (binding is not None and replica >= self._replicas[row]):
            return False
        if binding is not None and replica >= self._room[row]:
            self.grow(row, replica)
        at = self._first[row] + replica
        runs = replica < self._room[row] and self._node[at] != NONE
        if binding is None and not runs:
            return False
        if runs:
            self._lift(row, at)
        if binding is not None:
            self._place(row, at, binding)
        if self._order[row]:
            self._order.set(row, 0)
        self.touch(row)
        return True

    def grow(self, row: int, replica: int) -> None:
        """Make room for a replica of that number."""
        running = tuple(self.bindings(row))
        self._house(row, rounded(replica + 1))
        for binding in running:
            self._place(row, self._first[row] + binding.replica, binding)

    def touch_all(self, rows: Rows) -> None:
        """These workloads are others now."""
        self._stamp.put(rows, self.trail.add_all(list(map(self._id.live.__getitem__, rows.tolist()))) & STAMP)

    def touch(self, row: int) -> None:
        """The workload is another one now."""
        self._stamp.set(row, self.trail.add(self._id[row]) & STAMP)

    def bindings(self, row: int) -> Iterator[Binding]:
        """The replicas that run, by number."""
        names, held, first = self.machines.id, self.held.values, self._first[row]
        for replica in range(self._room[row]):
            node = self._node[first + replica]
            if node != NONE:
                yield Binding(replica=replica, node=names[node], accelerators=held[self._held[first + replica]])

    def _made(self, workload: Workload) -> int:
        home = self.tenants.row(workload.tenant)
        row = self.rows.take(home)
        for column in (*self.columns.values(), *self.fields.columns.values()):
            column.reach(row + 1)
        self._id.set(row, workload.id)
        self._home.set(row, home)
        self.ids.put(row)
        return row

    def _let_go(self, row: int, workload: Workload) -> None:
        """Before a workload is written over: what it is found and paid by must go as it came."""
        terms, fields = self.fields.terms, self.fields.columns
        if self._key(row) != (workload.cluster, workload.namespace, workload.name):
            self.names.drop(row)
        paid = terms["tenant"].values[fields["tenant"][row]], self._watts[row]
        if paid != (workload.tenant, workload.watts_per_accelerator):
            self._bind(row, ())

    def _regang(self, workload: WorkloadId, before: Sequence[Gang], now: Sequence[Gang]) -> None:
        """The workload is in these gangs, and in no others."""
        if before is now or not (before or now):
            return
        for gang in before:
            left = self.gangs.get(gang.id, frozenset()) - {workload}
            if left:
                self.gangs = self.gangs.set(gang.id, left)
            elif gang.id in self.gangs:
                self.gangs = self.gangs.delete(gang.id)
        for gang in now:
            self.gangs = self.gangs.set(gang.id, self.gangs.get(gang.id, frozenset()) | {workload})

    def regroup(self) -> None:
        """Find the members of each gang off the workloads, after those were read."""
        for name, found in zip(self._id.live, self._gangs.live, strict=True):
            self._regang(name, (), found or ())

    def settle(self) -> None:
        """Find the replicas on each node off the replicas, after those were read."""
        resident = self.machines.resident
        resident.reach(self.machines.id.rows)
        replicas = np.flatnonzero(self._node.array[: self._node.rows] != NONE)
        nodes = self._node.take(replicas)
        order = np.argsort(nodes, kind="stable")
        homes, starts = np.unique(nodes[order], return_index=True)
        held = replicas[order].astype("i").tobytes()
        bounds = (np.append(starts, len(replicas)) * array("i").itemsize).tolist()
        for node, (start, end) in zip(homes.tolist(), pairwise(bounds), strict=True):
            resident.set(node, held[start:end])

    def _ask(self, row: int, sign: int) -> None:
        """Count what a replica of the workload asks for."""
        wanted = self._contracts[self._contract[row]].accelerators_per_replica
        if wanted and self._replicas[row]:
            self.machines.places.levels.asks[wanted] += sign

    def _bind(self, row: int, bindings: Sequence[Binding]) -> bool:
        """Let exactly these replicas run, in this order; whether others did, or in another order."""
        numbers = tuple(b.replica for b in bindings)
        most = max(numbers, default=-1)
        changed = self._arrange(row, numbers)
        if most >= self._room[row]:
            self._house(row, rounded(most + 1))
        first, wanted = self._first[row], dict(zip(numbers, bindings, strict=True))
        for replica in range(self._room[row]):
            at, binding = first + replica, wanted.get(replica)
            runs = self._node[at] != NONE
            if (binding is None and not runs) or (binding is not None and runs and self._is(at, binding)):
                continue
            if runs:
                self._lift(row, at)
            if binding is not None:
                self._place(row, at, binding)
            changed = True
        return changed

    def _arrange(self, row: int, numbers: tuple[int, ...]) -> bool:
        """Keep the order of the replicas where it is not that of their numbers; whether it was another one."""
        order = 0 if list(numbers) == sorted(numbers) else self.orders.code(numbers)
        if order == self._order[row]:
            return False
        self._order.set(row, order)
        return True

    def _house(self, row: int, room: int) -> None:
        """Another block for the replicas of a workload; those that run are taken off."""
        first, home, before = self._first[row], self._home[row], self._room[row]
        for at in range(first, first + before):
            if self._node[at] != NONE:
                self._lift(row, at)
        if before:
            self.replica_rows.give(first, home, before)
        first = self.replica_rows.take(home, room) if room else NONE
        for column in self.replica_columns.values():
            column.reach(first + room)
        self._first.set(row, first)
        self._room.set(row, room)

    def _is(self, at: int, binding: Binding) -> bool:
        held: tuple[int, ...] = self.held.values[self._held[at]]
        return held == binding.accelerators and bool(self.machines.id[self._node[at]] == binding.node)

    def _place(self, row: int, at: int, binding: Binding) -> None:
        """Row `at` is this replica of the workload, the first of those on its node."""
        machines, held = self.machines, binding.accelerators
        node = machines.row(binding.node)
        if self._workload[at] != row:
            self._workload.set(at, row)
        self._node.set(at, node)
        self._held.set(at, self.held.code(held))
        machines.resident.set(node, machines.resident[node] + packed((at,)))
        self._count(row, node, held, 1)

    def _lift(self, row: int, at: int) -> None:
        """Row `at` is no replica any more."""
        machines, node = self.machines, self._node[at]
        left = without(machines.resident[node], at)
        machines.resident.set(node, left)
        self._node.set(at, NONE)
        self._count(row, node, self.held.values[self._held[at]], -1)
        if not left:
            machines.leave(node)

    def _count(self, row: int, node: int, held: tuple[int, ...], sign: int) -> None:
        """A replica with these devices came (1) or left (-1)."""
        watts = min(self._watts[row] * len(held), MOST_WATTS)
        self.machines.load(node, watts, held, sign)
        paid, at = self.tenants.open(self._payer[row])
        paid[at + WATTS] += sign * watts
        paid[at + REPLICAS] += sign
        paid[at + DEVICES] += sign * len(held)

    def _held_on(self, node: int) -> Iterator[tuple[int, ...]]:
        """What each replica on a node holds."""
        return (self.held.values[self._held[at]] for at in rows_of(self.machines.resident[node]))

    def _key(self, row: int) -> tuple[str, str, str]:
        terms, fields = self.fields.terms, self.fields.columns
        cluster = terms["cluster"].values[fields["cluster"][row]]
        return cluster, terms["namespace"].values[fields["namespace"][row]], fields["name"][row]

    def _bind_columns(self) -> None:
        """The columns of hot paths, by attribute."""
        own, replicas, fields = self.columns, self.replica_columns, self.fields
        self._first, self._room, self._order = own["first"], own["room"], own["order"]
        self._home, self._payer, self._stamp = own["home"], own["payer"], own["stamp"]
        self._workload, self._node = replicas["workload"], replicas["node"]
        self._held = replicas["held"]
        self._id, self._contract, self._replicas = (
            fields.objects("id"),
            fields.numbers("contract"),
            fields.numbers("replicas"),
        )
        self._gangs: Items[tuple[Gang, ...]] = fields.objects("gangs")
        self._watts = fields.numbers("watts_per_accelerator")
        self._contracts: list[WorkloadContract] = self.fields.terms["contract"].values
        self.told = own["told"]
