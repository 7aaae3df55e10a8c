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
from numpy.typing import NDArray

from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import ClusterId, NodeId
from estate.law import Facts
from estate.neighbours import groups
from estate.references import Ref
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Items, Numbers, Rows
from tools.inventory.columns.fields import Fields, Kept
from tools.inventory.columns.indexes import Index
from tools.inventory.columns.origins import UNTOLD
from tools.inventory.columns.places import CAPPED, FENCED, OPEN, PLAIN, SEEN, Places
from tools.inventory.columns.readings import Batch, Metric, Readings, Roster, Taken, sums
from tools.inventory.columns.rows import Allotment, grouped, rounded
from tools.inventory.columns.terms import Terms
from tools.inventory.columns.trails import STAMP, Trail

NODE = Kept(
    items=("id", "uid", "name", "boot_id", "serial", "system_uuid", "provider_id", "nics", "disks", "origins"),
    terms=("cluster", "taints"),
    enums=("health",),
    whole=("idle_watts", "other_millicores", "other_mebibytes"),
    optional=("power_cap_watts", "millicores", "allots_mebibytes"),
    flags=("cordoned",),
    apart=("accelerators",),
)
DEVICE = Kept(
    items=("uuid", "serial", "faults"),
    terms=("index", "pci_address", "nvlink_domain", "partitions", "board", "throttled_by"),
    enums=("health",),
)
NODE_SHIFT, DEVICE_SHIFT = 10, 12
NONE: Final = -1
MOST_HOLDERS: Final = 2**15 - 1


