"""Where a workload is to be moved to, as a person said it: the nodes that are meant, and who is not there yet. Pure."""

from __future__ import annotations

from agents.cases.claiming import Where
from agents.minds.plans import Relocate
from estate.ids import NodeId, SiteId
from estate.snapshots import Snapshot
from estate.workloads import Workload


def goal(aim: Relocate, snapshot: Snapshot) -> Where | None:
    """The goal; None: it is not in the estate."""
    facts = snapshot.facts
    if aim.rack is not None and aim.rack in facts.rack:
        rack = facts.rack[aim.rack]
        return Where(rack.nodes, rack.site)
    if aim.cluster is not None and aim.cluster in facts.cluster:
        site = facts.cluster[aim.cluster].site
        return Where(_nodes_at(site, snapshot), site, aim.cluster)
    if aim.site is not None and aim.site in facts.site:
        return Where(_nodes_at(aim.site, snapshot), aim.site)
    return None


def _nodes_at(site: SiteId, snapshot: Snapshot) -> tuple[NodeId, ...]:
    return tuple(sorted(n for r in snapshot.facts.racks if r.site == site for n in r.nodes))


def everything_but(where: Where, snapshot: Snapshot) -> frozenset[NodeId]:
    """The nodes of the same site that are not meant: an ask names sites, so a rack is said by avoiding the others."""
    if where.site is None:
        return frozenset()
    meant = set(where.nodes)
    others = {n for n in _nodes_at(where.site, snapshot) if n not in meant}
    if where.cluster is not None:
        others |= {n for n in meant if (node := snapshot.node(n)) is not None and node.cluster != where.cluster}
    return frozenset(others)


def outside(workload: Workload, where: Where, snapshot: Snapshot) -> tuple[int, ...]:
    """The replicas that are not there yet; all of them when the cluster changes."""
    meant = set(where.nodes)
    clusters = {n.cluster for name in where.nodes if (n := snapshot.node(name)) is not None}
    goal = {where.cluster} if where.cluster else clusters
    if workload.cluster not in goal:
        return tuple(range(workload.replicas))
    there = {b.replica for b in workload.bindings if b.node in meant}
    return tuple(r for r in range(workload.replicas) if r not in there)
