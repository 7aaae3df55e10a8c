"""Constraints as boolean masks over nodes: `True` refuses. The bits that are set are the explanation.

`Wish` is an ask made ready for one snapshot. `Room` is what a search changes as it seats replica after replica.
A search may leave one constraint out (`without`), which is how the nearest relaxation is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from estate import names
from estate.ids import ClusterId, TenantId
from estate.law import Facts, Isolation, Tenant
from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import BandwidthClass, Span, Workload
from policies import attaching, sovereignty
from tools.placement.columns import UNKNOWN_TENANT, Columns, Flags, Ints
from tools.placement.port import Ask


class Constraint(StrEnum):
    """Everything that can refuse a node, the cheapest to relax first."""

    AVOID = "not to be avoided"
    SITE = "at an asked site"
    CORDON = "not cordoned"
    TAINT = "no taint that it does not tolerate"
    FREE = "free accelerators on one node"
    POWER = "rack power budget"
    HEALTH = "healthy node"
    NVLINK = "one NVLink domain"
    TOGETHER = "its replicas together"
    SPREAD = "its replicas apart"
    MODEL = "accelerator model"
    MEMORY = "accelerator memory"
    CLUSTER = "same cluster"
    ISOLATION = "tenant isolation"
    NAMESPACE = "the tenant's namespace"
    ATTACHED = "storage and networks of its own"
    PLACED = "placed by a signed fact"
    GEOGRAPHIC = "geographic sovereignty"
    LEGAL = "legal sovereignty"
    OPERATIONAL = "operational sovereignty"
    KEY = "sovereignty of keys"


AXES = {
    Dimension.GEOGRAPHIC: Constraint.GEOGRAPHIC,
    Dimension.LEGAL: Constraint.LEGAL,
    Dimension.OPERATIONAL: Constraint.OPERATIONAL,
    Dimension.KEY: Constraint.KEY,
}

type Masks = dict[Constraint, Flags]


@dataclass(frozen=True, slots=True)
class Wish:
    """One ask on one snapshot: the workload, what each replica needs, and the clusters that come into question."""

    snapshot: Snapshot
    columns: Columns
    ask: Ask
    workload: Workload
    known: Masks | None = None
    """Its enduring masks, where somebody has worked them out before."""
    suited: dict[Constraint | None, tuple[Flags, Flags]] = field(default_factory=dict, compare=False)
    """What `suitable` has answered: it is asked anew for every replica."""
    spans: dict[Span, Ints] = field(default_factory=dict, compare=False)
    """What `span` has answered."""

    @property
    def facts(self) -> Facts:
        """The law base in force."""
        return self.snapshot.facts

    @property
    def needed(self) -> int:
        """Accelerators of each replica."""
        return self.workload.contract.accelerators_per_replica

    @property
    def watts(self) -> int:
        """What one replica adds to a node's load."""
        return self.needed * self.workload.watts_per_accelerator

    @property
    def whole(self) -> bool:
        """Whether every replica is asked for, so that the workload may change its cluster."""
        return set(range(self.workload.replicas)) <= set(self.ask.replicas)

    def clusters(self) -> tuple[int, ...]:
        """Positions of the clusters to try, the workload's own first; none where another has its name."""
        own, every = self.workload.cluster, enumerate(self.columns.names.clusters)
        if not self.whole:
            return tuple(i for i, c in every if c == own)
        open_to = [i for i, c in every if c == own or not self._named_in(c)]
        return tuple(sorted(open_to, key=lambda i: (self.columns.names.clusters[i] != own, i)))

    def _named_in(self, cluster: ClusterId) -> bool:
        there = names.elsewhere(self.workload, cluster, self.workload.namespace)
        return self.snapshot.workload(there) is not None


