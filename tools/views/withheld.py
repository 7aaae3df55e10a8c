"""What is kept free for whoever reserved it, node by node: for pictures and headroom. Pure."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from estate import reserving
from estate.hardware import Health
from estate.ids import NodeId, TenantId
from estate.snapshots import Snapshot


def devices(snapshot: Snapshot, now: datetime | None, tenants: Container[TenantId] | None = None) -> dict[NodeId, int]:
    """How many devices that would be free are kept now for these tenants, or for anybody; none without a time."""
    found = dict[NodeId, int]()
    for name, kept in reserving.idle(snapshot, now).items():
        node = snapshot.node(name)
        told = {i for i, r in kept.items() if tenants is None or r.tenant in tenants}
        if node is not None and told and not node.fenced and node.health is Health.HEALTHY:
            found[name] = sum(a.health is Health.HEALTHY and a.index in told for a in node.accelerators)
    return found
