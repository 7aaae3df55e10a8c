"""How near two accelerators are to each other, from the NVLink domain to the other side of the WAN. Pure.

The order is that of the bandwidth between them, as `nvidia-smi topo` and its like tell it within a machine and the
failure domains beyond. What is not known counts as far.
"""

from __future__ import annotations

from enum import IntEnum

from estate.hardware import Accelerator, Node
from estate.snapshots import Snapshot


class Proximity(IntEnum):
    """The nearest thing that two devices share; the smaller, the nearer."""

    NVLINK = 1
    PCIE_SWITCH = 2
    NUMA = 3
    NODE = 4
    RAIL = 5
    """Ports of one rail: the same leaf switches of the RDMA fabric."""
    RACK = 6
    SITE = 7
    FAR = 8


def within(node: Node, one: Accelerator, other: Accelerator) -> Proximity:
    """Of two devices of one node."""
    if one.nvlink_domain and (one.nvlink_domain, one.nvlink_clique) == (other.nvlink_domain, other.nvlink_clique):
        return Proximity.NVLINK
    known = {s.name for s in node.pcie_switches}
    if one.pcie_switch and one.pcie_switch == other.pcie_switch and one.pcie_switch in known:
        return Proximity.PCIE_SWITCH
    if one.numa_node is not None and one.numa_node == other.numa_node:
        return Proximity.NUMA
    return Proximity.NODE


def between(snapshot: Snapshot, one: Node, other: Node) -> Proximity:
    """Of the nearest devices of two different nodes."""
    domains = ({(a.nvlink_domain, a.nvlink_clique) for a in n.accelerators if a.nvlink_domain} for n in (one, other))
    if set.intersection(*domains):
        return Proximity.NVLINK
    if set.intersection(
        *({(n.rail, n.switch) for n in x.nics if n.rail is not None and n.switch} for x in (one, other))
    ):
        return Proximity.RAIL
    racks = snapshot.rack_of(one.id), snapshot.rack_of(other.id)
    if racks[0] is not None and racks[0] == racks[1]:
        return Proximity.RACK
    sites = snapshot.site_of(one.id), snapshot.site_of(other.id)
    return Proximity.SITE if sites[0] is not None and sites[0] == sites[1] else Proximity.FAR
