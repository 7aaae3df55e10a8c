"""`ColumnarGround`: the engine's columns as they were at one moment, as the ground of a `FrozenEstate`.

Made by `engine.Inventory`; read by any thread. Nodes and workloads are made of their columns when somebody asks for
one, and the newest asked for are remembered over snapshots, so that what did not change stays the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from estate.grounds import Ground
from estate.hardware import Accelerator, Node
from estate.ids import ClusterId, GangId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.readings import Gauge, Reading
from estate.references import Ref
from estate.tallies import Tally
from estate.things import AcceleratorRef
from estate.units import Watts
from estate.workloads import Binding, Workload
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Frozen, FrozenTable
from tools.inventory.columns.fields import Fields, made
from tools.inventory.columns.indexes import FrozenIndex, KeyOf
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.origins import UNTOLD, Told, unpacked
from tools.inventory.columns.places import SEEN
from tools.inventory.columns.readings import ABSENT, NOT_A_NUMBER, TELLERS, Metric
from tools.inventory.columns.residents import Residents, rows_of
from tools.inventory.columns.sums import DEVICES, FENCED_NODES, WATTS, FrozenTotals

_REMEMBERED = 1 << 13

type Columns = Mapping[str, Frozen[Any]]


@dataclass(slots=True)
class Memory:
    """Things that were made lately, by row and stamp. Any thread may lose or add one; a wrong one is never found."""

    nodes: dict[int, tuple[int, Node]] = field(default_factory=dict)
    workloads: dict[int, tuple[int, Workload]] = field(default_factory=dict)

    @staticmethod
    def recall[T](known: dict[int, tuple[int, T]], row: int, stamp: int, make: Callable[[int], T]) -> T:
        """The thing of that row as it was at that stamp."""
        found = known.get(row)
        if found is not None and found[0] == stamp:
            return found[1]
        if len(known) >= _REMEMBERED:
            known.clear()
        thing = make(row)
        known[row] = (stamp, thing)
        return thing


class ColumnarGround:
    """Satisfies `estate.grounds.Ground`."""

    def __init__(self, machines: Machines, residents: Residents, memory: Memory, ages: Ages) -> None:
        """The ages are told when nobody holds the ground any more."""
        self._ages, self._age = ages, ages.take()
        self._totals = machines.places.racks, machines.places.sites, residents.tenants
        self.levels = machines.places.levels.freeze()
        self._machines, self._residents, self._memory = machines, residents, memory
        self._indexes = tuple(i.freeze() for i in (machines.ids, machines.names, machines.uuids))
        self._workload_indexes = tuple(i.freeze() for i in (residents.ids, residents.names))
        self._groups, self._gangs = machines.groups, residents.gangs
        self._readers: dict[str, Callable[[int], dict[str, Any]]] = {}
        self._ends = machines.trail.end, residents.trail.end

    @cached_property
    def nodes_of(self) -> FrozenTable:
        """The columns of nodes; made when first asked for, as those that follow: most snapshots are asked little."""
        machines = self._machines
        return FrozenTable(self._age, machines.fields.columns, machines.columns, {"resident": machines.resident})

    @cached_property
    def devices_of(self) -> FrozenTable:
        """The columns of devices."""
        machines = self._machines
        return FrozenTable(self._age, machines.devices.columns, machines.device_columns, machines.readings.columns)

    @cached_property
    def workloads_of(self) -> FrozenTable:
        """The columns of workloads."""
        return FrozenTable(self._age, self._residents.fields.columns, self._residents.columns)

    @cached_property
    def replicas_of(self) -> FrozenTable:
        """The columns of replicas."""
        return FrozenTable(self._age, self._residents.replica_columns)

    @cached_property
    def racks(self) -> FrozenTotals:
        """What racks add up to."""
        return self._totals[0].frozen(self._age)

    @cached_property
    def sites(self) -> FrozenTotals:
        """What sites add up to."""
        return self._totals[1].frozen(self._age)

    @cached_property
    def tenants(self) -> FrozenTotals:
        """What tenants add up to."""
        return self._totals[2].frozen(self._age)

    @cached_property
    def _ids(self) -> FrozenIndex:
        return FrozenIndex(self._indexes[0], self.nodes_of["id"].__getitem__)

    @cached_property
    def _names(self) -> FrozenIndex:
        return FrozenIndex(self._indexes[1], _names_of_nodes(self._machines, self.nodes_of))

    @cached_property
    def _uuids(self) -> FrozenIndex:
        return FrozenIndex(self._indexes[2], self.devices_of["uuid"].__getitem__)

    @cached_property
    def _workload_ids(self) -> FrozenIndex:
        return FrozenIndex(self._workload_indexes[0], self.workloads_of["id"].__getitem__)

    @cached_property
    def _workload_names(self) -> FrozenIndex:
        return FrozenIndex(self._workload_indexes[1], _names_of_workloads(self._residents, self.workloads_of))

    def meanings(self, table: str, field: str) -> list[Any]:
        """What the numbers of a field of a `node`, `device` or `workload` stand for. See `Fields.meanings`."""
        return self._fields(table).meanings(field)

    def node(self, node: NodeId) -> Node | None:
        row = self.row(node)
        return None if row == NONE else self._node(row)

    def workload(self, workload: WorkloadId) -> Workload | None:
        row = self._workload_ids.find(workload)
        return None if row == NONE else self._workload(row)

    def nodes(self) -> Iterable[Node]:
        ids = self.nodes_of["id"].values()
        seen = np.flatnonzero(self.nodes_of["state"].view & SEEN).tolist()
        return (self._node(row) for row in sorted(seen, key=ids.__getitem__))

    def workloads(self) -> Iterable[Workload]:
        ids = self.workloads_of["id"]
        there = sorted((name, row) for row, name in enumerate(ids.values()) if name is not None)
        return (self._workload(row) for _, row in there)

    def residents(self, node: NodeId) -> frozenset[WorkloadId] | None:
        ids, owner = self.workloads_of["id"], self.replicas_of["workload"]
        return frozenset(ids[owner[at]] for at in self.replicas_on(node)) or None

    def taken(self, node: NodeId) -> frozenset[int]:
        held, values = self.replicas_of["held"], self._residents.held.values
        return frozenset(index for at in self.replicas_on(node) for index in values[held[at]])

    def node_watts(self, node: NodeId) -> Watts:
        row = self.row(node)
        return Watts(0 if row == NONE else self.nodes_of["watts"][row])

    def rack_watts(self, rack: RackId) -> int:
        return self.racks.of(rack, WATTS)

    def site_watts(self, site: SiteId) -> int:
        return self.sites.of(site, WATTS)

    def tenant_devices(self, tenant: TenantId) -> int:
        return self.tenants.of(tenant, DEVICES)

    def tenant_watts(self, tenant: TenantId) -> int:
        return self.tenants.of(tenant, WATTS)

    def fenced_in(self, rack: RackId) -> int:
        return self.racks.of(rack, FENCED_NODES)

    def fenced_at(self, site: SiteId) -> int:
        return self.sites.of(site, FENCED_NODES)

    def tally(self) -> Tally:
        asks, open_nodes, closed = self.levels
        return Tally(asks=asks, open_nodes=open_nodes, closed_free=closed)

    def touched_since(self, earlier: Ground) -> frozenset[NodeId] | None:
        if not isinstance(earlier, ColumnarGround) or earlier._machines is not self._machines:
            return None
        (first, then), (last, now) = sorted((earlier._ends, self._ends))
        nodes = self._machines.trail.between(first, last)
        workloads = self._residents.trail.between(then, now)
        if nodes is None or workloads is None:
            return None
        return nodes.union(*(e._homes(w) for e in (earlier, self) for w in workloads))

    def named(self, name: tuple[ClusterId, str]) -> NodeId | None:
        row = self._names.find(name)
        return None if row == NONE else self.nodes_of["id"][row]

    def holding(self, ref: Ref) -> frozenset[NodeId] | None:
        return self._groups.get(ref)

    def gang(self, gang: GangId) -> frozenset[WorkloadId] | None:
        return self._gangs.get(gang)

    def accelerator(self, uuid: str) -> AcceleratorRef | None:
        device = self._uuids.find(uuid)
        if device == NONE:
            return None
        indexes = self._machines.devices.terms["index"].values
        node = self.nodes_of["id"][self.devices_of["node"][device]]
        return AcceleratorRef(node=node, index=indexes[self.devices_of["index"][device]])

    def workload_named(self, name: tuple[ClusterId, str, str]) -> WorkloadId | None:
        row = self._workload_names.find(name)
        return None if row == NONE else self.workloads_of["id"][row]

    def held(self, replica: int) -> tuple[int, ...]:
        """The device indexes that the replica in that row holds."""
        found: tuple[int, ...] = self._residents.held.values[self.replicas_of["held"][replica]]
        return found

    def replicas_on(self, node: NodeId) -> Sequence[int]:
        """The rows of the replicas that run on a node."""
        row = self._ids.find(node)
        return () if row == NONE else rows_of(self.nodes_of["resident"][row])

    def stamp(self, node: NodeId) -> int | None:
        """What is another number once the node itself is otherwise; None: no such node is seen."""
        row = self.row(node)
        return None if row == NONE else self.nodes_of["stamp"][row]

    def reading(self, metric: Metric, uuid: str) -> int:
        """The newest reading of a device, or what stands for none (`readings.ABSENT`, …)."""
        device = self._uuids.find(uuid)
        return ABSENT if device == NONE else self.devices_of[metric][device]

    def measured(self, uuid: str) -> tuple[Reading, ...]:
        device = self._uuids.find(uuid)
        if device == NONE:
            return ()
        sources = self._machines.readings.tellers.values[self.devices_of[TELLERS][device]]
        kept = [(metric, int(self.devices_of[metric][device])) for metric in Metric]
        return tuple(
            Reading(
                Gauge(metric.value),
                value if value > NOT_A_NUMBER else None,
                datetime.fromtimestamp(self.devices_of[metric.at][device], UTC),
                source,
            )
            for (metric, value), source in zip(kept, sources, strict=True)
            if value != ABSENT
        )

    def node_told(self, node: NodeId) -> Told | None:
        """Whose word the node is, and when it was given."""
        row = self.row(node)
        return None if row == NONE else self._told(self.nodes_of["told"][row])

    def workload_told(self, workload: WorkloadId) -> Told | None:
        """Whose word the workload is, and when it was given."""
        row = self._workload_ids.find(workload)
        return None if row == NONE else self._told(self.workloads_of["told"][row])

    def told_at(self, ref: Ref) -> datetime | None:
        """When that node or workload was told last; None for what is neither."""
        node, workload = ref.kind == "node", ref.kind == "workload"
        told = self.node_told(NodeId(ref.id)) if node else self.workload_told(WorkloadId(ref.id)) if workload else None
        return None if told is None else datetime.fromtimestamp(told.at / 1000, UTC)

    def __del__(self) -> None:
        """Freeing what it needed takes longer than a decision may: `Inventory.reap` does it, bit by bit."""
        self._ages.end(self._age)

    def row(self, node: NodeId) -> int:
        """The row of a node that is seen, or `NONE`."""
        row = self._ids.find(node)
        return row if row != NONE and self.nodes_of["state"][row] & SEEN else NONE

    def _node(self, row: int) -> Node:
        return Memory.recall(self._memory.nodes, row, self.nodes_of["stamp"][row], self._made_node)

    def _workload(self, row: int) -> Workload:
        return Memory.recall(self._memory.workloads, row, self.workloads_of["stamp"][row], self._made_workload)

    def _made_node(self, row: int) -> Node:
        first, count = self.nodes_of["device"][row], self.nodes_of["devices"][row]
        read = self._reader("device")
        devices = tuple(made(Accelerator, read(at)) for at in range(first, first + count))
        return made(Node, self._reader("node")(row) | {"accelerators": devices})

    def _made_workload(self, row: int) -> Workload:
        bindings = tuple(self._binding(replica, at) for replica, at in self._replicas_of(row))
        return made(Workload, self._reader("workload")(row) | {"bindings": bindings})

    def _binding(self, replica: int, at: int) -> Binding:
        node = self.nodes_of["id"][self.replicas_of["node"][at]]
        held = self._residents.held.values[self.replicas_of["held"][at]]
        return made(Binding, {"replica": replica, "node": node, "accelerators": held})

    def _replicas_of(self, row: int) -> list[tuple[int, int]]:
        """The replicas of a workload that run, in its own order, each with its row."""
        first, order = self.workloads_of["first"][row], self.workloads_of["order"][row]
        if order:
            return [(replica, first + replica) for replica in self._residents.orders.values[order]]
        node = self.replicas_of["node"]
        return [(r, first + r) for r in range(self.workloads_of["room"][row]) if node[first + r] != NONE]

    def _reader(self, table: str) -> Callable[[int], dict[str, Any]]:
        """How a row of a table is read; made when it is first asked for, because most snapshots are asked little."""
        found = self._readers.get(table)
        if found is None:
            columns = {"node": self.nodes_of, "device": self.devices_of, "workload": self.workloads_of}[table]
            found = self._readers[table] = self._fields(table).reader(columns)
        return found

    def _fields(self, table: str) -> Fields[Any]:
        machines = self._machines
        tables: dict[str, Fields[Any]] = {
            "node": machines.fields,
            "device": machines.devices,
            "workload": self._residents.fields,
        }
        return tables[table]

    def _homes(self, workload: WorkloadId) -> frozenset[NodeId]:
        """The nodes on which a workload runs."""
        row = self._workload_ids.find(workload)
        if row == NONE:
            return frozenset()
        return frozenset(self.nodes_of["id"][self.replicas_of["node"][at]] for _, at in self._replicas_of(row))

    def _told(self, told: int) -> Told | None:
        if told == UNTOLD:
            return None
        source, at = unpacked(told)
        return Told(self._machines.sources.values[source], at)


def _names_of_nodes(machines: Machines, columns: Columns) -> KeyOf:
    """The cluster and name of a row. No method: a ground that held itself would end only when garbage is collected."""
    clusters, cluster, name = machines.fields.terms["cluster"].values, columns["cluster"], columns["name"]
    return lambda row: (clusters[cluster[row]], name[row])


def _names_of_workloads(residents: Residents, columns: Columns) -> KeyOf:
    """The cluster, namespace and name of a row."""
    terms = residents.fields.terms
    clusters, namespaces = terms["cluster"].values, terms["namespace"].values
    cluster, namespace, name = (columns[c] for c in ("cluster", "namespace", "name"))
    return lambda row: (clusters[cluster[row]], namespaces[namespace[row]], name[row])
