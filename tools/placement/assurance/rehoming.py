"""One domain is lost: a second home for every promised replica that stops, all at once, on the columns. Pure.

Called by `keeping`. What is lost is closed, draws what it draws idle, and its residents are gone; whoever is in a gang
with one of them stops too, and is seated anew with it. The promised are seated one after the other, the largest
replicas first, by the search that every placement is made with, and nobody else is moved away for them. Who finds no
home goes first in another round, so that the order alone leaves nobody out; the best round counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from estate import gangs, names
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, TenantId, WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import quotas
from tools.placement.assurance.promises import promised
from tools.placement.attempts import Attempt
from tools.placement.columns import HEALTHS, UNKNOWN_TENANT, Columns, Flags, Ints
from tools.placement.constraints import table
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.port import Ask
from tools.placement.searching import search
from tools.placement.wishes import Wish

_ROUNDS = 3
_FAILED = HEALTHS.index(Health.FAILED)


@dataclass(frozen=True, slots=True)
class Homeless:
    """A promised workload that finds no second home."""

    workload: Workload
    replicas: tuple[int, ...]
    left: int
    """Replicas of it that go on running."""
    lacks: Constraint
    """What alone keeps it from most of the nodes that are left."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the loss of one domain comes to."""

    domain: Ref
    nodes: int
    homes: Mapping[WorkloadId, tuple[Binding, ...]] = field(default_factory=dict)
    """The second home of each promised workload that stopped, in the order in which they were seated."""
    homeless: tuple[Homeless, ...] = ()
    concerned: frozenset[WorkloadId] = frozenset()
    """Every promised workload that stopped."""


@dataclass(slots=True)
class Ground:
    """One snapshot, made ready for many losses: what facts say of equal workloads is worked out once."""

    snapshot: Snapshot
    columns: Columns
    now: datetime | None = None
    _known: dict[tuple[object, ...], Masks] = field(default_factory=dict)
    lost: dict[tuple[NodeId, ...], Aftermath] = field(default_factory=dict)
    """What was worked out before: a rack and its leaf switch are the same nodes."""

    def wish(self, seen: _Seen, workload: Workload, replicas: tuple[int, ...], columns: Columns) -> Wish:
        """The ask for these replicas on what is left."""
        ask = Ask(workload.id, replicas, at=self.now)
        wish = Wish(seen.snapshot, columns, ask, workload, counted=seen.counted)
        contract = workload.contract
        bound = workload.datasets, workload.attachments, contract.residency
        key = (workload.tenant, workload.namespace, *bound, workload.tolerations)
        if key not in self._known:
            self._known[key] = table.enduring(wish)
        return replace(wish, known=self._known[key])


@dataclass(slots=True)
class _Seen:
    """What a round goes by beside the columns."""

    snapshot: Snapshot
    counted: Snapshot
    """Without what ran on lost nodes, and with what has a second home: for quotas."""


def lose(ground: Ground, domain: Ref, nodes: Iterable[NodeId]) -> Aftermath:
    """The promised work that stops with these nodes, and where it would run again."""
    key = tuple(nodes)
    if key not in ground.lost:
        ground.lost[key] = _lose(ground, domain, key)
    return replace(ground.lost[key], domain=domain)


def _lose(ground: Ground, domain: Ref, nodes: tuple[NodeId, ...]) -> Aftermath:
    stops = _stops(ground, nodes)
    if not stops:
        return Aftermath(domain, len(nodes))
    left = _without(ground.columns, nodes)
    best = None
    first: tuple[WorkloadId, ...] = ()
    for _ in range(_ROUNDS):
        found = _round(ground, left, stops, frozenset(nodes), first)
        best = found if best is None or len(found.homeless) < len(best.homeless) else best
        out = tuple(h.workload.id for h in found.homeless)
        if set(out) <= set(first):  # nobody, or only such as find nothing though they go first
            break
        first = tuple(dict.fromkeys((*out, *first)))
    assert best is not None
    return Aftermath(domain, len(nodes), best.homes, tuple(best.homeless), frozenset(stops))


def _stops(ground: Ground, nodes: Iterable[NodeId]) -> dict[WorkloadId, tuple[Binding, ...]]:
    """The replicas of promised workloads that stop, with their gangs."""
    snapshot, leaving = ground.snapshot, dict[WorkloadId, list[Binding]]()
    for node in nodes:
        for workload in snapshot.workloads_on(node):
            leaving.setdefault(workload.id, []).extend(workload.on(node))
    stops = gangs.together(snapshot, leaving)
    known = ((name, snapshot.workload(name)) for name in stops)
    return {n: stops[n] for n, w in known if w is not None and promised(snapshot, w, ground.now)}


def _without(columns: Columns, nodes: Iterable[NodeId]) -> Columns:
    """The columns once these nodes have failed and nothing runs there."""
    rows = np.array([columns.rows[n] for n in nodes if n in columns.rows], dtype=np.int64)
    health, load = columns.health.copy(), columns.load.copy()
    present, drawn = columns.present.copy(), columns.rack_drawn.copy()
    health[rows], load[rows], present[:, rows] = _FAILED, 0, False
    placed = rows[columns.rack[rows] >= 0]
    idle = np.minimum(columns.idle, columns.cap)
    np.subtract.at(drawn, columns.rack[placed], (columns.draw - idle)[placed])
    return replace(columns, health=health, load=load, present=present, rack_drawn=drawn)


