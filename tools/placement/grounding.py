"""The columns of a snapshot that stands on the inventory's: read off those as arrays, and not one `Node` made.

Called by `engine`, and by `online.frames` for what runs on a node. What they mean is what `filling.build` reads off
nodes; what the snapshot adds to its ground is left to `filling.renewed`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from estate.devices import Vendor
from estate.hardware import Health, Taint
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import WHOLE
from tools.inventory.columns.grounds import ColumnarGround
from tools.inventory.columns.machines import NONE
from tools.inventory.columns.places import SEEN
from tools.placement.columns import HEALTHS, NOBODY, SEVERAL, UNCAPPED, UNKNOWN_TENANT, Columns, Flags, Ints, Names
from tools.placement.filling import Work, one_of, rack_columns
from tools.placement.insides import UNTOLD


def build(snapshot: Snapshot, ground: ColumnarGround) -> Columns:
    """The columns of the ground of `snapshot`, under its facts."""
    names = ground.nodes_of["id"].values()
    seen = np.flatnonzero(ground.nodes_of["state"].view & SEEN).tolist()
    rows = np.array(sorted(seen, key=names.__getitem__), dtype=np.int64)
    ids = tuple(map(names.__getitem__, rows.tolist()))
    clusters = _column(ground, "cluster", rows)
    known = Names.of(snapshot.facts, map(ground.meanings("node", "cluster").__getitem__, np.unique(clusters).tolist()))
    drawn, budget = rack_columns(snapshot, known)
    return Columns(
        names=known,
        rows={name: row for row, name in enumerate(ids)},
        ids=ids,
        cluster=_placed(ground.meanings("node", "cluster"), _positions(known.clusters))[clusters],
        **_places(snapshot, known, ids),
        **_states(ground, rows),
        **_room(ground, rows),
        **_devices(ground, rows, _shared(ground, known, rows)),
        present=_present(ground, known, rows),
        rack_drawn=drawn,
        rack_budget=budget,
    )


class Reader:
    """What runs on nodes, read off the columns of one ground; equal to `columns.work_on`."""

    def __init__(self, ground: ColumnarGround) -> None:
        self._ground = ground
        self._owner, of = ground.replicas_of["workload"], ground.workloads_of
        self._contract, self._tenant, self._watts = of["contract"], of["tenant"], of["watts_per_accelerator"]
        self._contracts, self._tenants = ground.meanings("workload", "contract"), ground.meanings("workload", "tenant")
        self._nodes = ground.nodes_of

    def has(self, node: NodeId) -> tuple[int, int]:
        """See `columns.beside_devices`; of a node that is seen."""
        row, nodes = self._ground.row(node), self._nodes
        cpu, memory = nodes["millicores"][row], nodes["allots_mebibytes"][row]
        return (
            UNTOLD if cpu < 0 else cpu - nodes["other_millicores"][row],
            UNTOLD if memory < 0 else memory - nodes["other_mebibytes"][row],
        )

    def work_on(self, node: NodeId) -> Work:
        """What runs there."""
        found = Work()
        for replica in self._ground.replicas_on(node):
            workload = self._owner[replica]
            contract, tenant = self._contracts[self._contract[workload]], self._tenants[self._tenant[workload]]
            held = self._ground.held(replica)
            found.watts += self._watts[workload] * len(held)
            found.millicores += contract.millicores
            found.mebibytes += contract.host_mebibytes
            found.payers.add(tenant)
            for index in held:
                found.milli[index] = found.milli.get(index, 0) + contract.milli
                found.tenants.setdefault(index, set()).add(tenant)
        return found


def stamps(ground: ColumnarGround, names: Iterable[NodeId]) -> Ints:
    """Of each node what `ColumnarGround.stamp` says; -1 where it is not seen."""
    ids, known = ground.nodes_of["id"].values(), ground.nodes_of["stamp"].view
    seen = np.flatnonzero(ground.nodes_of["state"].view & SEEN)
    by_name = dict(zip(map(ids.__getitem__, seen.tolist()), known[seen].tolist(), strict=True))
    return np.array([by_name.get(name, -1) for name in names], dtype=np.int64)


def _places(snapshot: Snapshot, names: Names, ids: Iterable[NodeId]) -> dict[str, Any]:
    homes = [(snapshot.site_of(n), snapshot.rack_of(n)) for n in ids]
    sites, racks = _positions(names.sites), _positions(names.racks)
    return {
        "site": np.array([sites[s] if s else -1 for s, _ in homes], dtype=np.int64),
        "rack": np.array([racks[r] if r else -1 for _, r in homes], dtype=np.int64),
    }


def _states(ground: ColumnarGround, rows: Ints) -> dict[str, Any]:
    cap, held = _column(ground, "power_cap_watts", rows), _column(ground, "taints", rows)
    closing = [tuple(t for t in taints if t.effect.closes) for taints in ground.meanings("node", "taints")]
    taints: tuple[tuple[Taint, ...], ...] = tuple(dict.fromkeys(closing[code] for code in _as_met(held)))
    profile, installed = _column(ground, "profile", rows), ground.meanings("node", "software")
    software = tuple(dict.fromkeys(installed[code] for code in _as_met(profile)))
    return {
        "software": _placed(installed, _positions(software))[profile],
        "installed": software,
        "cordoned": _column(ground, "cordoned", rows) != 0,
        "taint": _placed(closing, _positions(taints))[held],
        "taints": taints,
        "health": _placed(ground.meanings("node", "health"), _positions(HEALTHS))[_column(ground, "health", rows)],
        "idle": _column(ground, "idle_watts", rows),
        "load": _column(ground, "load", rows),
        "cap": np.where(cap < 0, UNCAPPED, cap),
    }


def _room(ground: ColumnarGround, rows: Ints) -> dict[str, Any]:
    """Processors and memory that nobody requests."""
    contracts, held = ground.meanings("workload", "contract"), _replicas(ground)
    kinds = ground.workloads_of["contract"].view[held.workloads]

    def free(of: str, others: str, asked: list[int]) -> Ints:
        requested = np.bincount(held.nodes, np.array(asked or [0])[kinds], len(ground.nodes_of["state"]))
        has, elsewhere = _column(ground, of, rows), _column(ground, others, rows)
        found: Ints = np.where(has < 0, UNTOLD, has - elsewhere - requested.astype(np.int64)[rows])
        return found

    return {
        "cpu_free": free("millicores", "other_millicores", [c.millicores for c in contracts]),
        "memory_free": free("allots_mebibytes", "other_mebibytes", [c.host_mebibytes for c in contracts]),
    }


@dataclass(slots=True)
class _Part:
    """What replicas with a share take of one device."""

    milli: int = 0
    holders: int = 0
    tenants: set[int] = field(default_factory=set)


def _shared(ground: ColumnarGround, names: Names, rows: Ints) -> dict[tuple[int, int], _Part]:
    """By node and device index, the devices of which somebody holds a share."""
    contracts, held = ground.meanings("workload", "contract"), _replicas(ground)
    shares = np.array([c.milli if c.share is not None else 0 for c in contracts] or [0])
    milli = shares[ground.workloads_of["contract"].view[held.workloads]]
    tenants = _placed(ground.meanings("workload", "tenant"), _positions(names.tenants), SEVERAL)
    payers, places = tenants[ground.workloads_of["tenant"].view[held.workloads]], _row_of(ground, rows)[held.nodes]
    found: defaultdict[tuple[int, int], _Part] = defaultdict(_Part)
    for at in np.flatnonzero((milli > 0) & (places >= 0)).tolist():
        for index in ground.held(int(held.rows[at])):
            part = found[int(places[at]), index]
            part.milli, part.holders = part.milli + int(milli[at]), part.holders + 1
            part.tenants.add(int(payers[at]))
    return found


def _devices(ground: ColumnarGround, rows: Ints, shared: Mapping[tuple[int, int], _Part]) -> dict[str, Any]:
    """Devices in a matrix of nodes × slots."""
    first, count = _column(ground, "device", rows), _column(ground, "devices", rows)
    owner = np.repeat(np.arange(len(rows)), count)
    slot = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    at = first[owner] + slot
    shape = (len(rows), int(count.max(initial=0)))

    def read(field: str) -> Ints:
        found: Ints = ground.devices_of[field].view[at].astype(np.int64)
        return found

    def laid(values: Any, blank: Any = -1) -> Any:
        matrix: Any = np.full(shape, blank, dtype=np.bool_ if blank is False else np.int64)
        matrix[owner, slot] = values
        return matrix

    profile, models = read("profile"), ground.meanings("device", "model")
    makers = _makers(models, ground.meanings("device", "vendor"), _as_met(profile))
    sound = read("health") == ground.meanings("device", "health").index(Health.HEALTHY)
    memory = np.array(ground.meanings("device", "memory_mebibytes") or [0], dtype=np.int64)
    holders, sizes = laid(read("holders"), 0), ground.meanings("device", "cut")
    limits = ground.meanings("device", "power_limit_watts")
    sized = tuple(dict.fromkeys(sizes[code] for code in _as_met(profile)))
    shareable = [s is not None for s in ground.meanings("device", "sharing")]
    found: dict[str, Any] = {
        "index": laid(np.array(ground.meanings("device", "index") or [0], dtype=np.int64)[read("index")]),
        "model": laid(_placed(models, _positions(makers))[profile]),
        "memory": laid(memory[profile]),
        "domain": laid(_numbered(owner, read("nvlink_domain"), ground.meanings("device", "nvlink_domain"))),
        "exists": laid(values=True, blank=False),
        "healthy": laid(sound, blank=False),
        "free": laid(sound & (read("holders") == 0), blank=False),
        "milli": laid(WHOLE * (sound & (read("holders") == 0)), 0),
        "shares": laid(np.array(shareable or [False])[profile], blank=False),
        "sharer": laid(NOBODY),
        "profile": laid(_placed(sizes, _positions(sized))[profile]),
        "models": tuple(makers),
        "makers": tuple(makers.values()),
        "limit": laid(np.array([-1 if w is None else w for w in limits] or [0])[profile]),
        "profiles": sized,
    }
    milli, sharer = found["milli"], found["sharer"]
    for (row, index), part in shared.items():
        for place in np.flatnonzero((found["index"][row] == index) & found["healthy"][row]).tolist():
            alone = int(holders[row, place]) == part.holders  # else somebody holds it whole as well
            milli[row, place] = max(WHOLE - part.milli, 0) * alone
            sharer[row, place] = one_of(part.tenants) if milli[row, place] else NOBODY
    return found


def _makers(models: list[str], vendors: list[Vendor | None], met: Iterable[int]) -> dict[str, Vendor | None]:
    """Who makes each model, by the first device that tells."""
    makers: dict[str, Vendor | None] = {}
    for profile in met:
        makers[models[profile]] = makers.get(models[profile]) or vendors[profile]
    return makers


def _numbered(owner: Ints, codes: Ints, names: list[str]) -> Ints:
    """The NVLink domains of each node, numbered as its devices name them; -1 where a device is in none."""
    named = np.flatnonzero(np.array([bool(n) for n in names] or [False])[codes])
    keys = owner[named] * (len(names) + 1) + codes[named]
    different, met, inverse = np.unique(keys, return_index=True, return_inverse=True)
    node = different // (len(names) + 1)
    order = np.lexsort((met, node))
    begins = np.searchsorted(node, node)  # `different` ascends, and so do its nodes
    number = np.empty(len(different), dtype=np.int64)
    number[order] = np.arange(len(different)) - begins
    found = np.full(len(owner), -1, dtype=np.int64)
    found[named] = number[inverse]
    return found


class _Held(NamedTuple):
    """The replicas that run: their rows, and those of their nodes and workloads."""

    rows: Ints
    nodes: Ints
    workloads: Ints


def _replicas(ground: ColumnarGround) -> _Held:
    nodes = ground.replicas_of["node"].view
    replicas = np.flatnonzero(nodes != NONE)
    return _Held(replicas, nodes[replicas], ground.replicas_of["workload"].view[replicas])


def _row_of(ground: ColumnarGround, rows: Ints) -> Ints:
    """Of each row of the ground that of these columns; -1 for a node that is not seen."""
    row_of = np.full(max(len(ground.nodes_of["state"]), 1), -1, dtype=np.int64)
    row_of[rows] = np.arange(len(rows))
    return row_of


def _present(ground: ColumnarGround, names: Names, rows: Ints) -> Flags:
    """Whose work runs on which node."""
    found = np.zeros((len(names.tenants) + 1, len(rows)), dtype=np.bool_)
    held = _replicas(ground)
    places = _row_of(ground, rows)[held.nodes]
    workloads = held.workloads[places >= 0]
    tenants = _placed(ground.meanings("workload", "tenant"), _positions(names.tenants), UNKNOWN_TENANT)
    found[tenants[ground.workloads_of["tenant"].view[workloads]], places[places >= 0]] = True
    return found


def _column(ground: ColumnarGround, field: str, rows: Ints) -> Ints:
    found: Ints = ground.nodes_of[field].view[rows].astype(np.int64)
    return found


def _as_met(codes: Ints) -> list[int]:
    """The different codes, in the order in which they first stand there."""
    different, first = np.unique(codes, return_index=True)
    found: list[int] = different[np.argsort(first)].tolist()
    return found


def _positions[V](values: Iterable[V]) -> dict[V, int]:
    return {value: position for position, value in enumerate(values)}


def _placed[V](meanings: list[V], positions: Mapping[V, int], unknown: int = -1) -> Ints:
    """For each code its position, ready to be indexed by codes."""
    return np.array([positions.get(m, unknown) for m in meanings] or [unknown], dtype=np.int64)
