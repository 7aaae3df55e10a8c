"""Columns filled off a snapshot's nodes and what runs on them: all of them, some, or those that have changed. Pure.

Called by `engine`, `grounding` and `online.frames`, so that a node means the same however it was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import repeat

import numpy as np

from estate.devices import Vendor
from estate.hardware import Accelerator, Health, Node
from estate.ids import NodeId, TenantId
from estate.loads import Load
from estate.snapshots import Snapshot
from estate.workloads import WHOLE
from tools.placement.columns import (
    HEALTHS,
    NOBODY,
    SEVERAL,
    SHARED,
    UNCAPPED,
    UNKNOWN_TENANT,
    Columns,
    Flags,
    Ints,
    Names,
)
from tools.placement.insides import UNTOLD


def build(snapshot: Snapshot) -> Columns:
    """The columns of `snapshot`, every node read. A scan, where no ground has them in columns already."""
    nodes = tuple(snapshot.nodes())
    columns = _blank(snapshot, Names.of(snapshot.facts, (n.cluster for n in nodes)), nodes)
    fill(columns, dict(enumerate(nodes)), Where(snapshot, columns))
    return columns


def build_some(snapshot: Snapshot, names: Iterable[NodeId]) -> Columns:
    """The columns of these nodes alone, as far as they are there, with the names of their own places."""
    nodes = tuple(n for n in map(snapshot.node, dict.fromkeys(names)) if n is not None)
    racks = {r for n in nodes if (r := snapshot.rack_of(n.id)) is not None}
    sites = {s for n in nodes if (s := snapshot.site_of(n.id)) is not None}
    here = Names(tuple(sorted(sites)), tuple(sorted(racks)), tuple(sorted({n.cluster for n in nodes})), ())
    columns = _blank(snapshot, here, nodes)
    fill(columns, dict(enumerate(nodes)), Where(snapshot, columns))
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
    fill(columns, stale, Where(snapshot, columns))
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
        self.profile = {p: i for i, p in enumerate(columns.profiles)}
        self.software = {s: i for i, s in enumerate(columns.installed)}
        self.taint = {t: i for i, t in enumerate(columns.taints)}


def fits(before: Columns, row: int | None, node: Node | None) -> bool:
    """Whether the node, now, can be told in the row of these columns that was its own."""
    return row is None and node is None if row is None or node is None else holds(before, node)


def holds(before: Columns, node: Node) -> bool:
    """Whether these columns have words for the node, and room for its devices."""
    makers = dict(zip(before.models, before.makers, strict=True))
    known = all(
        a.model in makers and a.vendor in (None, makers[a.model]) and a.cut in before.profiles
        for a in node.accelerators
    )
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
        cpu_free=ints(rows),
        memory_free=ints(rows),
        index=ints(rows, slots),
        model=ints(rows, slots),
        memory=ints(rows, slots),
        domain=ints(rows, slots),
        exists=flags(rows, slots),
        healthy=flags(rows, slots),
        free=flags(rows, slots),
        milli=ints(rows, slots),
        shares=flags(rows, slots),
        sharer=ints(rows, slots),
        profile=ints(rows, slots),
        limit=ints(rows, slots),
        software=ints(rows),
        present=flags(len(names.tenants) + 1, rows),
        models=tuple(makers),
        makers=tuple(makers.values()),
        profiles=tuple(dict.fromkeys(a.cut for n in nodes for a in n.accelerators)),
        installed=tuple(dict.fromkeys(n.software for n in nodes)),
        taints=tuple(dict.fromkeys(n.closing_taints for n in nodes)),
        rack_drawn=drawn,
        rack_budget=budget,
    )


def _copied(before: Columns, snapshot: Snapshot, changed: Mapping[int, Node]) -> Columns:
    """A copy whose arrays may be written, with the draw of these nodes' racks as it is now."""
    fresh = {f.name: getattr(before, f.name).copy() for f in fields(before) if f.name not in SHARED}
    for row in changed:
        if (rack := before.rack[row]) >= 0:
            fresh["rack_drawn"][rack] = snapshot.rack_watts(before.names.racks[rack])
    taints = tuple(dict.fromkeys((*before.taints, *(n.closing_taints for n in changed.values()))))
    installed = tuple(dict.fromkeys((*before.installed, *(n.software for n in changed.values()))))
    insides = {kind: held.without(changed) for kind, held in list(before.insides.items())}
    return replace(before, taints=taints, installed=installed, insides=insides, **fresh)


def fill(columns: Columns, rows: Mapping[int, Node], where: Where) -> None:
    """These rows as their nodes are, column by column: a write for each cell would cost more than all the reading."""
    if not rows:
        return
    at = np.fromiter(rows, dtype=np.int64, count=len(rows))
    loads = [work_on(where.snapshot, node.id) for node in rows.values()]
    for name, values in zip(_NODE, zip(*map(_of_node, rows.values(), loads, repeat(where)), strict=True), strict=True):
        getattr(columns, name)[at] = values
    for present, tenants in zip(at.tolist(), (load.payers for load in loads), strict=True):
        columns.present[:, present] = False
        columns.present[[where.tenant.get(t, UNKNOWN_TENANT) for t in tenants], present] = True
    width = columns.index.shape[1]
    devices = [_of_devices(n, load, where, width) for n, load in zip(rows.values(), loads, strict=True)]
    cells = np.array(devices, dtype=np.int64).reshape(len(at), width, len(_DEVICES))
    for place, name in enumerate(_DEVICES):
        getattr(columns, name)[at] = cells[:, :, place]


