"""Neighbours: what a thing hangs on, what hangs on it, and what goes down with it. Pure questions to a snapshot.

It joins three kinds of knowledge: signed facts (rack in site, node in rack), what is observed of nodes (devices and
ports), and items. Asked by correlation, tools and sensors. A step costs what the thing has neighbours, however large
the estate is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from estate.hardware import Node
from estate.ids import NodeId, RackId, SiteId, WorkloadId
from estate.references import Bond, Chain, Ref
from estate.snapshots import Snapshot

type _Step = Callable[[Snapshot, Ref], tuple[Bond, ...]]

REDUNDANT = frozenset({Chain.POWER, Chain.COOLING, Chain.NETWORK})
"""Chains on which a thing stands as long as one of those above it does."""


def above(snapshot: Snapshot, ref: Ref) -> tuple[Bond, ...]:
    """What `ref` hangs on directly, sorted by chain and name."""
    item = snapshot.stock.get(ref)
    return tuple(sorted({*_known_above(snapshot, ref), *(item.bonds() if item is not None else ())}))


def below(snapshot: Snapshot, ref: Ref) -> tuple[Bond, ...]:
    """What hangs on `ref` directly, sorted by chain and name: the inverse of `above`."""
    return tuple(sorted({*_known_below(snapshot, ref), *snapshot.stock.below(ref)}))


def domains(snapshot: Snapshot, ref: Ref, *chains: Chain) -> Iterator[Ref]:
    """Everything above `ref`, nearest first, each once; on these chains, or on all."""
    return _reached(snapshot, ref, above, chains)


def members(snapshot: Snapshot, ref: Ref, *chains: Chain) -> Iterator[Ref]:
    """Everything below `ref`, nearest first, each once; on these chains, or on all."""
    return _reached(snapshot, ref, below, chains)


def struck(snapshot: Snapshot, *failed: Ref) -> frozenset[Ref]:
    """What goes down when all of these fail at once, themselves included.

    A thing goes down with any part of its place, and with all that feeds, cools or connects it. A workload goes down
    with any node that it runs on.
    """
    down, waiting = set(failed), list(failed)
    while waiting:
        for bond in below(snapshot, waiting.pop()):
            if bond.ref not in down and _falls(snapshot, bond, down):
                down.add(bond.ref)
                waiting.append(bond.ref)
    return frozenset(down)


def groups(node: Node) -> frozenset[Ref]:
    """The NVLink domains and switches that a node's devices and ports are on: what `Snapshot.holding` is asked for."""
    domains = {a.nvlink_domain for a in node.accelerators} - {""}
    switches = {n.switch for n in node.nics} - {""}
    return frozenset([*(Ref("nvlink-domain", d) for d in domains), *(Ref("switch", s) for s in switches)])


def accelerator(node: NodeId, index: int) -> Ref:
    """The name of one device."""
    return Ref("accelerator", f"{node}/{index}")


def _falls(snapshot: Snapshot, bond: Bond, down: set[Ref]) -> bool:
    if bond.chain not in REDUNDANT:
        return True
    return all(b.ref in down for b in above(snapshot, bond.ref) if b.chain is bond.chain)


def _reached(snapshot: Snapshot, start: Ref, step: _Step, chains: tuple[Chain, ...]) -> Iterator[Ref]:
    seen, ring = {start}, [start]
    while ring:
        found = [b for ref in ring for b in step(snapshot, ref) if not chains or b.chain in chains]
        ring = [ref for ref in dict.fromkeys(b.ref for b in found) if ref not in seen]
        seen.update(ring)
        yield from ring


def _known_above(snapshot: Snapshot, ref: Ref) -> Iterator[Bond]:
    match ref.kind:
        case "accelerator":
            yield from _above_device(snapshot, ref)
        case "nvlink-domain":
            yield from _above_domain(snapshot, ref)
        case "node":
            yield from _above_node(snapshot, NodeId(ref.id))
        case "rack":
            yield from _above_rack(snapshot, RackId(ref.id))
        case "workload":
            workload = snapshot.workload(WorkloadId(ref.id))
            for binding in workload.bindings if workload is not None else ():
                yield Bond(Chain.USE, Ref("node", binding.node))
        case _:
            pass


