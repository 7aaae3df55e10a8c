"""Nodes and their devices in columns, and what racks and sites add up to.

Called by `engine` and `residents`. A row of a node is kept as long as the node is seen, or something runs there: a
replica may be told before its node. Devices of a node are a block of neighbouring rows, in the node's own order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import NodeId, RackId, SiteId
from estate.law import Facts
from tools.inventory.columns.chunks import Column, numbers
from tools.inventory.columns.fields import Fields, Kept
from tools.inventory.columns.indexes import Index
from tools.inventory.columns.readings import Batch, Metric, Readings, Roster, Taken, sums
from tools.inventory.columns.rows import Allotment, rounded
from tools.inventory.columns.sums import NOWHERE, PLACE, Levels, Totals
from tools.inventory.columns.terms import Terms
from tools.inventory.columns.trails import Trail

NODE = Kept(
    items=("id", "uid", "name", "boot_id"),
    terms=("cluster", "health", "taints"),
    whole=("idle_watts",),
    optional=("power_cap_watts",),
    flags=("cordoned",),
    apart=("accelerators",),
)
DEVICE = Kept(items=("uuid",), terms=("index", "pci_address", "health"))
NODE_SHIFT, DEVICE_SHIFT = 10, 12
NONE: Final = -1
SEEN, FENCED, OPEN, PLAIN = 1, 2, 4, 8
"""The bits of a node's `state`. `OPEN`: it may receive work. `PLAIN`: its devices are numbered 0, 1, 2, …"""