@dataclass(slots=True)
class Work:
    """What runs on a node takes of it."""

    watts: int = 0
    millicores: int = 0
    mebibytes: int = 0
    payers: set[TenantId] = field(default_factory=set)
    milli: dict[int, int] = field(default_factory=dict)
    """By device index: how many thousandths are taken."""
    tenants: dict[int, set[TenantId]] = field(default_factory=dict)
    """By device index: whose replicas hold it."""


def work_on(snapshot: Snapshot, node: NodeId) -> Work:
    """What runs there, by the models."""
    load = Load()
    for workload in snapshot.workloads_on(node):
        load.add(workload, workload.on(node))
    watts = sum(w.watts_per_accelerator * len(b.accelerators) for w, b in load.running)
    return Work(watts, load.millicores, load.mebibytes, load.payers(), load.milli, load.tenants)


_NODE = (
    *("cluster", "site", "rack", "cordoned", "taint", "software", "health", "idle", "cap"),
    *("load", "cpu_free", "memory_free"),
)


def _of_node(node: Node, load: Work, where: Where) -> tuple[int, ...]:
    """What `_NODE` names, in that order."""
    site, rack = where.snapshot.site_of(node.id), where.snapshot.rack_of(node.id)
    return (
        where.cluster[node.cluster],
        where.site[site] if site else -1,
        where.rack[rack] if rack else -1,
        node.cordoned,
        where.taint[node.closing_taints],
        where.software[node.software],
        HEALTHS.index(node.health),
        node.idle_watts,
        UNCAPPED if node.power_cap_watts is None else node.power_cap_watts,
        *_beside(node, load),
    )


def _beside(node: Node, load: Work) -> tuple[int, int, int]:
    """What runs on a node draws, and the processors and memory that it leaves."""
    return load.watts, *_left(load, *beside_devices(node))


def _left(load: Work, cpu: int, memory: int) -> tuple[int, int]:
    left = cpu if cpu >= UNTOLD else cpu - load.millicores
    return left, memory if memory >= UNTOLD else memory - load.mebibytes


def beside_devices(node: Node) -> tuple[int, int]:
    """Millicores and mebibytes that a node has for replicas; `UNTOLD` where nobody tells."""
    cpu = UNTOLD if node.millicores is None else node.millicores - node.other_millicores
    return cpu, UNTOLD if node.allots_mebibytes is None else node.allots_mebibytes - node.other_mebibytes


_DEVICES = (
    *("index", "model", "memory", "domain", "profile", "limit"),
    *("exists", "healthy", "free", "shares", "milli", "sharer"),
)
_NO_DEVICE = (-1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, NOBODY)
"""Of devices that are gone nothing may be left: reasons look at whole rows."""


def _of_devices(node: Node, load: Work, where: Where, width: int) -> list[tuple[int, ...]]:
    """What `_DEVICES` names, in that order, for as many slots as there are."""
    domains = {d: i for i, d in enumerate(dict.fromkeys(a.nvlink_domain for a in node.accelerators if a.nvlink_domain))}
    found = [_of_device(a, load, where, domains) for a in node.accelerators]
    return found + [_NO_DEVICE] * (width - len(found))


def _of_device(device: Accelerator, load: Work, where: Where, domains: Mapping[str, int]) -> tuple[int, ...]:
    index, healthy = device.index, device.health is Health.HEALTHY
    left, sharer = _shared(index, load, where) if healthy else (0, NOBODY)
    return (
        index,
        where.model[device.model],
        device.memory_mebibytes,
        domains.get(device.nvlink_domain, -1),
        where.profile[device.cut],
        -1 if device.power_limit_watts is None else device.power_limit_watts,
        True,
        healthy,
        healthy and index not in load.tenants,
        device.sharing is not None,
        left,
        sharer,
    )


def _shared(index: int, load: Work, where: Where) -> tuple[int, int]:
    """What is left of a healthy device, and who shares it."""
    left = max(WHOLE - load.milli.get(index, 0), 0)
    holders = load.tenants[index] if 0 < left < WHOLE else ()
    return left, one_of({where.tenant.get(t, SEVERAL) for t in holders}) if holders else NOBODY


def fill_work(columns: Columns, row: int, load: Work, has: tuple[int, int], where: Where) -> None:
    """A row of which nothing is otherwise but what runs there; `has`: see `beside_devices`."""
    columns.load[row], columns.cpu_free[row], columns.memory_free[row] = load.watts, *_left(load, *has)
    columns.present[:, row] = False
    for tenant in load.payers:
        columns.present[where.tenant.get(tenant, UNKNOWN_TENANT), row] = True
    healthy = columns.healthy[row]
    columns.free[row], columns.milli[row], columns.sharer[row] = healthy, healthy * WHOLE, NOBODY
    if not load.milli:
        return
    for slot, index in enumerate(columns.index[row].tolist()):
        if index in load.tenants and healthy[slot]:
            columns.free[row, slot] = False
            columns.milli[row, slot], columns.sharer[row, slot] = _shared(index, load, where)


def one_of(holders: Collection[int]) -> int:
    """Who shares a device that these tenants' replicas hold, by position."""
    return next(iter(holders)) if len(holders) == 1 else SEVERAL