class Room:
    """What is left while replicas are seated: devices, the nodes' load, the racks' draw. A scratch copy."""

    def __init__(self, wish: Wish, *, ignore_taken: bool = False) -> None:
        self._columns = wish.columns
        self.free = wish.columns.free.copy()
        self.load = wish.columns.load.copy()
        self.rack_drawn = wish.columns.rack_drawn.copy()
        self._vacate(wish)
        moved = set(wish.ask.replicas)
        kept = (wish.columns.rows.get(b.node) for b in wish.workload.bindings if b.replica not in moved)
        self.seated = [row for row in kept if row is not None]
        """The nodes of its other replicas, and of those that were seated."""
        self.devices = wish.columns.healthy.copy() if ignore_taken else self.free

    def added(self, watts: int) -> Ints:
        """What a replica of `watts` would add to the draw of each node, below its cap."""
        c = self._columns
        more: Ints = np.minimum(c.idle + self.load + watts, c.cap) - np.minimum(c.idle + self.load, c.cap)
        return more

    def rack_after(self, watts: int) -> Ints:
        """For each node, what its rack would draw with one more replica there."""
        return self.rack_drawn[self._columns.rack] + self.added(watts) if self.rack_drawn.size else self.added(watts)

    def seat(self, row: int, slots: Ints, watts: int) -> None:
        """Take these devices of a node."""
        self.devices[row, slots] = False
        self.free[row, slots] = False
        self.seated.append(row)
        self._change_load(row, watts)

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now."""
        moved = set(wish.ask.replicas)
        for binding in wish.workload.bindings:
            row = wish.columns.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.healthy[row]
            self.free[row] |= held
            self._change_load(row, -wish.workload.watts_per_accelerator * len(binding.accelerators))

    def _change_load(self, row: int, watts: int) -> None:
        c = self._columns
        before = min(c.idle[row] + self.load[row], c.cap[row])
        self.load[row] += watts
        if c.rack[row] >= 0:
            self.rack_drawn[c.rack[row]] += min(c.idle[row] + self.load[row], c.cap[row]) - before


def standing(wish: Wish) -> Masks:
    """The masks that no seated replica changes."""
    c = wish.columns
    found: Masks = {
        Constraint.AVOID: _avoided(c, wish.ask),
        Constraint.HEALTH: ~c.fit,
        Constraint.CLUSTER: ~_among(len(c.names.clusters), wish.clusters())[c.cluster],
        Constraint.SITE: _elsewhere(wish),
        Constraint.ISOLATION: _crowded(wish),
    }
    return found | (enduring(wish) if wish.known is None else wish.known)


def enduring(wish: Wish) -> Masks:
    """Those of them that follow from facts, marks on nodes and whose work it is, whatever runs: equals share them."""
    found: Masks = {
        Constraint.CORDON: wish.columns.cordoned,
        Constraint.TAINT: _repelled(wish),
        Constraint.PLACED: _unplaced(wish),
        Constraint.NAMESPACE: _strange_namespace(wish),
        Constraint.ATTACHED: _attached(wish),
    }
    return found | _unlawful(wish)


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """The masks that change as replicas are seated: devices and power."""
    c, needed = wish.columns, wish.needed
    of_model, of_memory = suitable(wish, without)
    model = (c.exists & of_model).sum(axis=1) < needed
    small = c.exists.sum(axis=1) < needed  # told by the model, whose words count accelerators
    memory = ((c.exists & of_memory).sum(axis=1) < needed) & ~small
    usable = room.devices & of_model & of_memory
    free = usable.sum(axis=1) < needed
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and needed > 1
    scattered = largest_domain(c, usable) < needed if joined else np.zeros(len(c.ids), dtype=np.bool_)
    over = np.zeros(len(c.ids), dtype=np.bool_)
    if c.rack_budget.size:
        over = (c.rack >= 0) & (room.rack_after(wish.watts) > c.rack_budget[c.rack])
    return {
        Constraint.MODEL: model,
        Constraint.MEMORY: memory,
        Constraint.FREE: free & ~model & ~memory,
        Constraint.NVLINK: scattered & ~free,
        Constraint.POWER: over,
        **_company(wish, room),
    }


def span(wish: Wish, over: Span) -> Ints:
    """For each node the domain that it is in, as a number; -1 where no fact says."""
    if over not in wish.spans:
        wish.spans[over] = _span(wish, over)
    return wish.spans[over]


def _span(wish: Wish, over: Span) -> Ints:
    c, facts = wish.columns, wish.facts
    match over:
        case Span.NODE:
            return np.arange(len(c.ids), dtype=np.int64)
        case Span.RACK:
            return c.rack
        case Span.SITE:
            return c.site
        case Span.LEAF:
            names = [facts.rack[r].leaf_switch for r in c.names.racks]
        case Span.FEED:
            names = [facts.rack[r].power_feed for r in c.names.racks]
    known = {name: number for number, name in enumerate(sorted({*names} - {""}))}
    return np.array([*(known.get(name, -1) for name in names), -1], dtype=np.int64)[c.rack]


def _company(wish: Wish, room: Room) -> Masks:
    """Where it would stand too far from its own replicas, or too near. Unknown ground is neither near nor far."""
    contract = wish.workload.contract
    found: Masks = {}
    if contract.together is not None:
        where = span(wish, contract.together)
        others = np.unique(where[room.seated])
        found[Constraint.TOGETHER] = (where < 0) | (~np.isin(where, others) if others.size == 1 else others.size > 1)
    if contract.spread is not None:
        where = span(wish, contract.spread)
        found[Constraint.SPREAD] = (where < 0) | np.isin(where, where[room.seated])
    return found


def suitable(wish: Wish, without: Constraint | None) -> tuple[Flags, Flags]:
    """The devices of an accepted model, and those with enough memory."""
    if without not in wish.suited:
        wish.suited[without] = _suitable(wish, without)
    return wish.suited[without]


def _suitable(wish: Wish, without: Constraint | None) -> tuple[Flags, Flags]:
    c, contract = wish.columns, wish.workload.contract
    everything = np.ones(c.exists.shape, dtype=np.bool_)
    kinds = zip(c.models, c.makers, strict=True)
    accepted = [i for i, (model, maker) in enumerate(kinds) if contract.accepts(model, maker)]
    free_choice = len(accepted) == len(c.models) or without is Constraint.MODEL
    of_model = everything if free_choice else _among(len(c.models), accepted)[c.model]
    of_memory = everything if without is Constraint.MEMORY else c.memory >= contract.memory_mebibytes
    return of_model, of_memory


def _among(size: int, positions: Iterable[int] | Ints) -> Flags:
    """Flags to be indexed by positions; -1 (no fact says) is never among them."""
    found = np.zeros(size + 1, dtype=np.bool_)
    found[np.fromiter(positions, dtype=np.int64)] = True
    return found


def largest_domain(columns: Columns, usable: Flags) -> Ints:
    """For each node, how many usable devices its best NVLink domain has."""
    most = np.zeros(len(columns.ids), dtype=np.int64)
    for domain in range(int(columns.domain.max(initial=-1)) + 1):
        most = np.maximum(most, (usable & (columns.domain == domain)).sum(axis=1))
    return most


def models_on(columns: Columns, rows: Ints) -> list[str]:
    """The models of the devices of these nodes, sorted."""
    return sorted(columns.models[m] for m in np.unique(columns.model[rows][columns.exists[rows]]))


def _avoided(columns: Columns, ask: Ask) -> Flags:
    found = np.zeros(len(columns.ids), dtype=np.bool_)
    found[[row for n in ask.avoid if (row := columns.rows.get(n)) is not None]] = True
    return found


def _repelled(wish: Wish) -> Flags:
    c, tolerates = wish.columns, wish.workload.tolerates
    repelling = np.array([not all(map(tolerates, found)) for found in c.taints], dtype=np.bool_)
    found: Flags = repelling[c.taint] if repelling.size else np.zeros(len(c.ids), dtype=np.bool_)
    return found


def _elsewhere(wish: Wish) -> Flags:
    c = wish.columns
    if not wish.ask.sites:
        return np.zeros(len(c.ids), dtype=np.bool_)
    return ~np.isin(c.site, [i for i, s in enumerate(c.names.sites) if s in wish.ask.sites])


def _unplaced(wish: Wish) -> Flags:
    """No rack by signed fact, or a rack at another site than the cluster's."""
    c, facts = wish.columns, wish.facts
    sites = {s: i for i, s in enumerate(c.names.sites)}
    homes = [facts.cluster[n].site if n in facts.cluster else None for n in c.names.clusters]
    at = np.array([sites[h] if h else -2 for h in homes], dtype=np.int64)
    return (c.rack < 0) | (at[c.cluster] != c.site) if at.size else c.rack < 0


