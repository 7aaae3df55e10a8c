"""Quotas a second time, by counting everything there is, for the differential test."""

from __future__ import annotations

from collections.abc import Iterator

from estate.ids import NodeId, TenantId
from estate.law import Quota
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation
from estate.workloads import Workload


def broken(base: Snapshot, running: Snapshot, workload: Workload) -> bool:
    """Whether `running` uses more of somebody's quota than it may, and more than `base` does."""
    for tenant, quota in _quotas(running, workload.tenant):
        before, after = _used(base, tenant, quota), _used(running, tenant, quota)
        devices = None if quota.accelerators is None else quota.accelerators // 1000
        for most, was, now in zip((devices, quota.watts), before, after, strict=True):
            if most is not None and now > most and now > was:
                return True
    return False


def _quotas(snapshot: Snapshot, payer: TenantId) -> Iterator[tuple[TenantId, Quota]]:
    return ((t.id, q) for t in snapshot.facts.tenants if _below(snapshot, payer, t.id) for q in t.quotas)


def _below(snapshot: Snapshot, tenant: TenantId, top: TenantId) -> bool:
    known = {t.id: t.parent for t in snapshot.facts.tenants}
    name: TenantId | None = tenant
    while name is not None and name != top:
        name = known.get(name)
    return name == top and tenant in known


def _used(snapshot: Snapshot, tenant: TenantId, quota: Quota) -> tuple[int, int]:
    """Accelerators and watts, with what is reserved and idle at the fullest time."""
    held: dict[tuple[NodeId, int], int] = {}
    devices = watts = 0
    for workload in snapshot.workloads():
        for binding in workload.bindings if _below(snapshot, workload.tenant, tenant) else ():
            for index in binding.accelerators:
                held[binding.node, index] = 1
                if _counts(snapshot, binding.node, index, quota):
                    devices, watts = devices + 1, watts + workload.watts_per_accelerator
    reserved = [r.terms for r in snapshot.stock.all("reservation") if isinstance(r, Reservation)]
    own = [t for t in reserved if _below(snapshot, t.tenant, tenant)]
    idle = [(0, 0)]
    for moment in [t.start for t in own]:
        meant = [
            (n, t.watts_per_accelerator)
            for t in own
            if t.start <= moment < t.end
            for n in ((s.node, i) for s in t.seats for i in s.accelerators)
            if n not in held and _counts(snapshot, *n, quota)
        ]
        idle.append((len(meant), sum(w for _, w in meant)))
    return devices + max(i[0] for i in idle), watts + max(i[1] for i in idle)


def _counts(snapshot: Snapshot, node: NodeId, index: int, quota: Quota) -> bool:
    found = snapshot.node(node)
    models = [a.model for a in found.accelerators if a.index == index] if found is not None else []
    return quota.site in (None, snapshot.site_of(node)) and (not quota.model or quota.model in models)
