"""Columnar (NumPy) views of a snapshot: what masks and scores read. Built once, then only touched rows are refilled.

Rows are nodes by id; devices lie in a padded matrix of nodes × slots. Numbers stand for names (`-1`: no fact says).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from estate.devices import Vendor
from estate.hardware import Health, Node, Taint
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Workload

type Flags = NDArray[np.bool_]
type Ints = NDArray[np.int64]

UNCAPPED = 10**12
HEALTHS = tuple(Health)
HEALTHY = HEALTHS.index(Health.HEALTHY)
_SHARED = frozenset({"names", "rows", "ids", "models", "makers", "taints", "rack_budget"})
"""What a renewal does not copy as an array."""
_OF_RACKS = frozenset({"rack_drawn", "rack_budget"})
UNKNOWN_TENANT = -1
"""The last row of `present`: work of a tenant that no fact knows."""


@dataclass(frozen=True, slots=True)
class Names:
    """The law base's names in sorted order; a column holds their positions."""

    sites: tuple[SiteId, ...]
    racks: tuple[RackId, ...]
    clusters: tuple[ClusterId, ...]
    tenants: tuple[TenantId, ...]

    @classmethod
    def of(cls, facts: Facts, clusters: Iterable[ClusterId]) -> Names:
        """Every name of the facts, and the clusters that nodes claim to be of."""
        return cls(
            sites=tuple(sorted(facts.site)),
            racks=tuple(sorted(facts.rack)),
            clusters=tuple(sorted({*facts.cluster, *clusters})),
            tenants=tuple(sorted(facts.tenant)),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """One snapshot as arrays. Never written after it was built; searches copy what they change."""

    names: Names
    rows: Mapping[NodeId, int]
    """The row of each node."""
    ids: tuple[NodeId, ...]
    cluster: Ints
    site: Ints
    rack: Ints
    cordoned: Flags
    taint: Ints
    """The position in `taints` of those that close the node."""
    health: Ints
    """Of the node, as its position in `HEALTHS`."""
    idle: Ints
    load: Ints
    cap: Ints
    index: Ints
    model: Ints
    memory: Ints
    domain: Ints
    exists: Flags
    healthy: Flags
    free: Flags
    present: Flags
    models: tuple[str, ...]
    makers: tuple[Vendor | None, ...]
    """Of each model; None: nobody tells."""
    taints: tuple[tuple[Taint, ...], ...]
    """The different sets of closing taints; a fleet has few."""
    rack_drawn: Ints
    rack_budget: Ints

    @property
    def fit(self) -> Flags:
        """The nodes that are healthy."""
        found: Flags = self.health == HEALTHY
        return found

    @property
    def draw(self) -> Ints:
        """What each node draws, in watts."""
        drawn: Ints = np.minimum(self.idle + self.load, self.cap)
        return drawn

    def of(self, rows: Ints) -> Columns:
        """A copy of these rows alone."""
        ids = tuple(self.ids[row] for row in rows.tolist())
        cut = {name: getattr(self, name)[rows] for name in BY_NODE}
        places = {name: row for row, name in enumerate(ids)}
        return replace(self, ids=ids, rows=places, present=self.present[:, rows], **cut)


BY_NODE = tuple(f.name for f in fields(Columns) if f.name not in _SHARED | _OF_RACKS | {"present"})
"""The arrays whose first axis is the node."""


def build(snapshot: Snapshot) -> Columns:
    """The columns of `snapshot`, every node read. A scan, where no ground has them in columns already."""
    nodes = tuple(snapshot.nodes())
    columns = _blank(snapshot, Names.of(snapshot.facts, (n.cluster for n in nodes)), nodes)
    where = Where(snapshot, columns)
    for row, node in enumerate(nodes):
        fill(columns, row, node, where)
    return columns


def renewed(before: Columns, snapshot: Snapshot, touched: Iterable[NodeId]) -> Columns | None:
    """The columns of `snapshot`, which differs from that of `before` on the touched nodes at most.

    None when it does not fit the same frame: a node came or went, or has a name or a device that no column knows.
    """
    found = [(before.rows.get(name), snapshot.node(name)) for name in touched]
    if not all(fits(before, row, node) for row, node in found):
        return None
    stale = {row: node for row, node in found if row is not None and node is not None}
    if not stale:
        return before
    columns = _copied(before, snapshot, stale)
    where = Where(snapshot, columns)
    for row, node in stale.items():
        fill(columns, row, node, where)
    return columns


class Where:
    """Positions of names, for filling rows."""

    def __init__(self, snapshot: Snapshot, columns: Columns) -> None:
        names = columns.names
        self.snapshot = snapshot
        self.site = {s: i for i, s in enumerate(names.sites)}
        self.rack = {r: i for i, r in enumerate(names.racks)}
        self.cluster = {c: i for i, c in enumerate(names.clusters)}
        self.tenant = {t: i for i, t in enumerate(names.tenants)}
        self.model = {m: i for i, m in enumerate(columns.models)}
        self.taint = {t: i for i, t in enumerate(columns.taints)}

    def on(self, snapshot: Snapshot) -> Where:
        """The same names, of another snapshot under the same facts."""
        other = copy(self)
        other.snapshot = snapshot
        return other


def fits(before: Columns, row: int | None, node: Node | None) -> bool:
    """Whether the node, now, can be told in the row of these columns that was its own."""
    if row is None or node is None:
        return row is None and node is None
    makers = dict(zip(before.models, before.makers, strict=True))
    known = all(a.model in makers and a.vendor in (None, makers[a.model]) for a in node.accelerators)
    return known and node.cluster in before.names.clusters and len(node.accelerators) <= before.index.shape[1]


def rack_columns(snapshot: Snapshot, names: Names) -> tuple[Ints, Ints]:
    """What each rack draws, and its budget, in watts."""
    drawn = np.array([snapshot.rack_watts(r) for r in names.racks], dtype=np.int64)
    budget = np.array([snapshot.facts.rack[r].power_budget_watts for r in names.racks], dtype=np.int64)
    return drawn, budget


def _blank(snapshot: Snapshot, names: Names, nodes: tuple[Node, ...]) -> Columns:
    rows, slots = len(nodes), max((len(n.accelerators) for n in nodes), default=0)
    drawn, budget = rack_columns(snapshot, names)
    makers: dict[str, Vendor | None] = {}
    for device in (a for n in nodes for a in n.accelerators):
        makers[device.model] = makers.get(device.model) or device.vendor

    def ints(*shape: int) -> Ints:
        return np.full(shape, -1, dtype=np.int64)

    def flags(*shape: int) -> Flags:
        return np.zeros(shape, dtype=np.bool_)

    return Columns(
        names=names,
        rows={n.id: i for i, n in enumerate(nodes)},
        ids=tuple(n.id for n in nodes),
        cluster=ints(rows),
        site=ints(rows),
        rack=ints(rows),
        cordoned=flags(rows),
        taint=ints(rows),
        health=ints(rows),
        idle=ints(rows),
        load=ints(rows),
        cap=ints(rows),
        index=ints(rows, slots),
        model=ints(rows, slots),
        memory=ints(rows, slots),
        domain=ints(rows, slots),
        exists=flags(rows, slots),
        healthy=flags(rows, slots),
        free=flags(rows, slots),
        present=flags(len(names.tenants) + 1, rows),
        models=tuple(makers),
        makers=tuple(makers.values()),
        taints=tuple(dict.fromkeys(n.closing_taints for n in nodes)),
        rack_drawn=drawn,
        rack_budget=budget,
    )


def _copied(before: Columns, snapshot: Snapshot, changed: Mapping[int, Node]) -> Columns:
    """A copy whose arrays may be written, with the draw of these nodes' racks as it is now."""
    fresh = {f.name: getattr(before, f.name).copy() for f in fields(before) if f.name not in _SHARED}
    for row in changed:
        if (rack := before.rack[row]) >= 0:
            fresh["rack_drawn"][rack] = snapshot.rack_watts(before.names.racks[rack])
    taints = tuple(dict.fromkeys((*before.taints, *(n.closing_taints for n in changed.values()))))
    return replace(before, taints=taints, **fresh)


def fill(columns: Columns, row: int, node: Node, where: Where) -> None:
    """Write all that the snapshot says of a node and of what runs there into its row."""
    load = where.snapshot.workloads_on(node.id)
    site, rack = where.snapshot.site_of(node.id), where.snapshot.rack_of(node.id)
    columns.cluster[row] = where.cluster[node.cluster]
    columns.site[row] = where.site[site] if site else -1
    columns.rack[row] = where.rack[rack] if rack else -1
    columns.cordoned[row] = node.cordoned
    columns.taint[row] = where.taint[node.closing_taints]
    columns.health[row] = HEALTHS.index(node.health)
    columns.idle[row] = node.idle_watts
    columns.cap[row] = UNCAPPED if node.power_cap_watts is None else node.power_cap_watts
    columns.load[row] = load_of(load, node.id)
    columns.present[:, row] = False
    for workload in load:
        columns.present[where.tenant.get(workload.tenant, UNKNOWN_TENANT), row] = True
    _fill_devices(columns, row, node, where)


def load_of(workloads: Iterable[Workload], node: NodeId) -> int:
    """What these draw on a node, in watts."""
    return sum(w.watts_per_accelerator * len(b.accelerators) for w in workloads for b in w.on(node))


def _fill_devices(columns: Columns, row: int, node: Node, where: Where) -> None:
    taken = where.snapshot.taken(node.id)
    domains = {d: i for i, d in enumerate(dict.fromkeys(a.nvlink_domain for a in node.accelerators if a.nvlink_domain))}
    for column in (columns.index, columns.model, columns.memory, columns.domain):
        column[row] = -1  # of devices that are gone nothing may be left: reasons look at whole rows
    for flags in (columns.exists, columns.healthy, columns.free):
        flags[row] = False
    for slot, device in enumerate(node.accelerators):
        healthy = device.health is Health.HEALTHY
        columns.index[row, slot] = device.index
        columns.model[row, slot] = where.model[device.model]
        columns.memory[row, slot] = device.memory_mebibytes
        columns.domain[row, slot] = domains.get(device.nvlink_domain, -1)
        columns.exists[row, slot] = True
        columns.healthy[row, slot] = healthy
        columns.free[row, slot] = healthy and device.index not in taken
