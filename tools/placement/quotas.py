"""Quotas on accelerators against what is used of them, by a tenant and all below it. Pure; one scan.

Called by what-if questions and the fleet's report. Whether a change may go beyond one is the gate's decision.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from estate.ids import SiteId, TenantId
from estate.snapshots import Snapshot


class Scope(NamedTuple):
    """Whose quota, and on what."""

    tenant: TenantId
    site: SiteId | None
    model: str

    def __str__(self) -> str:
        return f"{self.site or 'everywhere'}/{self.model or 'any'}"

    def covers(self, site: str, model: str) -> bool:
        """Whether accelerators of that model at that site count towards it."""
        return self.site in (None, site) and self.model in ("", model)


class Use(NamedTuple):
    """Accelerators that are used of a quota, and the quota."""

    used: int
    quota: int

    @property
    def left(self) -> int:
        """What is left; negative beyond it."""
        return self.quota - self.used


def uses(snapshot: Snapshot) -> dict[Scope, Use]:
    """Every quota on accelerators."""
    facts = snapshot.facts
    if not any(t.quotas for t in facts.tenants):
        return {}
    held, found = _held(snapshot), dict[Scope, Use]()
    for tenant in facts.tenants:
        total = sum((held.get(t, Counter()) for t in facts.tenants_below[tenant.id]), Counter[tuple[str, str]]())
        for quota in tenant.quotas:
            if quota.accelerators is not None:
                scope = Scope(tenant.id, quota.site, quota.model)
                used = sum(n for key, n in total.items() if scope.covers(*key))
                found[scope] = Use(used, quota.accelerators // 1000)
    return found


def payers(snapshot: Snapshot, tenant: TenantId) -> frozenset[TenantId]:
    """The tenant and all above it: whose quotas its work counts towards."""
    found, name = set[TenantId](), tenant
    while (known := snapshot.facts.tenant.get(name)) is not None and name not in found:
        found.add(name)
        if known.parent is None:
            break
        name = known.parent
    return frozenset(found)


def _held(snapshot: Snapshot) -> dict[TenantId, Counter[tuple[str, str]]]:
    """The accelerators that each tenant holds, by site and model."""
    held: dict[TenantId, Counter[tuple[str, str]]] = {}
    for workload in snapshot.workloads():
        counts = held.setdefault(workload.tenant, Counter())
        for binding in workload.bindings:
            node, site = snapshot.node(binding.node), snapshot.site_of(binding.node) or ""
            models = {a.index: a.model for a in node.accelerators} if node is not None else {}
            counts.update((site, models.get(index, "")) for index in binding.accelerators)
    return held