def _strange_namespace(wish: Wish) -> Flags:
    owner = wish.facts.tenant_of
    mine = [owner.get((n, wish.workload.namespace)) == wish.workload.tenant for n in wish.columns.names.clusters]
    return ~np.array(mine, dtype=np.bool_)[wish.columns.cluster]


def _attached(wish: Wish) -> Flags:
    """Where it would reach a volume, or join a network, that signed facts do not let its tenant be attached to."""
    c, facts, workload = wish.columns, wish.facts, wish.workload
    there = [workload.model_copy(update={"cluster": n}) for n in c.names.clusters] if workload.attachments else []
    strange = [attaching.foreign(facts, w, ()) != attaching.NOTHING for w in there]
    found = np.array(strange, dtype=np.bool_)[c.cluster] if strange else np.zeros(len(c.ids), dtype=np.bool_)
    others = (n for n, joined in facts.networks_on.items() if not all(j.admits(workload.tenant) for j in joined))
    found[[row for n in others if (row := c.rows.get(n)) is not None]] = True
    return found


def _unlawful(wish: Wish) -> Masks:
    refused: Masks = {}
    per_cluster = [sovereignty.exposure(wish.facts, wish.workload, n) for n in wish.columns.names.clusters]
    for position, axis in enumerate(sovereignty.AXES):
        holds = np.array([axes[position].holds for axes in per_cluster], dtype=np.bool_)
        refused[AXES[axis]] = ~holds[wish.columns.cluster]
    return refused


