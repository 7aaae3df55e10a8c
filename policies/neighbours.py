"""Who stands beside the fresh replicas of a workload: the read set of tenant isolation. Pure; called by `context`.

Apart-from means never on one node. A neighbour whom no fact knows counts as one who asked to be alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from estate.ids import ClusterId, NodeId, RackId, TenantId
from estate.law import Facts, Isolation
from estate.snapshots import Snapshot
from estate.workloads import Workload

_NODE = frozenset({Isolation.DEDICATED_NODE, Isolation.DEDICATED_RACK, Isolation.DEDICATED_CLUSTER})
_RACK = frozenset({Isolation.DEDICATED_RACK, Isolation.DEDICATED_CLUSTER})
_CLUSTER = frozenset({Isolation.DEDICATED_CLUSTER})


@dataclass(frozen=True, slots=True)
class Beside:
    """The other tenants near fresh replicas, and those of them who were promised to be alone there."""

    isolation: str
    on_node: frozenset[TenantId]
    in_rack: frozenset[TenantId]
    in_cluster: frozenset[TenantId]
    alone_on_node: frozenset[TenantId]
    alone_in_rack: frozenset[TenantId]
    alone_in_cluster: frozenset[TenantId]
    apart: frozenset[TenantId]


def beside(after: Snapshot, workload: Workload, nodes: Iterable[NodeId]) -> Beside:
    """The neighbours of `workload` on `nodes` (those of its fresh replicas) in the estate `after` the step."""
    return beside_tenant(after, workload.tenant, workload.cluster, nodes)


def beside_tenant(after: Snapshot, own: TenantId, cluster: ClusterId, nodes: Iterable[NodeId]) -> Beside:
    """The same of whatever else of a tenant is to stand there."""
    facts = after.facts
    fresh = tuple(sorted(set(nodes)))
    on_node = frozenset(_tenants(after, fresh) - {own})
    racks = {r for n in fresh if (r := after.rack_of(n)) is not None}
    in_rack = frozenset(_in_racks(after, racks) - {own})
    in_cluster = frozenset(_of_cluster(facts, cluster) - {own})
    tenant = facts.tenant.get(own)
    return Beside(
        isolation=tenant.isolation.value if tenant else "unknown",
        on_node=on_node,
        in_rack=in_rack,
        in_cluster=in_cluster,
        alone_on_node=_wanting(facts, on_node, _NODE),
        alone_in_rack=_wanting(facts, in_rack, _RACK),
        alone_in_cluster=_wanting(facts, in_cluster, _CLUSTER),
        apart=_apart(facts, own, on_node),
    )


def alone_in(facts: Facts, own: TenantId, cluster: ClusterId) -> frozenset[TenantId]:
    """The other tenants of a cluster, where this tenant or any of them was promised it alone; nobody otherwise."""
    others = _of_cluster(facts, cluster) - {own}
    wanting = _wanting(facts, {own, *others} & _of_cluster(facts, cluster), _CLUSTER)
    return frozenset(others) if wanting else frozenset()


def crowded(found: Beside) -> bool:
    """Whether anybody there was promised to stand further apart, this tenant or a neighbour (`tenant-isolation`)."""
    own, near = found.isolation, found.on_node
    if found.apart or found.alone_on_node or found.alone_in_rack or found.alone_in_cluster:
        return True
    near |= found.in_rack if own in _RACK else frozenset()
    near |= found.in_cluster if own in _CLUSTER else frozenset()
    return bool(near) and own != Isolation.SHARED_NODE


def off_node(facts: Facts, one: TenantId, other: TenantId) -> bool:
    """Whether these two tenants may share no node, by what either was promised."""
    return bool(_wanting(facts, (one, other), _NODE) or _apart(facts, one, frozenset({other})))


def off_rack(facts: Facts, one: TenantId, other: TenantId) -> bool:
    """Whether they may share no rack."""
    return bool(_wanting(facts, (one, other), _RACK))


def _tenants(snapshot: Snapshot, nodes: Iterable[NodeId]) -> set[TenantId]:
    return {w.tenant for n in nodes for w in snapshot.workloads_on(n)}


def _in_racks(snapshot: Snapshot, racks: Iterable[RackId]) -> set[TenantId]:
    """Whoever runs on the nodes of these racks that are there. A node is looked up for a tenant not met before only:
    in a large estate each look-up is one into cold memory.
    """
    found: set[TenantId] = set()
    for node in (n for r in racks for n in snapshot.facts.rack[r].nodes):
        for workload in snapshot.workloads_on(node):
            if workload.tenant not in found and snapshot.node(node) is not None:
                found.add(workload.tenant)
    return found


def _of_cluster(facts: Facts, cluster: ClusterId) -> set[TenantId]:
    return {t.id for t in facts.tenants for n in t.namespaces if n.cluster == cluster}


def _wanting(facts: Facts, tenants: Iterable[TenantId], levels: frozenset[Isolation]) -> frozenset[TenantId]:
    known = {t: facts.tenant.get(t) for t in tenants}
    return frozenset(t for t, tenant in known.items() if tenant is None or tenant.isolation in levels)


def _apart(facts: Facts, own: TenantId, neighbours: frozenset[TenantId]) -> frozenset[TenantId]:
    tenant = facts.tenant.get(own)
    asked = set(tenant.apart_from) if tenant else set()
    asking = {t for t in neighbours if (n := facts.tenant.get(t)) is not None and own in n.apart_from}
    return frozenset(neighbours & (asked | asking))
