"""Who works where in a generated estate: seats on healthy nodes, lawful, apart where tenants must be, within budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from estate.hardware import Health, Node
from estate.ids import ClusterId, NodeId, TenantId
from estate.law import Facts, Isolation, Tenant
from policies import sovereignty
from tools.generation.layouts import Layout, Planned
from tools.generation.products import Product


@dataclass(frozen=True, slots=True)
class Seat:
    """Devices of one node that one replica holds."""

    tenant: TenantId
    cluster: ClusterId
    node: NodeId
    devices: tuple[int, ...]
    product: Product


def seats(layout: Layout, nodes: Mapping[NodeId, Node]) -> Iterator[Seat]:
    """Seats for as many nodes as are to be busy, in racks without fixed work. No two of one tenant are on one node."""
    taken = {b.node for w in layout.work for b in w.bindings}
    lawful = {c.id: list(_lawful(layout.facts, c.id)) for c in layout.facts.clusters}
    for plan in layout.racks:
        draw = layout.draw(f"seats/{plan.id}")
        allowed = lawful[plan.cluster]
        if allowed and taken.isdisjoint(plan.nodes):
            yield from _rack(layout.odds.busy, plan, _guests(allowed, draw), nodes, draw)


def _lawful(facts: Facts, cluster: ClusterId) -> Iterator[Tenant]:
    """The tenants with a namespace there, who may be there: a plan's may have one where they may not."""
    for tenant in facts.tenants:
        housed = any(n.cluster == cluster for n in tenant.namespaces)
        if housed and all(a.holds for a in sovereignty.exposure_of_tenant(facts, tenant.id, cluster)):
            yield tenant


def _guests(allowed: list[Tenant], draw: Random) -> list[Tenant]:
    """Who may be in one rack together: one who wants it alone, or all others."""
    alone = [t for t in allowed if t.isolation is Isolation.DEDICATED_RACK]
    others = [t for t in allowed if t.isolation is not Isolation.DEDICATED_RACK]
    return [draw.choice(alone)] if alone and (not others or draw.random() < 0.15) else others


def _rack(busy: int, plan: Planned, guests: list[Tenant], nodes: Mapping[NodeId, Node], draw: Random) -> Iterator[Seat]:
    left = plan.budget_watts - plan.product.idle_watts * len(plan.nodes)
    for name in plan.nodes:
        node = nodes[name]
        fit = not node.cordoned and all(a.health is Health.HEALTHY for a in node.accelerators)
        needed = plan.product.device_watts * plan.product.devices
        if draw.random() * 1000 >= busy or not fit or needed > left:
            continue
        left -= needed
        yield from _node(plan, node, guests, draw)


def _node(plan: Planned, node: Node, guests: list[Tenant], draw: Random) -> Iterator[Seat]:
    """One guest on all devices, or two that may share on half of them each."""
    first = draw.choice(guests)
    neighbours = [t for t in guests if _may_share(first, t)]
    devices = tuple(range(plan.product.devices))
    if not neighbours or draw.random() < 0.5:
        yield Seat(first.id, node.cluster, node.id, devices, plan.product)
        return
    half = len(devices) // 2
    for tenant, held in ((first, devices[:half]), (draw.choice(neighbours), devices[half:])):
        yield Seat(tenant.id, node.cluster, node.id, held, plan.product)


def _may_share(one: Tenant, other: Tenant) -> bool:
    apart = other.id in one.apart_from or one.id in other.apart_from
    shared = one.isolation is other.isolation is Isolation.SHARED_NODE
    return shared and not apart and one.id != other.id