def _crowded(wish: Wish) -> Flags:
    """Where the workload would stand closer to another tenant than either of them may."""
    c, facts = wish.columns, wish.facts
    mine = facts.tenant.get(wish.workload.tenant)
    if mine is None:
        return np.ones(len(c.ids), dtype=np.bool_)
    refused = np.zeros(len(c.ids), dtype=np.bool_)
    for position, name in enumerate((*c.names.tenants, None)):
        other = facts.tenant.get(name) if name else None
        kept = distance(mine, other)
        if name != mine.id and kept is not Isolation.SHARED_NODE:
            refused |= _too_close(c, c.present[position], kept, _clusters_of(other))
    return refused


def _clusters_of(tenant: Tenant | None) -> frozenset[ClusterId]:
    """The clusters that a tenant shares, by the namespaces that facts give it."""
    return frozenset(n.cluster for n in tenant.namespaces) if tenant else frozenset()


_DISTANCES = (
    Isolation.SHARED_NODE,
    Isolation.DEDICATED_NODE,
    Isolation.DEDICATED_RACK,
    Isolation.DEDICATED_CLUSTER,
)


def distance(mine: Tenant, other: Tenant | None) -> Isolation:
    """How far two tenants must stand apart: the stricter of both. `apart_from` means at least another node.

    A tenant that no fact knows is kept off node and rack, as the gate does.
    """
    if other is None:
        return max(mine.isolation, Isolation.DEDICATED_RACK, key=_DISTANCES.index)
    apart = other.id in mine.apart_from or mine.id in other.apart_from
    least = Isolation.DEDICATED_NODE if apart else Isolation.SHARED_NODE
    return max(mine.isolation, other.isolation, least, key=_DISTANCES.index)


def _too_close(columns: Columns, present: Flags, kept: Isolation, shared: frozenset[ClusterId]) -> Flags:
    """The nodes nearer to a tenant than `kept` (another node at least).

    It is `present` on nodes, and has namespaces in `shared` clusters.
    """
    if kept is Isolation.DEDICATED_NODE:
        return present
    near = present | _among(len(columns.names.racks), columns.rack[present & (columns.rack >= 0)])[columns.rack]
    if kept is Isolation.DEDICATED_RACK:
        return near
    clusters = [i for i, c in enumerate(columns.names.clusters) if c in shared]
    return near | _among(len(columns.names.clusters), clusters)[columns.cluster]


def tenants_on(wish: Wish, rows: Ints) -> tuple[TenantId, ...]:
    """The other tenants with work on any of these nodes."""
    c = wish.columns
    known = np.flatnonzero(c.present[:UNKNOWN_TENANT, rows].any(axis=1))
    strangers = (c.ids[r] for r in rows[c.present[UNKNOWN_TENANT, rows]])
    held = {w.tenant for node in strangers for w in wish.snapshot.workloads_on(node)}
    return tuple(sorted({*held, *(c.names.tenants[t] for t in known)} - {wish.workload.tenant}))