def _above_device(snapshot: Snapshot, ref: Ref) -> Iterator[Bond]:
    name, _, index = ref.id.rpartition("/")
    node = snapshot.node(NodeId(name))
    for device in node.accelerators if node is not None else ():
        if str(device.index) == index:
            yield Bond(Chain.PLACE, Ref("node", name))
            if device.nvlink_domain:
                yield Bond(Chain.PLACE, Ref("nvlink-domain", device.nvlink_domain))


def _above_domain(snapshot: Snapshot, ref: Ref) -> Iterator[Bond]:
    """Of one node: that node. Of several: their racks, because it outlives each of its nodes."""
    nodes = snapshot.holding(ref)
    if len(nodes) == 1:
        yield Bond(Chain.PLACE, Ref("node", next(iter(nodes))))
        return
    for node in nodes:
        rack = snapshot.rack_of(node)
        if rack is not None:
            yield Bond(Chain.PLACE, Ref("rack", rack))


def _above_node(snapshot: Snapshot, name: NodeId) -> Iterator[Bond]:
    node = snapshot.node(name)
    if node is None:
        return
    rack = snapshot.rack_of(name)
    if rack is not None:
        yield Bond(Chain.PLACE, Ref("rack", rack))
    for ref in groups(node):
        if ref.kind == "switch":
            yield Bond(Chain.NETWORK, ref)


def _above_rack(snapshot: Snapshot, name: RackId) -> Iterator[Bond]:
    rack = snapshot.facts.rack.get(name)
    if rack is None:
        return
    yield Bond(Chain.PLACE, Ref("site", rack.site))
    if rack.power_feed:
        yield Bond(Chain.POWER, Ref("feed", rack.power_feed))
    if rack.leaf_switch:
        yield Bond(Chain.NETWORK, Ref("switch", rack.leaf_switch))


def _known_below(snapshot: Snapshot, ref: Ref) -> Iterator[Bond]:
    match ref.kind:
        case "node":
            yield from _below_node(snapshot, NodeId(ref.id))
        case "nvlink-domain":
            yield from _devices_of(snapshot, ref)
        case "rack":
            yield from _below_rack(snapshot, RackId(ref.id))
        case "site":
            for site_rack in snapshot.facts.racks_at.get(SiteId(ref.id), ()):
                yield Bond(Chain.PLACE, Ref("rack", site_rack))
        case "feed":
            for fed in snapshot.facts.racks_on_feed.get(ref.id, ()):
                yield Bond(Chain.POWER, Ref("rack", fed))
        case "switch":
            for connected in snapshot.facts.racks_on_leaf.get(ref.id, ()):
                yield Bond(Chain.NETWORK, Ref("rack", connected))
            for node in snapshot.holding(ref):
                yield Bond(Chain.NETWORK, Ref("node", node))
        case _:
            pass


def _below_node(snapshot: Snapshot, name: NodeId) -> Iterator[Bond]:
    for workload in snapshot.workloads_on(name):  # also on a node that nobody sees
        yield Bond(Chain.USE, Ref("workload", workload.id))
    node = snapshot.node(name)
    if node is None:
        return
    for device in node.accelerators:
        yield Bond(Chain.PLACE, accelerator(name, device.index))
    for ref in groups(node):
        if ref.kind == "nvlink-domain" and len(snapshot.holding(ref)) == 1:
            yield Bond(Chain.PLACE, ref)


def _devices_of(snapshot: Snapshot, domain: Ref) -> Iterator[Bond]:
    for name in snapshot.holding(domain):
        node = snapshot.node(name)
        for device in node.accelerators if node is not None else ():
            if device.nvlink_domain == domain.id:
                yield Bond(Chain.PLACE, accelerator(name, device.index))


def _below_rack(snapshot: Snapshot, name: RackId) -> Iterator[Bond]:
    for node in snapshot.nodes_in(name):
        yield Bond(Chain.PLACE, Ref("node", node.id))
        for ref in groups(node):
            if ref.kind == "nvlink-domain" and len(snapshot.holding(ref)) > 1:
                yield Bond(Chain.PLACE, ref)
