"""A third opinion: what a permitted plan would do to the estate, told from its end alone.

Written naively and apart from law, read set and kernel, which it imports nothing of. It knows only what people would
complain of afterwards: data abroad, foreign neighbours, a stranger's work touched, a rack beyond its budget, a promise
broken. Called by `campaigns` of whatever was permitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import combinations

from estate.frozen import FrozenEstate
from estate.ids import ClusterId, DatasetId, EntityId, NodeId, TenantId
from estate.law import Facts, Isolation
from estate.uses.clusters import MachineGroup
from estate.uses.reservations import Reservation
from estate.workloads import Workload

_AXES = ("geographic", "legal", "operational", "key")


def harms(
    before: FrozenEstate, after: FrozenEstate, speaks_for: Iterable[TenantId], now: datetime, *, relieved: bool
) -> list[str]:
    """What would be wrong then and was not. `relieved`: guardrails were lifted, so that only tier 0 counts."""
    changed = [(w, now_) for now_ in after.workloads() if (w := before.workload(now_.id)) != now_]
    found: list[str] = []
    for was, stands in changed:
        fresh = set(stands.bindings) - set(was.bindings if was else ())
        if fresh or stands.replicas > (was.replicas if was else 0):
            found += _abroad(after.facts, stands)
            found += _borrowed(after.facts, stands, now)
            found += _attached(after.facts, stands, {b.node for b in fresh})
        if fresh:
            found += _crowded(after, stands, {b.node for b in fresh})
    gone = [w for w in before.workloads() if after.workload(w.id) is None]
    found += _strangers([s for _, s in changed] + gone, set(speaks_for))
    found += _undercut(before, after)
    found += [f"{r}: reserved for another tenant than they act for" for r in _foreign(before, after, set(speaks_for))]
    found += _ordered(before, after)
    found += [
        f"{n.id}: given back in use" for n in before.nodes() if after.node(n.id) is None and not _idle(before, n.id)
    ]
    if relieved:
        return found
    promised = [*_taken(after, changed, now), *_cut_away(before, after, now)]
    return [*found, *_overloaded(before, after), *_starved(before, after), *promised]


def _undercut(before: FrozenEstate, after: FrozenEstate) -> Iterator[str]:
    """Work that still runs where it ran, and whose devices are others now."""
    for work in after.workloads():
        was = before.workload(work.id)
        for seat in set(work.bindings) & set(was.bindings if was else ()):
            if any(_device(before, seat.node, i) != _device(after, seat.node, i) for i in seat.accelerators):
                yield f"{work.id}: its devices on {seat.node} were cut under it"


def _cut_away(before: FrozenEstate, after: FrozenEstate, now: datetime) -> Iterator[str]:
    """Reserved devices that are others now."""
    for held in after.stock.all("reservation"):
        if isinstance(held, Reservation) and held.end > now and before.stock.get(held.ref) == held:
            for node, i in ((s.node, i) for s in held.seats for i in s.accelerators):
                if _device(before, node, i) != _device(after, node, i):
                    yield f"{held.id}: accelerator {i} of {node} is another one now"


def _device(on: FrozenEstate, node: NodeId, index: int) -> str:
    found = on.node(node)
    return next((a.uuid for a in found.accelerators if a.index == index), "") if found is not None else ""


def _ordered(before: FrozenEstate, after: FrozenEstate) -> Iterator[str]:
    """A group that grew where somebody of its cluster may not be, or whose provider nobody of the cluster names."""
    sizes = {g.id: g.wanted or 0 for g in before.stock.all("machine-group") if isinstance(g, MachineGroup)}
    for group in (g for g in after.stock.all("machine-group") if isinstance(g, MachineGroup)):
        if (group.wanted or 0) <= sizes.get(group.id, 0):
            continue
        pools = [p for p in after.facts.pools if p.id == group.id]
        if not pools:
            yield f"{group.id}: ordered of nobody knows whom"
        for pool in pools:
            here = [t for t in after.facts.tenants if any(n.cluster == pool.cluster for n in t.namespaces)]
            reached = _reached(after.facts, pool.cluster, [pool.provider])
            for axis, tenant in ((a, t) for a in _AXES for t in here):
                allowed = set(getattr(tenant.residency, axis))
                if not reached[axis] <= allowed and (allowed or axis != "key"):
                    yield f"{group.id}: {axis} reaches {sorted(reached[axis] - allowed)}, beyond {tenant.id}"


def _idle(before: FrozenEstate, node: NodeId) -> bool:
    reserved = {s.node for r in before.stock.all("reservation") if isinstance(r, Reservation) for s in r.seats}
    return not before.workloads_on(node) and node not in reserved


def _foreign(before: FrozenEstate, after: FrozenEstate, speaks_for: set[TenantId]) -> list[str]:
    """Reservations made or released for somebody whom they do not speak for."""
    was, stands = ({r for r in e.stock.all("reservation") if isinstance(r, Reservation)} for e in (before, after))
    return [r.id for r in was ^ stands if speaks_for and r.tenant not in speaks_for]


def _taken(after: FrozenEstate, changed: Iterable[tuple[Workload | None, Workload]], now: datetime) -> Iterator[str]:
    """Two reservations of one device at one time; and work that sits on what is reserved for another."""
    held = [r for r in after.stock.all("reservation") if isinstance(r, Reservation) and r.end > now]
    devices = {r.id: {(s.node, i) for s in r.seats for i in s.accelerators} for r in held}
    for one, other in combinations(held, 2):
        if one.start < other.end and other.start < one.end and devices[one.id] & devices[other.id]:
            yield f"{one.id} and {other.id}: one device at one time"
    for was, stands in changed:
        fresh = set(stands.bindings) - set(was.bindings if was else ())
        taken = {(b.node, i) for b in fresh for i in b.accelerators}
        free_by = stands.contract.deadline
        for reserved in (r for r in held if r.tenant != stands.tenant and taken & devices[r.id]):
            if not (reserved.start > now and (stands.contract.preemptible or (free_by and free_by <= reserved.start))):
                yield f"{stands.id}: on what {reserved.id} keeps for {reserved.tenant}"


def _reached(facts: Facts, name: ClusterId, more: Iterable[EntityId] = ()) -> dict[str, set[str]]:
    """The countries that a cluster reaches on each axis, with others who hold something of it."""
    cluster = next(c for c in facts.clusters if c.id == name)
    site = next(s for s in facts.sites if s.id == cluster.site)
    actors = [cluster.update_authority, cluster.stop_authority]
    return {
        "geographic": {
            site.country,
            *site.replicas_in,
            *site.backups_in,
            *site.telemetry_in,
            *cluster.control_plane_in,
        },
        "legal": _compelling(
            facts,
            [site.owner, cluster.operator, cluster.key_holder, cluster.update_authority, *cluster.subprocessors, *more],
        ),
        "operational": {*cluster.admins_in, *cluster.support_in, *(e.seat for e in facts.entities if e.id in actors)},
        "key": _compelling(facts, [cluster.key_holder]),
    }


def _abroad(facts: Facts, work: Workload) -> Iterator[str]:
    reached = _reached(facts, work.cluster)
    limits = [t.residency for t in facts.tenants if t.id == work.tenant]
    limits += [d.residency for d in facts.datasets if d.id in _all_data(facts, work)]
    limits += [work.contract.residency] if work.contract.residency else []
    for axis in _AXES:
        for limit in limits:
            allowed = set(getattr(limit, axis))
            if not reached[axis] <= allowed and (allowed or axis != "key"):
                yield f"{work.id}: {axis} reaches {sorted(reached[axis] - allowed)}"


def _compelling(facts: Facts, entities: Iterable[EntityId]) -> set[str]:
    known, met, waiting = {e.id: e for e in facts.entities}, set[EntityId](), list(entities)
    while waiting:
        name = waiting.pop()
        if name not in met:  # two may own each other
            met.add(name)
            waiting += known[name].parents
    return {c for name in met for c in (known[name].seat, *known[name].compelled_by)}


def _all_data(facts: Facts, work: Workload) -> set[DatasetId]:
    known, found, waiting = {d.id: d for d in facts.datasets}, set[DatasetId](), list(work.datasets)
    while waiting:
        data = known[waiting.pop()]
        fresh = set(data.derived_from) - set(data.declassified.of if data.declassified else ())
        found.add(data.id)
        waiting += fresh - found
    return found


def _borrowed(facts: Facts, work: Workload, now: datetime) -> Iterator[str]:
    for data in facts.datasets:
        if data.id in _all_data(facts, work) and data.tenant != work.tenant:
            grants = [g for g in facts.grants if (g.dataset, g.to) == (data.id, work.tenant)]
            if not any(g.valid_until > now and (not g.clusters or work.cluster in g.clusters) for g in grants):
                yield f"{work.id}: uses {data.id} without a grant"


def _attached(facts: Facts, work: Workload, nodes: set[NodeId]) -> Iterator[str]:
    """What it mounts or joins, as its cluster calls it, is somebody else's; or the machine is on another's network."""
    spaces = {n.name for t in facts.tenants if t.id == work.tenant for n in t.namespaces if n.cluster == work.cluster}
    others = [b for b in (*facts.volumes, *facts.networks) if not b.everybody and work.tenant not in b.tenants]
    closed = {n.name for b in others for n in b.names if n.cluster == work.cluster}
    lent = {n.name for b in (*facts.volumes, *facts.networks) if b not in others for n in b.names}
    for held in work.attachments:
        space = held.namespace or work.namespace
        name = f"{held.kind}/{space}/{held.name}" if held.kind in _SPACED else f"{held.kind}/{held.name}"
        unowned = space not in spaces if held.kind in _SPACED else held.kind == "nfs"
        if name in closed or (unowned and name not in lent):
            yield f"{work.id}: attached to {name}"
    for network in facts.networks:
        if network in others and nodes & set(network.nodes):
            yield f"{work.id}: on the network {network.id}"


_SPACED = ("claim", "network-attachment")


def _crowded(after: FrozenEstate, work: Workload, nodes: Iterable[str]) -> Iterator[str]:
    for other in after.workloads():
        if other.tenant == work.tenant:
            continue
        theirs = {b.node for b in other.bindings}
        racks = {after.rack_of(n) for n in theirs} & {after.rack_of(n) for n in nodes}
        if theirs & set(nodes) and _wants(after.facts, work, other, *_NODE):
            yield f"{work.id}: on a node with {other.id}"
        if racks and _wants(after.facts, work, other, *_NODE[1:]):
            yield f"{work.id}: in a rack with {other.id}"
    yield from _in_cluster(after.facts, work.tenant, work.cluster)


_NODE = (Isolation.DEDICATED_NODE, Isolation.DEDICATED_RACK, Isolation.DEDICATED_CLUSTER)


def _wants(facts: Facts, one: Workload, other: Workload, *levels: Isolation) -> bool:
    """Whether either of their tenants was promised that distance, or (on a node) to stay apart from the other."""
    pair = [t for t in facts.tenants if t.id in (one.tenant, other.tenant)]
    apart = any({one.tenant, other.tenant} & set(t.apart_from) - {t.id} for t in pair)
    return any(t.isolation in levels for t in pair) or (apart and levels == _NODE)


def _in_cluster(facts: Facts, own: TenantId, cluster: ClusterId) -> Iterator[str]:
    here = [t for t in facts.tenants if t.id == own or any(n.cluster == cluster for n in t.namespaces)]
    if len(here) > 1 and any(t.isolation is Isolation.DEDICATED_CLUSTER for t in here):
        yield f"{own}: shares {cluster}"


def _strangers(touched: Iterable[Workload], speaks_for: set[TenantId]) -> Iterator[str]:
    if speaks_for:
        yield from (f"{w.id}: of {w.tenant}, whom they do not act for" for w in touched if w.tenant not in speaks_for)


def _overloaded(before: FrozenEstate, after: FrozenEstate) -> Iterator[str]:
    for rack in after.facts.racks:
        drawn = after.rack_watts(rack.id)
        if drawn > rack.power_budget_watts and drawn > before.rack_watts(rack.id):
            yield f"rack {rack.id}: {drawn} W of {rack.power_budget_watts}"


def _starved(before: FrozenEstate, after: FrozenEstate) -> Iterator[str]:
    for was in before.workloads():
        stands, least = after.workload(was.id), was.contract.min_available
        if stands is not None and len(stands.bindings) < min(least, len(was.bindings)):
            yield f"{was.id}: {len(stands.bindings)} of {least} replicas run"
