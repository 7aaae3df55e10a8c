"""Columnar (NumPy) views of a snapshot: what masks and scores read. Built once, then only touched rows are refilled.

Rows are nodes by id; devices lie in a padded matrix of nodes × slots. Numbers stand for names (`-1`: no fact says).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from estate.devices import Vendor
from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId
from estate.law import Facts
from estate.loads import Load
from estate.machines import Software
from estate.snapshots import Snapshot
from estate.workloads import WHOLE, Locality
from policies.quotas import Books
from tools.placement.insides import UNTOLD, Inside, Parts, Seat

type Flags = NDArray[np.bool_]
type Ints = NDArray[np.int64]

UNCAPPED = 10**12
NOBODY, SEVERAL = -1, -2
"""In `sharer`: who shares a device, where that is not one known tenant."""
HEALTHS = tuple(Health)
HEALTHY = HEALTHS.index(Health.HEALTHY)
_SHARED = frozenset(
    {
        *("names", "rows", "ids", "models", "makers", "profiles", "installed", "taints", "rack_budget"),
        *("seats", "insides", "books"),
    }
)
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
    cpu_free: Ints
    """Millicores that pods may still request beside those that do; `UNTOLD`: nobody tells what the node has."""
    memory_free: Ints
    """Mebibytes, likewise."""
    index: Ints
    model: Ints
    memory: Ints
    domain: Ints
    exists: Flags
    healthy: Flags
    free: Flags
    milli: Ints
    """Thousandths of each device that are free; of one that is not healthy none."""
    shares: Flags
    """The devices that replicas may share."""
    sharer: Ints
    """Whose replicas hold a part of a device, not all of it, as a position in `names.tenants`; `NOBODY`, or `SEVERAL`,
    which stands for a tenant that no fact knows as well."""
    profile: Ints
    """The position in `profiles` of the name by which a device must be asked for."""
    limit: Ints
    """The power limit of each device, in watts; -1: nobody tells."""
    software: Ints
    """What is installed on each node, as a position in `installed`."""
    present: Flags
    models: tuple[str, ...]
    makers: tuple[Vendor | None, ...]
    """Of each model; None: nobody tells."""
    profiles: tuple[str, ...]
    """Names of slices; the empty one stands for whole devices."""
    installed: tuple[tuple[Software, ...], ...]
    """The different sets of software; a fleet has few."""
    taints: tuple[tuple[Taint, ...], ...]
    """The different sets of closing taints; a fleet has few."""
    rack_drawn: Ints
    rack_budget: Ints
    seats: tuple[Seat, ...] = ()
    """What was seated or lifted since these nodes were read, for the parts inside of them."""
    insides: dict[Locality | None, Inside] = field(default_factory=dict, compare=False)
    """The parts of nodes, as far as somebody asked for them."""
    books: Books = field(default_factory=Books, compare=False)
    """What tenants hold, for quotas of one site or model; shared by all columns of a line."""

    def inside(self, snapshot: Snapshot, locality: Locality | None, rows: Iterable[int]) -> Parts:
        """The parts of that kind, known of these nodes. `snapshot` is the one that the columns are of."""
        held = self.insides.setdefault(locality, Inside(locality, *self.exists.shape))
        for row in rows:
            node = None if held.known[row] else snapshot.node(self.ids[row])
            if node is not None:
                running = [(w, b) for w in snapshot.workloads_on(node.id) for b in w.on(node.id)]
                held.fill(row, node, running, self.seats)
        return held.parts()

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
        return replace(self, ids=ids, rows=places, present=self.present[:, rows], seats=(), insides={}, **cut)


BY_NODE = tuple(f.name for f in fields(Columns) if f.name not in _SHARED | _OF_RACKS | {"present"})
"""The arrays whose first axis is the node."""


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
    fresh = {f.name: getattr(before, f.name).copy() for f in fields(before) if f.name not in _SHARED}
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
    loads = [_load(node, where) for node in rows.values()]
    for name, values in zip(_NODE, zip(*map(_of_node, rows.values(), loads, repeat(where)), strict=True), strict=True):
        getattr(columns, name)[at] = values
    for present, tenants in zip(at.tolist(), (load.payers() for load in loads), strict=True):
        columns.present[:, present] = False
        columns.present[[where.tenant.get(t, UNKNOWN_TENANT) for t in tenants], present] = True
    width = columns.index.shape[1]
    devices = [_of_devices(n, load, where, width) for n, load in zip(rows.values(), loads, strict=True)]
    cells = np.array(devices, dtype=np.int64).reshape(len(at), width, len(_DEVICES))
    for place, name in enumerate(_DEVICES):
        getattr(columns, name)[at] = cells[:, :, place]


def _load(node: Node, where: Where) -> Load:
    load = Load()
    for workload in where.snapshot.workloads_on(node.id):
        load.add(workload, workload.on(node.id))
    return load


_NODE = (
    *("cluster", "site", "rack", "cordoned", "taint", "software", "health", "idle", "cap"),
    *("load", "cpu_free", "memory_free"),
)


def _of_node(node: Node, load: Load, where: Where) -> tuple[int, ...]:
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


def _beside(node: Node, load: Load) -> tuple[int, int, int]:
    """What runs on a node draws, and the processors and memory that it leaves."""
    cpu, memory = load.processors_left(node), load.memory_left(node)
    watts = sum(w.watts_per_accelerator * len(b.accelerators) for w, b in load.running)
    return watts, UNTOLD if cpu is None else cpu, UNTOLD if memory is None else memory


_DEVICES = (
    *("index", "model", "memory", "domain", "profile", "limit"),
    *("exists", "healthy", "free", "shares", "milli", "sharer"),
)
_NO_DEVICE = (-1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, NOBODY)
"""Of devices that are gone nothing may be left: reasons look at whole rows."""


def _of_devices(node: Node, load: Load, where: Where, width: int) -> list[tuple[int, ...]]:
    """What `_DEVICES` names, in that order, for as many slots as there are."""
    domains = {d: i for i, d in enumerate(dict.fromkeys(a.nvlink_domain for a in node.accelerators if a.nvlink_domain))}
    found = [_of_device(a, load, where, domains) for a in node.accelerators]
    return found + [_NO_DEVICE] * (width - len(found))


def _of_device(device: Accelerator, load: Load, where: Where, domains: Mapping[str, int]) -> tuple[int, ...]:
    index, healthy = device.index, device.health is Health.HEALTHY
    left, sharer = _shared(device, load, where)
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


def _shared(device: Accelerator, load: Load, where: Where) -> tuple[int, int]:
    """What is left of a device, and who shares it."""
    left = load.milli_left(device.index) if device.health is Health.HEALTHY else 0
    holders = load.tenants[device.index] if 0 < left < WHOLE else ()
    return left, one_of({where.tenant.get(t, SEVERAL) for t in holders}) if holders else NOBODY


def fill_work(columns: Columns, row: int, node: Node, where: Where) -> None:
    """The row of a node of which nothing is otherwise but what runs there, and what that leaves."""
    load = _load(node, where)
    columns.load[row], columns.cpu_free[row], columns.memory_free[row] = _beside(node, load)
    columns.present[:, row] = False
    for tenant in load.payers():
        columns.present[where.tenant.get(tenant, UNKNOWN_TENANT), row] = True
    for slot, device in enumerate(node.accelerators):
        columns.free[row, slot] = device.health is Health.HEALTHY and device.index not in load.tenants
        columns.milli[row, slot], columns.sharer[row, slot] = _shared(device, load, where)


def one_of(holders: Collection[int]) -> int:
    """Who shares a device that these tenants' replicas hold, by position."""
    return next(iter(holders)) if len(holders) == 1 else SEVERAL