class Machines:
    """All nodes and devices. One task writes."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.trail: Trail[NodeId] = Trail()
        self.racks: Totals[RackId] = Totals(PLACE)
        self.sites: Totals[SiteId] = Totals(PLACE)
        self.levels = Levels()
        self.fields = Fields(Node, NODE, NODE_SHIFT)
        self.devices = Fields(Accelerator, DEVICE, DEVICE_SHIFT)
        self.columns = _node_columns()
        self.readings = Readings(DEVICE_SHIFT)
        self.device_columns = {
            "node": numbers("i", NONE, DEVICE_SHIFT),
            "holders": numbers("i", 0, DEVICE_SHIFT),
        }
        self._of_devices = (
            *self.device_columns.values(),
            *self.devices.columns.values(),
            *self.readings.columns.values(),
        )
        self._bind_columns()
        self._index()
        self.rows, self.device_rows = Allotment(), Allotment()
        self.sources: Terms[str] = Terms()
        self.held_on: Callable[[int], Iterable[Sequence[int]]] = lambda row: ()
        """The device indexes that each replica on a node holds; set by `residents`."""
        self.moved = 0
        """Grows whenever a device may have another row, or stand elsewhere."""

    def find(self, node: NodeId) -> int:
        """The row of a node that is seen, `NONE` for any other."""
        row = self.ids.find(node)
        return row if row >= 0 and self._state[row] & SEEN else NONE

    def row(self, node: NodeId) -> int:
        """The row of that id, made where nobody knows it yet."""
        row = self.ids.find(node)
        return self._made(node) if row < 0 else row

    def put(self, node: Node) -> int:
        """The node is there, as this; its row."""
        row = self.row(node.id)
        known = self._state[row] & SEEN
        if known and (self._name[row], self._cluster_of(row)) != (node.name, node.cluster):
            self.names.drop(row)
        changed = self.fields.write(row, node)
        self.names.put(row)
        changed |= self._equip(row, node.accelerators)
        if changed or not known:
            self._settle(row)
            self.touch(row)
        return row

    def drop(self, row: int) -> None:
        """The node is gone. What runs there keeps its row."""
        self.names.drop(row)
        self._strip(row)
        self._exchange(row, 0, 0, 0)
        self.touch(row)
        self.leave(row)

    def leave(self, row: int) -> None:
        """Give up the row if there is nothing to keep it for."""
        if self._state[row] & SEEN or self.resident[row] != NONE:
            return
        self.ids.drop(row)
        self.fields.clear(row)
        self.rows.give(row, self._home[row])
        self.moved += 1

    def touch(self, row: int) -> None:
        """The node itself is another one now."""
        self._stamp[row] = self.trail.add(self._id[row])

    def load(self, row: int, watts: int, held: Sequence[int], sign: int) -> None:
        """A replica that draws `watts` and holds those device indexes came (1) or left (-1)."""
        if watts:
            self._load[row] += sign * watts
        freed = 0
        for device in self._named(row, held):
            holders = self._holders[device]
            self._holders[device] = holders + sign
            if (holders == 0 or holders + sign == 0) and self._sound[device] == self.sound:
                freed -= sign
        state = self._state[row]
        if state & SEEN and (watts or freed):
            self._exchange(row, state, self._drawn(row), self._free[row] + freed)

    def set_health(self, row: int, index: int, health: Health) -> bool:
        """A device of the node has that health now; whether there is such a device."""
        code = self.devices.terms["health"].code(health)
        found = list(self._named(row, (index,)))
        freed = 0
        for device in found:
            before = self._sound[device]
            if before != code:
                self._sound[device] = code
                if not self._holders[device]:
                    freed += (code == self.sound) - (before == self.sound)
                self.touch(row)
        if freed:
            self._exchange(row, self._state[row], self._watts[row], self._free[row] + freed)
        return bool(found)

    def write(self, row: int, name: str, value: Any) -> None:
        """Write one field with a column of its own that is no key: `cordoned`, `taints`, `health`, a cap."""
        if self.fields.write_one(row, name, value):
            self._exchange(row, self._judged(row), self._drawn(row), self._free[row])
            self.touch(row)

    def obey(self, facts: Facts) -> None:
        """Other facts are in force: every node stands where they say."""
        self.facts = facts
        for row in range(self.rows.end):
            if self._id[row] is not None:
                self._stand(row)
        self.moved += 1

    def roster(self, uuids: Sequence[str]) -> Roster:
        """Devices in the order of batches to come."""
        found = np.array([self.uuids.find(uuid) for uuid in uuids], dtype=np.int64)
        order = np.argsort(found, kind="stable")
        order = order[found[order] >= 0]
        rows = found[order]
        return Roster(tuple(uuids), order, rows, self._node_of.take(rows).astype(np.int64), self.moved)

    def read(self, roster: Roster, batch: Batch, source: int) -> Taken:
        """Take a batch of readings; measured power is added to nodes, racks and sites."""
        taken, grown = self.readings.take(roster, batch, source)
        if batch.metric is Metric.POWER:
            nodes, amounts = sums(roster.nodes, grown)
            self._milliwatts.put(nodes, self._milliwatts.take(nodes) + amounts)
            for totals, places in ((self.racks, self._rack), (self.sites, self._site)):
                at = places.take(nodes)
                rows, shares = sums(at[at >= 0].astype(np.int64), amounts[at >= 0])
                column = totals.columns["milliwatts"]
                column.put(rows, column.take(rows) + shares)
        return taken

    def measure(self, row: int, milliwatts: int) -> None:
        """The devices of the node draw so much more than they did, as measured."""
        self._milliwatts[row] += milliwatts
        self._add("milliwatts", self._rack[row], self._site[row], milliwatts)

    def _made(self, node: NodeId) -> int:
        home = self.racks.row(self.facts.rack_of.get(node))
        row = self.rows.take(home)
        for column in (*self.columns.values(), *self.fields.columns.values()):
            column.reach(row + 1)
        self._id[row], self._home[row] = node, home
        self.ids.put(row)
        self._stand(row)
        return row

    def _stand(self, row: int) -> None:
        """Put the node into the rack and the site that facts name, with all it adds to them."""
        state, watts, free = self._state[row], self._watts[row], self._free[row]
        milliwatts = self._milliwatts[row]
        self._exchange(row, 0, 0, 0)
        self.measure(row, -milliwatts)
        rack = self.facts.rack_of.get(self._id[row])
        self._rack[row] = self.racks.row(rack)
        self._site[row] = self.sites.row(self.facts.rack[rack].site if rack is not None else None)
        self.measure(row, milliwatts)
        self._exchange(row, state, watts, free)

    def _equip(self, row: int, devices: Sequence[Accelerator]) -> bool:
        """Write the devices of a node; whether any is another one."""
        changed = len(devices) != self._count[row]
        if changed:
            self._strip(row)
            self._lay(row, len(devices))
        first = self._device[row]
        plain = PLAIN if all(d.index == at for at, d in enumerate(devices)) else 0
        recount = changed or not plain or self._plain[row] != plain
        self._plain[row] = plain
        for device, thing in enumerate(devices, first):
            if self._uuid[device] != thing.uuid:
                if self._uuid[device] is not None:
                    self.uuids.drop(device)
                self.moved += 1
            changed |= self.devices.write(device, thing)
            self.uuids.put(device)
        if recount:
            self._recount(row)
        return changed

    def _lay(self, row: int, count: int) -> None:
        """A block of that many devices for the node."""
        if not count:
            return
        size = rounded(count)
        first = self.device_rows.take(self._home[row], size)
        for column in self._of_devices:
            column.reach(first + size)
        for device in range(first, first + count):
            self._node_of[device] = row
        self._device[row], self._count[row] = first, count
        self.moved += 1

    def _strip(self, row: int) -> None:
        """The node has no devices any more."""
        first, count = self._device[row], self._count[row]
        for device in range(first, first + count):
            self.uuids.drop(device)
            self.devices.clear(device)
            self._node_of[device], self._holders[device] = NONE, 0
            self.readings.forget(device)
        if count:
            self.measure(row, -self._milliwatts[row])
            self.device_rows.give(first, self._home[row], rounded(count))
        self._device[row], self._count[row] = NONE, 0
        self.moved += 1

    def _recount(self, row: int) -> None:
        """Count anew who holds which device."""
        first = self._device[row]
        for device in range(first, first + self._count[row]):
            self._holders[device] = 0
        for held in self.held_on(row):
            for device in self._named(row, held):
                self._holders[device] += 1

    def _named(self, row: int, indexes: Sequence[int]) -> Iterable[int]:
        """The rows of the node's devices with these indexes; one index twice gives its device twice."""
        first, count = self._device[row], self._count[row]
        if self._plain[row]:
            return [first + index for index in indexes if 0 <= index < count]
        known = self.devices.terms["index"].values
        block = range(first, first + count)
        return [device for index in indexes for device in block if known[self._index_of[device]] == index]

    def _settle(self, row: int) -> None:
        """Bring the sums up to what the columns of a seen node say."""
        first = self._device[row]
        block = range(first, first + self._count[row])
        free = sum(1 for d in block if self._sound[d] == self.sound and not self._holders[d])
        self._exchange(row, self._judged(row), self._drawn(row), free)

    def _judged(self, row: int) -> int:
        """The state of a seen node, by its own fields."""
        taints: tuple[Taint, ...] = self.fields.terms["taints"].values[self._taints[row]]
        if self._cordoned[row] or (taints and any(t.own and t.effect.closes for t in taints)):
            return SEEN | FENCED
        return SEEN | OPEN if self._health[row] == self.healthy else SEEN

    def _drawn(self, row: int) -> int:
        drawn, cap = self._idle[row] + self._load[row], self._cap[row]
        return drawn if cap < 0 else min(drawn, cap)

    def _exchange(self, row: int, state: int, watts: int, free: int) -> None:
        """The node adds this to the sums, and no longer what it added before."""
        was, drew, had = self._state[row], self._watts[row], self._free[row]
        rack, site = self._rack[row], self._site[row]
        if watts != drew:
            self._watts[row] = watts
            self._add("watts", rack, site, watts - drew)
        if state != was:
            self._state[row] = state
            self._add("nodes", rack, site, (state & SEEN) - (was & SEEN))
            self._add("fenced", rack, site, (state & FENCED) // FENCED - (was & FENCED) // FENCED)
        if free != had or state != was:
            self._free[row] = free
            opened = (free if state & OPEN else 0) - (had if was & OPEN else 0)
            self._add("free", rack, site, opened)
            self._add("closed", rack, site, free - had - opened)
            self.levels.exchange(had if was & OPEN else None, free if state & OPEN else None, free - had - opened)

    def _add(self, name: str, rack: int, site: int, amount: int) -> None:
        if amount:
            if rack >= 0:
                self.racks.columns[name][rack] += amount
            if site >= 0:
                self.sites.columns[name][site] += amount

    def _cluster_of(self, row: int) -> Any:
        return self.fields.terms["cluster"].values[self._cluster[row]]

    def _index(self) -> None:
        names, known, clusters = self._name, self.fields.terms["cluster"].values, self._cluster
        self.ids = Index(self._id.__getitem__)
        self.names = Index(lambda row: (known[clusters[row]], names[row]))
        self.uuids = Index(self._uuid.__getitem__)
        self.healthy = self.fields.terms["health"].code(Health.HEALTHY)
        self.sound = self.devices.terms["health"].code(Health.HEALTHY)

    def _bind_columns(self) -> None:
        """The columns of hot paths, by attribute."""
        own, devices, fields = self.columns, self.device_columns, self.fields.columns
        self._state, self._plain, self._home = own["state"], own["plain"], own["home"]
        self._rack, self._site, self.resident = own["rack"], own["site"], own["resident"]
        self._load, self._watts, self._milliwatts = own["load"], own["watts"], own["milliwatts"]
        self._free, self._stamp, self._device, self._count = own["free"], own["stamp"], own["device"], own["devices"]
        self._id, self._name, self._cluster = fields["id"], fields["name"], fields["cluster"]
        self._idle, self._cap, self._cordoned = fields["idle_watts"], fields["power_cap_watts"], fields["cordoned"]
        self._health, self._taints = fields["health"], fields["taints"]
        self._uuid, self._index_of = self.devices.columns["uuid"], self.devices.columns["index"]
        self._sound, self._holders, self._node_of = self.devices.columns["health"], devices["holders"], devices["node"]


def _node_columns() -> dict[str, Column[int]]:
    """What the engine keeps of a node beyond its fields."""
    kinds = {
        "state": ("b", 0),
        "plain": ("b", 0),
        "rack": ("i", NOWHERE),
        "site": ("i", NOWHERE),
        "home": ("i", NOWHERE),  # the rack by which its rows were allotted
        "device": ("i", NONE),
        "devices": ("i", 0),
        "resident": ("i", NONE),
        "load": ("q", 0),
        "watts": ("q", 0),
        "milliwatts": ("q", 0),
        "free": ("i", 0),
        "stamp": ("q", 0),
        "told_by": ("i", NONE),
        "told_at": ("q", 0),
    }
    return {name: numbers(kind, blank, NODE_SHIFT) for name, (kind, blank) in kinds.items()}