@dataclass(slots=True)
class _Round:
    homes: dict[WorkloadId, tuple[Binding, ...]] = field(default_factory=dict)
    homeless: list[Homeless] = field(default_factory=list)


def _round(
    ground: Ground,
    left: Columns,
    stops: Mapping[WorkloadId, tuple[Binding, ...]],
    lost: frozenset[NodeId],
    first: tuple[WorkloadId, ...],
) -> _Round:
    done, seen = _Round(), _Seen(ground.snapshot, _stopped(ground.snapshot, lost))
    for name in _order(ground.snapshot, stops, first):
        workload = seen.snapshot.workload(name)
        assert workload is not None
        running = workload.without([b for b in workload.bindings if b.node in lost])
        replicas = tuple(b.replica for b in stops[name])
        attempt = search(ground.wish(seen, running, replicas, left))
        if attempt.complete:
            seen.snapshot = _copied(seen.snapshot, workload, left.names.clusters[attempt.cluster])
            left = _seated(ground.snapshot, left, running, replicas, attempt)
            done.homes[name] = tuple(attempt.bindings)
            seats = (*(b for b in running.bindings if b.replica not in replicas), *attempt.bindings)
            seated = running.model_copy(update={"bindings": seats})
            seen.counted = _counting(seen.counted, seated)
            if workload.contract.stage is not None:  # its other stages follow it
                seen.snapshot = seen.snapshot.with_workload(seated)
        else:
            stay = len(workload.bindings) - len(replicas)
            done.homeless.append(Homeless(workload, replicas, stay, lacking(attempt.last, left.fit)))
    return done


def _stopped(snapshot: Snapshot, lost: Iterable[NodeId]) -> Snapshot:
    """The estate without what ran on these nodes, as far as quotas count it."""
    for node in lost:
        for workload in snapshot.workloads_on(node):
            snapshot = _counting(snapshot, workload.without(workload.on(node)))
    return snapshot


def _counting(snapshot: Snapshot, workload: Workload) -> Snapshot:
    """With this workload as it is now, where somebody has a quota that it counts towards."""
    bounded = next(quotas.bounds(snapshot.facts, (workload.tenant,)), None) is not None
    return snapshot.with_workload(workload) if bounded else snapshot


def _copied(snapshot: Snapshot, workload: Workload, cluster: ClusterId) -> Snapshot:
    """Its name is taken in the cluster that it goes to: of two of one name only one finds a home there."""
    if cluster == workload.cluster:
        return snapshot
    there = {"id": names.elsewhere(workload, cluster, workload.namespace), "cluster": cluster}
    return snapshot.with_workload(workload.model_copy(update=there | {"bindings": (), "gangs": ()}))


def _order(snapshot: Snapshot, stops: Iterable[WorkloadId], first: tuple[WorkloadId, ...]) -> list[WorkloadId]:
    """Who was left out before goes first; then the largest replicas, then the most of them."""

    def key(name: WorkloadId) -> tuple[int, int, int, str]:
        workload = snapshot.workload(name)
        assert workload is not None
        place = first.index(name) if name in first else len(first)
        return (place, -workload.contract.accelerators_per_replica, -workload.replicas, name)

    return sorted(stops, key=key)


def _seated(
    snapshot: Snapshot, left: Columns, workload: Workload, replicas: tuple[int, ...], attempt: Attempt
) -> Columns:
    """The columns once the replicas sit where the attempt seated them, and no longer where they sat before."""
    room = attempt.room
    assert room is not None
    present = left.present.copy()
    tenant = _position(left, workload.tenant)
    for binding in workload.bindings:
        row = left.rows.get(binding.node)
        if binding.replica in replicas and row is not None:
            others = (w for w in snapshot.workloads_on(binding.node) if w.id != workload.id)
            present[tenant, row] = any(_position(left, w.tenant) == tenant for w in others)
    kept = [left.rows[b.node] for b in workload.bindings if b.replica not in replicas and b.node in left.rows]
    present[tenant, [*attempt.rows, *kept]] = True
    return room.columns(present)


def _position(columns: Columns, tenant: TenantId) -> int:
    known = columns.names.tenants
    return known.index(tenant) if tenant in known else UNKNOWN_TENANT


def lacking(found: Masks, among: Flags) -> Constraint:
    """What alone refuses most nodes of `among`; where each is refused twice, what refuses most of the nearest."""
    order = [c for c in Constraint if c in found]
    refusing = np.stack([found[c] for c in order])[:, among]
    if not refusing.shape[1]:
        return Constraint.HEALTH
    times: Ints = refusing.sum(axis=0)
    nearest = refusing[:, times == times.min()].sum(axis=1)
    return order[int(nearest.argmax())]
