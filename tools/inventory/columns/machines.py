"""Nodes and their devices in columns, and what racks and sites add up to.

Called by `engine` and `residents`. A row of a node is kept as long as the node is seen, or something runs there: a
replica may be told before its node. Devices of a node are a block of neighbouring rows, in the node's own order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from immutables import Map

from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import ClusterId, NodeId
from estate.law import Facts
from estate.neighbours import groups
from estate.references import Ref
from tools.inventory.columns.chunks import Column, numbers
from tools.inventory.columns.fields import Fields, Kept
from tools.inventory.columns.indexes import Index
from tools.inventory.columns.origins import UNTOLD
from tools.inventory.columns.places import CAPPED, FENCED, OPEN, PLAIN, SEEN, Places
from tools.inventory.columns.readings import Batch, Metric, Readings, Roster, Taken, sums
from tools.inventory.columns.rows import Allotment, rounded
from tools.inventory.columns.terms import Terms
from tools.inventory.columns.trails import Trail

NODE = Kept(
    items=("id", "uid", "name", "boot_id", "serial", "system_uuid", "provider_id", "nics", "disks", "origins"),
    terms=("cluster", "taints"),
    enums=("health",),
    whole=("idle_watts",),
    optional=("power_cap_watts",),
    flags=("cordoned",),
    apart=("accelerators",),
)
DEVICE = Kept(
    items=("uuid", "serial", "faults"),
    terms=("index", "pci_address", "nvlink_domain", "partitions", "throttled_by"),
    enums=("health",),
)
NODE_SHIFT, DEVICE_SHIFT = 10, 12
NONE: Final = -1
_MOST_HOLDERS: Final = 2**15 - 1


class Machines:
    """All nodes and devices. One task writes."""

    def __init__(self, facts: Facts) -> None:
        self.trail: Trail[NodeId] = Trail()
        self.sources: Terms[str] = Terms()
        self.fields = Fields(Node, NODE, NODE_SHIFT)
        self.devices = Fields(Accelerator, DEVICE, DEVICE_SHIFT)
        self.readings = Readings(DEVICE_SHIFT)
        self.columns: dict[str, Column[int]] = {
            "home": numbers("i", NONE, NODE_SHIFT),  # the rack by which its rows were allotted
            "device": numbers("i", NONE, NODE_SHIFT),
            "devices": numbers("i", 0, NODE_SHIFT),
            "resident": numbers("i", NONE, NODE_SHIFT),
            "load": numbers("q", 0, NODE_SHIFT),
            "stamp": numbers("q", 0, NODE_SHIFT),
            "told": numbers("q", UNTOLD, NODE_SHIFT),
        }
        self.device_columns: dict[str, Column[int]] = {
            "node": numbers("i", NONE, DEVICE_SHIFT),
            "holders": numbers("h", 0, DEVICE_SHIFT),
        }
        self.groups: Map[Ref, frozenset[NodeId]] = Map()
        """The nodes of each NVLink domain and switch."""
        self.places = Places(facts, NODE_SHIFT)
        self.columns |= self.places.columns
        self.groupings: Terms[frozenset[Ref]] = Terms([frozenset()])
        self.grouped = numbers("i", 0, NODE_SHIFT)
        self._name_columns()
        self._lay_indexes()
        self.rows, self.device_rows = Allotment(), Allotment()
        self.held_on: Callable[[int], Iterable[tuple[int, ...]]] = lambda row: ()
        """The device indexes that each replica on a node holds; set by `residents`."""
        self.moved = 0
        """Grows whenever a device may have another row, or stand elsewhere."""

    def find(self, node: NodeId) -> int:
        """The row of a node that is seen, `NONE` for any other."""
        row = self.ids.find(node)
        return row if row >= 0 and self.state[row] & SEEN else NONE

    def row(self, node: NodeId) -> int:
        """The row of that id, made where nobody knows it yet."""
        row = self.ids.find(node)
        return self._made(node) if row < 0 else row

    def put(self, node: Node) -> int:
        """The node is there, as this; its row."""
        row = self.row(node.id)
        known = self.state[row] & SEEN
        if known and (self._name[row], self._cluster_of(row)) != (node.name, node.cluster):
            self.names.drop(row)
        changed = self.fields.write(row, node)
        self.names.put(row)
        changed |= self._equip(row, node.accelerators)
        if changed or not known:
            self._group(row, groups(node))
            self._settle(row)
            self.touch(row)
        return row

    def drop(self, row: int) -> None:
        """The node is gone. What runs there keeps its row."""
        self.names.drop(row)
        self._strip(row)
        self._group(row, frozenset())
        self.places.exchange(row, 0, 0, 0)
        self.touch(row)
        self.leave(row)

    def leave(self, row: int) -> None:
        """Give up the row if there is nothing to keep it for."""
        if self.state[row] & SEEN or self.resident[row] != NONE:
            return
        self.ids.drop(row)
        self.fields.clear(row)
        self.rows.give(row, self._home[row])
        self.moved += 1

    def touch(self, row: int) -> None:
        """The node itself is another one now."""
        self._stamp.set(row, self.trail.add(self.id[row]))

    def load(self, row: int, watts: int, held: Sequence[int], sign: int) -> None:
        """A replica that draws `watts` and holds those device indexes came (1) or left (-1)."""
        loads, at = self._load.open(row)
        loads[at] += sign * watts
        state = self.state[row]
        if not state & SEEN:
            return  # counted once the node is seen
        freed = 0
        for device in self._named(row, state, held):
            holders, at = self._holders.open(device)
            before = holders[at]
            if before < _MOST_HOLDERS:  # so many are a lie: the device counts as held until its node is told anew
                holders[at] = before + sign
            if (before == 0 or before + sign == 0) and self._sound[device] == self.sound:
                freed -= sign
        grown = self._drawn(row) - self.places.watts[row] if state & CAPPED else sign * watts
        if grown or freed:
            self.places.shift(row, state, grown, freed)

    def set_health(self, row: int, index: int, health: Health) -> bool:
        """A device of the node has that health now; whether there is such a device."""
        code = self.devices.terms["health"].code(health)
        state = self.state[row]
        found = self._named(row, state, (index,))
        freed = 0
        for device in found:
            before = self._sound[device]
            if before != code:
                self._sound.set(device, code)
                if not self._holders[device]:
                    freed += (code == self.sound) - (before == self.sound)
                self.touch(row)
        if freed:
            self.places.shift(row, state, 0, freed)
        return bool(found)

    def write(self, row: int, name: str, value: Any) -> None:
        """Write one field with a column of its own that is no key: `cordoned`, `taints`, `health`, a cap."""
        if self.fields.write_one(row, name, value):
            watts = self._drawn(row) if name == "power_cap_watts" else self.places.watts[row]
            self.places.exchange(row, self._judged(row), watts, self.places.free[row])
            self.touch(row)

    def obey(self, facts: Facts) -> None:
        """Other facts are in force: every node stands where they say."""
        self.places.obey(facts)
        for row in range(self.rows.end):
            if self.id[row] is not None:
                self.places.stand(row, self.id[row])
        self.moved += 1

    def roster(self, uuids: Sequence[str]) -> Roster:
        """Devices in the order of batches to come."""
        found = np.array([self.uuids.find(uuid) for uuid in uuids], dtype=np.int64)
        order = np.argsort(found, kind="stable")
        order = order[found[order] >= 0]
        rows = found[order]
        return Roster(tuple(uuids), order, rows, self._node_of.take(rows).astype(np.int64), self.moved)

    def read(self, roster: Roster, batch: Batch, told: int) -> Taken:
        """Take a batch of readings; measured power is added to nodes, racks and sites."""
        taken, grown = self.readings.take(roster, batch, told)
        if batch.metric is Metric.POWER:
            self.places.measured(*sums(roster.nodes, grown))
        return taken

    def regroup(self) -> None:
        """Find the nodes of each group off the nodes, after those were read."""
        found: defaultdict[Ref, list[NodeId]] = defaultdict(list)
        codes, ids = self.grouped.freeze(), self.id.freeze()
        for chunk, names in zip(codes.chunks, ids.chunks, strict=True):
            for code, name in zip(chunk, names, strict=True):
                for ref in self.groupings.values[code]:
                    found[ref].append(name)
        self.groups = Map({ref: frozenset(names) for ref, names in found.items()})

    def _made(self, node: NodeId) -> int:
        home = self.places.rack(node)
        row = self.rows.take(home)
        for column in (*self.columns.values(), *self.fields.columns.values(), self.grouped):
            column.reach(row + 1)
        self.id.set(row, node)
        self._home.set(row, home)
        self.ids.put(row)
        self.places.stand(row, node)
        return row

    def _equip(self, row: int, devices: Sequence[Accelerator]) -> bool:
        """Write the devices of a node; whether any is another one."""
        changed = len(devices) != self._count[row]
        if changed:
            self._strip(row)
            self._lay(row, len(devices))
        for device, thing in enumerate(devices, self._device[row]):
            known = self._uuid[device]
            if known != thing.uuid:
                if known is not None:
                    self.uuids.drop(device)
                self.moved += 1
            changed |= self.devices.write(device, thing)
            self.uuids.put(device)
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
            self._node_of.set(device, row)
        self._device.set(row, first)
        self._count.set(row, count)

    def _strip(self, row: int) -> None:
        """The node has no devices any more, and nothing is measured of it."""
        first, count = self._device[row], self._count[row]
        for device in range(first, first + count):
            self.uuids.drop(device)
            self.devices.clear(device)
            self.readings.forget(device)
            self._node_of.set(device, NONE)
        if count:
            self.device_rows.give(first, self._home[row], rounded(count))
            self.places.measure(row, -self.places.milliwatts[row])
        self._device.set(row, NONE)
        self._count.set(row, 0)
        self.moved += 1

    def _named(self, row: int, state: int, indexes: Sequence[int]) -> Sequence[int]:
        """The rows of the node's devices with these indexes; one index twice gives its device twice."""
        if not indexes:
            return ()
        first, count = self._device[row], self._count[row]
        if state & PLAIN:
            return [first + index for index in indexes if 0 <= index < count]
        known = self.devices.terms["index"].values
        block = range(first, first + count)
        return [device for index in indexes for device in block if known[self._index[device]] == index]

    def _group(self, row: int, now: frozenset[Ref]) -> None:
        """The node is of these groups, and of no others."""
        code, node = self.groupings.code(now), self.id[row]
        before = self.groupings.values[self.grouped[row]]
        if before == now:
            return
        self.grouped.set(row, code)
        for ref in before - now:
            left = self.groups[ref] - {node}
            self.groups = self.groups.set(ref, left) if left else self.groups.delete(ref)
        for ref in now - before:
            self.groups = self.groups.set(ref, self.groups.get(ref, frozenset()) | {node})

    def _settle(self, row: int) -> None:
        """Bring everything up to what the fields of a seen node say, and what runs there."""
        first = self._device[row]
        block = range(first, first + self._count[row])
        known = self.devices.terms["index"].values
        plain = all(known[self._index[d]] == at for at, d in enumerate(block))
        state = self._judged(row) & ~PLAIN | (PLAIN if plain else 0)
        for device in block:
            self._holders.set(device, 0)
        for held in self.held_on(row):
            for device in self._named(row, state, held):
                self._holders.set(device, min(self._holders[device] + 1, _MOST_HOLDERS))
        free = sum(1 for d in block if self._sound[d] == self.sound and not self._holders[d])
        self.places.exchange(row, state, self._drawn(row), free)

    def _judged(self, row: int) -> int:
        """The state of a seen node, by its own fields."""
        state = SEEN | self.state[row] & PLAIN | (CAPPED if self._cap[row] >= 0 else 0)
        taints: tuple[Taint, ...] = self.fields.terms["taints"].values[self._taints[row]]
        if self._cordoned[row] or (taints and any(t.own and t.effect.closes for t in taints)):
            return state | FENCED
        return state | OPEN if self._health[row] == self.healthy else state

    def _drawn(self, row: int) -> int:
        drawn: int
        drawn, cap = self._idle[row] + self._load[row], self._cap[row]
        return drawn if cap < 0 else min(drawn, cap)

    def _cluster_of(self, row: int) -> ClusterId:
        cluster: ClusterId = self.fields.terms["cluster"].values[self._cluster[row]]
        return cluster

    def _lay_indexes(self) -> None:
        names, known, clusters = self._name, self.fields.terms["cluster"].values, self._cluster
        self.ids = Index(self.id.__getitem__)
        self.names = Index(lambda row: (known[clusters[row]], names[row]))
        self.uuids = Index(self._uuid.__getitem__)
        self.healthy = self.fields.terms["health"].code(Health.HEALTHY)
        self.sound = self.devices.terms["health"].code(Health.HEALTHY)

    def _name_columns(self) -> None:
        """The columns of hot paths, by attribute."""
        own, fields, devices = self.columns, self.fields.columns, self.devices.columns
        self.state, self.resident, self.told = self.places.state, own["resident"], own["told"]
        self._load = own["load"]
        self._home, self._stamp, self._device, self._count = (own[n] for n in ("home", "stamp", "device", "devices"))
        self.id, self._name, self._cluster = fields["id"], fields["name"], fields["cluster"]
        self._idle, self._cap, self._cordoned = fields["idle_watts"], fields["power_cap_watts"], fields["cordoned"]
        self._health, self._taints = fields["health"], fields["taints"]
        self._uuid, self._index, self._sound = devices["uuid"], devices["index"], devices["health"]
        self._holders, self._node_of = self.device_columns["holders"], self.device_columns["node"]
        self._of_devices = (*self.device_columns.values(), *devices.values(), *self.readings.columns.values())
