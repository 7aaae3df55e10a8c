"""Columnar (NumPy) views of a snapshot: what masks and scores read. Built once per snapshot, changed rows only.

Rows are nodes by id; devices lie in a padded matrix of nodes × slots. Numbers stand for names (`-1`: no fact says).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from estate.hardware import Health, Node
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Workload

type Flags = NDArray[np.bool_]
type Ints = NDArray[np.int64]

UNCAPPED = 10**12
_NOT_PER_ROW = frozenset({"names", "rows", "nodes", "loads", "models", "rack_drawn", "rack_budget"})
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
    def of(cls, facts: Facts, nodes: Sequence[Node]) -> Names:
        """Every name of the facts, and the clusters that nodes claim to be of."""
        return cls(
            sites=tuple(sorted(facts.site)),
            racks=tuple(sorted(facts.rack)),
            clusters=tuple(sorted({*facts.cluster, *(n.cluster for n in nodes)})),
            tenants=tuple(sorted(facts.tenant)),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """One snapshot as arrays. Never written after it was built; searches copy what they change."""

    names: Names
    rows: Mapping[NodeId, int]
    """The row of each node."""
    nodes: tuple[Node, ...]
    loads: tuple[tuple[Workload, ...], ...]
    cluster: Ints
    site: Ints
    rack: Ints
    cordoned: Flags
    fit: Flags
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
    rack_drawn: Ints
    rack_budget: Ints

    @property
    def draw(self) -> Ints:
        """What each node draws, in watts."""
        drawn: Ints = np.minimum(self.idle + self.load, self.cap)
        return drawn


def build(snapshot: Snapshot, before: Columns | None = None) -> Columns:
    """The columns of `snapshot`; rows that did not change since `before` are copied from it."""
    nodes = tuple(snapshot.nodes())
    loads = tuple(snapshot.workloads_on(n.id) for n in nodes)
    names = Names.of(snapshot.facts, nodes)
    slots = max((len(n.accelerators) for n in nodes), default=0)
    models = _models(nodes, before)
    if before is not None and _same_frame(before, nodes, names, slots):
        columns = _copied(before, snapshot, nodes, loads, models)
        stale = [i for i in range(len(nodes)) if not _same_row(before, i, nodes[i], loads[i])]
    else:
        columns = _blank(snapshot, names, nodes, loads, models, slots)
        stale = list(range(len(nodes)))
    where = _Where(snapshot, names, models)
    for row in stale:
        _fill(columns, row, where)
    return columns


class _Where:
    """Positions of names, for filling rows."""

    def __init__(self, snapshot: Snapshot, names: Names, models: Sequence[str]) -> None:
        self.snapshot = snapshot
        self.site = {s: i for i, s in enumerate(names.sites)}
        self.rack = {r: i for i, r in enumerate(names.racks)}
        self.cluster = {c: i for i, c in enumerate(names.clusters)}
        self.tenant = {t: i for i, t in enumerate(names.tenants)}
        self.model = {m: i for i, m in enumerate(models)}


def _models(nodes: Sequence[Node], before: Columns | None) -> tuple[str, ...]:
    """The model names; those of `before` keep their positions."""
    known = dict.fromkeys(before.models if before else ())
    known.update(dict.fromkeys(a.model for n in nodes for a in n.accelerators))
    return tuple(known)


def _same_frame(before: Columns, nodes: Sequence[Node], names: Names, slots: int) -> bool:
    same_nodes = len(before.nodes) == len(nodes) and all(a.id == b.id for a, b in zip(before.nodes, nodes, strict=True))
    return same_nodes and before.names == names and before.index.shape[1] == slots


def _same_row(before: Columns, row: int, node: Node, load: tuple[Workload, ...]) -> bool:
    held = before.loads[row]
    return before.nodes[row] is node and len(held) == len(load) and all(a is b for a, b in zip(held, load, strict=True))


def _rack_columns(snapshot: Snapshot, names: Names) -> tuple[Ints, Ints]:
    drawn = np.array([snapshot.rack_watts(r) for r in names.racks], dtype=np.int64)
    budget = np.array([snapshot.facts.rack[r].power_budget_watts for r in names.racks], dtype=np.int64)
    return drawn, budget


def _blank(
    snapshot: Snapshot,
    names: Names,
    nodes: tuple[Node, ...],
    loads: tuple[tuple[Workload, ...], ...],
    models: tuple[str, ...],
    slots: int,
) -> Columns:
    rows = len(nodes)
    drawn, budget = _rack_columns(snapshot, names)

    def ints(*shape: int) -> Ints:
        return np.full(shape, -1, dtype=np.int64)

    def flags(*shape: int) -> Flags:
        return np.zeros(shape, dtype=np.bool_)

    return Columns(
        names=names,
        rows={n.id: i for i, n in enumerate(nodes)},
        nodes=nodes,
        loads=loads,
        cluster=ints(rows),
        site=ints(rows),
        rack=ints(rows),
        cordoned=flags(rows),
        fit=flags(rows),
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
        models=models,
        rack_drawn=drawn,
        rack_budget=budget,
    )


def _copied(
    before: Columns,
    snapshot: Snapshot,
    nodes: tuple[Node, ...],
    loads: tuple[tuple[Workload, ...], ...],
    models: tuple[str, ...],
) -> Columns:
    drawn, budget = _rack_columns(snapshot, before.names)
    fresh = {f.name: getattr(before, f.name).copy() for f in fields(before) if f.name not in _NOT_PER_ROW}
    return replace(before, nodes=nodes, loads=loads, models=models, rack_drawn=drawn, rack_budget=budget, **fresh)


def _fill(columns: Columns, row: int, where: _Where) -> None:
    node, load = columns.nodes[row], columns.loads[row]
    site, rack = where.snapshot.site_of(node.id), where.snapshot.rack_of(node.id)
    columns.cluster[row] = where.cluster[node.cluster]
    columns.site[row] = where.site[site] if site else -1
    columns.rack[row] = where.rack[rack] if rack else -1
    columns.cordoned[row] = node.cordoned
    columns.fit[row] = node.health is Health.HEALTHY
    columns.idle[row] = node.idle_watts
    columns.cap[row] = UNCAPPED if node.power_cap_watts is None else node.power_cap_watts
    columns.load[row] = sum(w.watts_per_accelerator * len(b.accelerators) for w in load for b in w.on(node.id))
    columns.present[:, row] = False
    for workload in load:
        columns.present[where.tenant.get(workload.tenant, UNKNOWN_TENANT), row] = True
    _fill_devices(columns, row, where)


def _fill_devices(columns: Columns, row: int, where: _Where) -> None:
    node = columns.nodes[row]
    taken = where.snapshot.taken(node.id)
    domains = {d: i for i, d in enumerate(dict.fromkeys(a.nvlink_domain for a in node.accelerators if a.nvlink_domain))}
    columns.exists[row] = False
    columns.healthy[row] = False
    columns.free[row] = False
    for slot, device in enumerate(node.accelerators):
        healthy = device.health is Health.HEALTHY
        columns.index[row, slot] = device.index
        columns.model[row, slot] = where.model[device.model]
        columns.memory[row, slot] = device.memory_mebibytes
        columns.domain[row, slot] = domains.get(device.nvlink_domain, -1)
        columns.exists[row, slot] = True
        columns.healthy[row, slot] = healthy
        columns.free[row, slot] = healthy and device.index not in taken
