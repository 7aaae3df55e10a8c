"""Failure domains that a change disturbs: device, NVLink domain, node, rack, feed, leaf switch, site; and its tenants.

Pure. Called before a decision for what is asked, and when a warrant is issued for what counts from then on. A change
that gives capacity back (a fence that is lifted) disturbs nothing: without it no breaker could ever close again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from estate.changes import Change, ReleaseCapacity, ReserveCapacity, UncordonNode, UntaintNode
from estate.ids import NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.workloads import Binding
from policies import objects


class Sort(StrEnum):
    """What fails, is fed, is connected or is promised something together."""

    ACCELERATOR = "accelerator"
    NVLINK_DOMAIN = "nvlink-domain"
    NODE = "node"
    RACK = "rack"
    POWER_FEED = "power-feed"
    LEAF_SWITCH = "leaf-switch"
    SITE = "site"
    TENANT = "tenant"
    FLEET = "fleet"


type Domain = tuple[Sort, str]
type Counts = Counter[Domain]
"""How many changes disturb each domain."""

FLEET: Final[Domain] = (Sort.FLEET, "fleet")


def disturbed(change: Change, before: Snapshot, after: Snapshot | None = None) -> frozenset[Domain]:
    """Every domain that `change` disturbs, given the estate before it.

    Without the estate `after` it (a change that was done already), devices are those that the change names.
    """
    if isinstance(change, UncordonNode | UntaintNode | ReleaseCapacity):
        return frozenset()
    if isinstance(change, ReserveCapacity):
        sites = {s for seat in change.terms.seats if (s := before.site_of(seat.node)) is not None}
        return frozenset({(Sort.TENANT, change.terms.tenant), FLEET, *((Sort.SITE, s) for s in sites)})
    nodes = {*change.wanted_watts(before), *change.footprint(before).nodes}
    workloads = change.disrupts(before)
    devices = set(_devices(workloads, before, after)) if after is not None else set()
    target = change.target()
    shut = {NodeId(target.id)} if target.kind is ThingKind.NODE else set()
    places = {d for n in nodes for d in _of_node(n, before)}
    return frozenset(
        places
        | {(Sort.ACCELERATOR, f"{n}/{i}") for n, i in devices}
        | {(Sort.NVLINK_DOMAIN, d) for d in _nvlink(before, shut, devices)}
        | {(Sort.TENANT, t) for t in _tenants(change, workloads, before)}
        | {(Sort.SITE, s) for s in _sites(change, workloads, before)}
        | {FLEET}
    )


def counted(steps: Iterable[frozenset[Domain]]) -> Counts:
    """How many of these steps disturb each domain."""
    return Counter(d for step in steps for d in step)


def size(domain: Domain, snapshot: Snapshot) -> int | None:
    """How many nodes facts place in it, or were observed in an NVLink domain; None of what is no place of nodes."""
    facts, (sort, name) = snapshot.facts, domain
    match sort:
        case Sort.RACK:
            return len(facts.rack[RackId(name)].nodes)
        case Sort.POWER_FEED:
            return facts.nodes_on_feed.get(name, 0)
        case Sort.LEAF_SWITCH:
            return facts.nodes_on_leaf.get(name, 0)
        case Sort.SITE:
            return facts.nodes_at.get(SiteId(name), 0)
        case Sort.NVLINK_DOMAIN:
            return len(linked(name, snapshot))
        case Sort.FLEET:
            return sum(facts.nodes_at.values())
        case _:
            return None


def racks(domain: Domain, snapshot: Snapshot) -> tuple[RackId, ...]:
    """The racks of a feed or a leaf switch; none of anything else."""
    sort, name = domain
    by = {Sort.POWER_FEED: snapshot.facts.racks_on_feed, Sort.LEAF_SWITCH: snapshot.facts.racks_on_leaf}
    return by[sort].get(name, ()) if sort in by else ()


def linked(domain: str, snapshot: Snapshot) -> frozenset[NodeId]:
    """The nodes with a device in that NVLink domain, as they were observed."""
    return snapshot.holding(Ref("nvlink-domain", domain))


def _of_node(name: NodeId, snapshot: Snapshot) -> Iterator[Domain]:
    yield Sort.NODE, name
    rack = snapshot.facts.rack.get(found) if (found := snapshot.rack_of(name)) is not None else None
    if rack is None:
        return
    yield Sort.RACK, rack.id
    yield Sort.SITE, rack.site
    if rack.power_feed:
        yield Sort.POWER_FEED, rack.power_feed
    if rack.leaf_switch:
        yield Sort.LEAF_SWITCH, rack.leaf_switch


def _devices(workloads: dict[WorkloadId, int], before: Snapshot, after: Snapshot) -> Iterator[tuple[NodeId, int]]:
    """The devices of the replicas that stop or move."""
    for name, stopped in workloads.items():
        was, now = before.workload(name), after.workload(name)
        if was is None or not stopped:
            continue
        left: Iterable[Binding] = was.broken_by(now.bindings) if now is not None else was.bindings
        yield from ((b.node, i) for b in left or was.bindings for i in b.accelerators)


def _nvlink(before: Snapshot, shut: set[NodeId], devices: set[tuple[NodeId, int]]) -> set[str]:
    """The NVLink domains of what is shut, and of these devices."""
    found = set()
    for name in shut | {n for n, _ in devices}:
        node = before.node(name)
        for device in node.accelerators if node is not None else ():
            if device.nvlink_domain and (name in shut or (name, device.index) in devices):
                found.add(device.nvlink_domain)
    return found


def _tenants(change: Change, workloads: Iterable[WorkloadId], before: Snapshot) -> set[TenantId]:
    found = {w.tenant for name in workloads if (w := before.workload(name)) is not None}
    owner = objects.owner_of_change(before.facts, change)
    return found if owner is None else found | {owner}


def _sites(change: Change, workloads: Iterable[WorkloadId], before: Snapshot) -> set[SiteId]:
    """Of work that is not bound, and of objects: where their clusters are."""
    clusters = {w.cluster for name in workloads if (w := before.workload(name)) is not None}
    clusters |= objects.clusters_of(before.facts, (change,))
    return {c.site for name in clusters if (c := before.facts.cluster.get(name)) is not None}
