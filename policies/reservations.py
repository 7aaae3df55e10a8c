"""What the law reads of reservations: whose would be broken by a placement, and what a new one is. Pure; called by
`context`.

Devices are `estate.reserving`'s to compare; this adds how far tenants must stand apart, because whoever was promised a
node to themselves has no use for one that somebody else came to stand on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from estate import reserving
from estate.changes import ReserveCapacity
from estate.ids import ClusterId, NodeId, RackId, ReservationId, TenantId
from estate.snapshots import Snapshot
from estate.uses.reservations import Seat, Terms
from estate.workloads import Binding, Workload
from policies import completeness, neighbours


def broken_by(after: Snapshot, workload: Workload, fresh: Iterable[Binding], now: datetime) -> frozenset[ReservationId]:
    """The reservations of others that these bindings would break: by a device, or by standing too near."""
    bindings = tuple(fresh)
    taken = {r.id for _, r in reserving.kept_from(after, workload, bindings, now)}
    kept = (r for r in reserving.every(after) if reserving.keeps_off(r.terms, workload, now))
    near = {r.id for r in kept if _near(after, r.terms, workload.tenant, {b.node for b in bindings})}
    return frozenset(taken | near)


def cut_away(before: Snapshot, node: NodeId, now: datetime) -> frozenset[ReservationId]:
    """The reservations of devices of a node whose devices will be others: their numbers mean something else then."""
    return frozenset(r.id for r in reserving.on(before, node) if r.terms.end > now)


def rivals(after: Snapshot, change: ReserveCapacity) -> frozenset[ReservationId]:
    """The reservations of other tenants in the same time that its devices would be too near to."""
    terms, nodes = change.terms, {s.node for s in change.terms.seats}
    others = (r for r in reserving.every(after) if r.id != change.reservation)
    meeting = (r for r in others if r.terms.meets(terms.start, terms.end))
    return frozenset(r.id for r in meeting if _near(after, r.terms, terms.tenant, nodes))


def cluster_of(snapshot: Snapshot, seats: Iterable[Seat]) -> ClusterId:
    """The cluster of these devices; the effect refuses what lies in several."""
    nodes = (snapshot.node(s.node) for s in seats)
    return next((n.cluster for n in nodes if n is not None), ClusterId("unknown"))


def missing(snapshot: Snapshot, change: ReserveCapacity) -> set[str]:
    """The facts without which nobody can say for whom it is and where it stands."""
    facts, terms = snapshot.facts, change.terms
    cluster, gaps = cluster_of(snapshot, terms.seats), set[str]()
    if terms.tenant not in facts.tenant:
        gaps.add(f"tenants.{terms.tenant}")
    elif all(n.cluster != cluster for n in facts.tenant[terms.tenant].namespaces):
        gaps.add(f"tenants.{terms.tenant}.namespaces: none in {cluster}")
    return gaps.union(*(completeness.missing_place(facts, cluster, s.node) for s in terms.seats))


def _near(after: Snapshot, theirs: Terms, own: TenantId, nodes: set[NodeId]) -> bool:
    """Whether `nodes` are nearer to a reservation of another tenant than either may be to the other."""
    if theirs.tenant == own:
        return False
    seats = {s.node for s in theirs.seats}
    if neighbours.off_node(after.facts, theirs.tenant, own) and not seats.isdisjoint(nodes):
        return True
    apart = neighbours.off_rack(after.facts, theirs.tenant, own)
    return apart and not _racks(after, seats).isdisjoint(_racks(after, nodes))


def _racks(after: Snapshot, nodes: Iterable[NodeId]) -> set[RackId]:
    return {r for n in nodes if (r := after.rack_of(n)) is not None}