class Machines:
    """All nodes and devices. One task writes."""

    def __init__(self, facts: Facts, ages: Ages) -> None:
        self.ages = ages
        self.trail: Trail[NodeId] = Trail()
        self.sources: Terms[str] = Terms()
        self.fields = Fields(Node, NODE, NODE_SHIFT, ages)
        self.devices = Fields(Accelerator, DEVICE, DEVICE_SHIFT, ages)
        self.readings = Readings(DEVICE_SHIFT, ages)
        self.columns = {
            "home": Numbers("i", NONE, NODE_SHIFT, ages),  # the rack by which its rows were allotted
            "device": Numbers("i", NONE, NODE_SHIFT, ages),
            "devices": Numbers("i", 0, NODE_SHIFT, ages),
            "load": Numbers("q", 0, NODE_SHIFT, ages),
            "stamp": Numbers("I", 0, NODE_SHIFT, ages),
            "told": Numbers("q", UNTOLD, NODE_SHIFT, ages),
        }
        self.device_columns = {
            "node": Numbers("i", NONE, DEVICE_SHIFT, ages),
            "holders": Numbers("h", 0, DEVICE_SHIFT, ages),
        }
        self.groups: Map[Ref, frozenset[NodeId]] = Map()
        """The nodes of each NVLink domain and switch."""
        self.places = Places(facts, NODE_SHIFT, ages)
        self.columns |= self.places.columns
        self.groupings: Terms[frozenset[Ref]] = Terms([frozenset()])
        self.grouped = Numbers("i", 0, NODE_SHIFT, ages)
        self.resident: Items[bytes] = Items(b"", NODE_SHIFT, ages)
        """The rows of the replicas on each node, packed: one small object that most changes leave alone."""
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
        if self.state[row] & SEEN or self.resident[row]:
            return
        self.ids.drop(row)
        self.fields.clear(row)
        self.rows.give(row, self._home[row])
        self.moved += 1

    def touch(self, row: int) -> None:
        """The node itself is another one now."""
        self._stamp.set(row, self.trail.add(self.id[row]) & STAMP)

    def load(self, row: int, watts: int, held: Sequence[int], sign: int) -> None:
        """A replica that draws `watts` and holds those device indexes came (1) or left (-1)."""
        self.load_of.open(row)[row] += sign * watts
        state = self.state[row]
        if not state & SEEN:
            return  # counted once the node is seen
        freed = 0
        for device in self._named(row, state, held):
            holders = self._holders.open(device)
            before = holders[device]
            if before < MOST_HOLDERS:  # so many are a lie: the device counts as held until its node is told anew
                holders[device] = before + sign
            if (before == 0 or before + sign == 0) and self._sound[device] == self.sound:
                freed -= sign
        grown = self._drawn(row) - self.places.watts[row] if state & CAPPED else sign * watts
        if grown or freed:
            self.places.shift(row, state, grown, freed)

    def write(self, row: int, field: str, value: Any) -> None:
        """One field of a seen node, none of its devices, is this."""
        if self.fields.write_one(row, field, value):
            self.places.exchange(row, self._judged(row), self._drawn(row), self.places.free[row])
            self.touch(row)

    def judge_one(self, row: int, index: int, health: Health) -> bool:
        """The devices of a seen node with that index have that health; whether there are such."""
        devices = self._named(row, self.state[row], (index,))
        if sum(self.devices.write_one(device, "health", health) for device in devices):
            self._settle(row)
            self.touch(row)
        return bool(devices)

    def find_all(self, nodes: Sequence[NodeId]) -> Rows:
        """The rows of those that are seen, `NONE` for any other."""
        rows = self.ids.find_all(nodes)
        known = np.flatnonzero(rows >= 0)
        rows[known[self.state.take(rows[known]) & SEEN == 0]] = NONE
        return rows

    def named(self, rows: Rows, indexes: Sequence[Sequence[int]]) -> tuple[Rows, Rows]:
        """The devices of seen nodes with these indexes: where in `rows` each was asked for, and its row."""
        counts = np.fromiter(map(len, indexes), dtype=np.int64, count=len(rows))
        asked = np.repeat(np.arange(len(rows)), counts)
        wanted = np.array([index for held in indexes for index in held], dtype=np.int64)
        nodes = rows[asked]
        plain = self.state.take(nodes) & PLAIN > 0
        there = plain & (wanted >= 0) & (wanted < self._count.take(nodes))
        found = asked[there], self._device.take(nodes[there]) + wanted[there]
        if plain.all():
            return found
        others = [
            (at, device)
            for at, node, index in np.stack((asked, nodes, wanted), axis=1)[~plain].tolist()
            for device in self._named(node, 0, (index,))
        ]
        more = np.array(others, dtype=np.int64).reshape(-1, 2)
        return np.concatenate((found[0], more[:, 0])), np.concatenate((found[1], more[:, 1]))

    def judge(self, devices: Rows, healths: Sequence[Health]) -> tuple[Rows, Rows, NDArray[np.int64]]:
        """Devices have that health now, of one that is there twice the last; which nodes have others, and how many
        more free devices each of those nodes has."""
        unique = np.unique(devices)
        before = self._sound.take(unique)
        self.devices.write_all(devices, "health", healths)
        after = self._sound.take(unique)
        changed = unique[before != after]
        freed = ((after == self.sound).astype(np.int64) - (before == self.sound)) * (self._holders.take(unique) == 0)
        return self._node_of.take(changed).astype(np.int64), self._node_of.take(unique).astype(np.int64), freed

    def hold(self, devices: Rows, signs: NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
        """Replicas that hold these devices came (1) or left (-1); nodes, and how many more free devices each has."""
        unique, inverse = np.unique(devices, return_inverse=True)
        before = self._holders.take(unique).astype(np.int64)
        more = np.zeros(len(unique), dtype=np.int64)
        np.add.at(more, inverse, signs)
        after = np.where(before < MOST_HOLDERS, np.minimum(before + more, MOST_HOLDERS), before)
        self._holders.put(unique, after)
        freed = ((after == 0).astype(np.int64) - (before == 0)) * (self._sound.take(unique) == self.sound)
        return self._node_of.take(unique).astype(np.int64), freed

    def settle(self, rows: Rows, freed: NDArray[np.int64]) -> None:
        """Bring the sums up to what these seen nodes are now; each has so many more free devices."""
        state = SEEN | self.state.take(rows) & PLAIN | np.where(self._cap.take(rows) >= 0, CAPPED, 0)
        taints = self.fields.terms["taints"].values
        closing = np.array([any(t.own and t.effect.closes for t in held) for held in taints], dtype=np.bool_)
        fenced = (self._cordoned.take(rows) != 0) | closing[self._taints.take(rows)]
        open_ = ~fenced & (self._health.take(rows) == self.healthy)
        state |= np.where(fenced, FENCED, 0) | np.where(open_, OPEN, 0)
        cap, drawn = self._cap.take(rows), self._idle.take(rows) + self.load_of.take(rows)
        watts = np.where(cap < 0, drawn, np.minimum(drawn, cap))
        self.places.exchange_all(rows, state, watts, self.places.free.take(rows) + freed)

    def touch_all(self, rows: Rows) -> None:
        """These nodes are others now."""
        self._stamp.put(rows, self.trail.add_all(list(map(self.id.live.__getitem__, rows.tolist()))) & STAMP)

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

    def read(self, roster: Roster, batch: Batch) -> Taken:
        """Take a batch of readings; measured power is added to nodes, racks and sites."""
        taken, grown = self.readings.take(roster, batch)
        if batch.metric is Metric.POWER:
            self.places.measured(*sums(roster.nodes, grown))
        return taken

    def regroup(self) -> None:
        """Find the nodes of each group off the nodes, after those were read."""
        found: defaultdict[Ref, list[NodeId]] = defaultdict(list)
        for code, rows in grouped(self.grouped.array[: self.grouped.rows], 0):
            names = list(map(self.id.live.__getitem__, rows.tolist()))
            for ref in self.groupings.values[code]:
                found[ref] += names
        self.groups = Map({ref: frozenset(names) for ref, names in found.items()})

    def _made(self, node: NodeId) -> int:
        home = self.places.rack(node)
        row = self.rows.take(home)
        for column in (*self.columns.values(), *self.fields.columns.values(), self.grouped, self.resident):
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
                self._holders.set(device, min(self._holders[device] + 1, MOST_HOLDERS))
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
        drawn, cap = self._idle[row] + self.load_of[row], self._cap[row]
        return drawn if cap < 0 else min(drawn, cap)

    def _cluster_of(self, row: int) -> ClusterId:
        cluster: ClusterId = self.fields.terms["cluster"].values[self._cluster[row]]
        return cluster

    def _lay_indexes(self) -> None:
        names, known, clusters = self._name.live, self.fields.terms["cluster"].values, self._cluster
        self.ids = Index(self.id.live.__getitem__)
        self.names = Index(lambda row: (known[clusters[row]], names[row]))
        self.uuids = Index(self._uuid.live.__getitem__)
        self.healthy = self.fields.terms["health"].code(Health.HEALTHY)
        self.sound = self.devices.terms["health"].code(Health.HEALTHY)

    def _name_columns(self) -> None:
        """The columns of hot paths, by attribute."""
        own, fields, devices = self.columns, self.fields, self.devices
        self.state, self.told, self.load_of = self.places.state, own["told"], own["load"]
        self._home, self._stamp, self._device, self._count = (own[n] for n in ("home", "stamp", "device", "devices"))
        self.id, self._name, self._cluster = fields.objects("id"), fields.objects("name"), fields.numbers("cluster")
        self._idle, self._cap, self._cordoned = (
            fields.numbers(n) for n in ("idle_watts", "power_cap_watts", "cordoned")
        )
        self._health, self._taints = fields.numbers("health"), fields.numbers("taints")
        self._uuid, self._index, self._sound = (
            devices.objects("uuid"),
            devices.numbers("index"),
            devices.numbers("health"),
        )
        self._holders, self._node_of = self.device_columns["holders"], self.device_columns["node"]
        self._of_devices = (*self.device_columns.values(), *devices.columns.values(), *self.readings.columns.values())
