"""The estate as rows that a person reads: pure, from one snapshot, and only what the reader may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from estate.canonical import Json
from estate.hardware import Node
from estate.ids import NodeId, TenantId
from estate.incidents import CaseState, Incident
from estate.law import Rack, Tenant
from estate.records import write_time
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.verdicts import Decision, Verdict
from estate.workloads import Workload
from tools.views import measured

type Row = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may see: everything, or the things of their tenants."""

    everything: bool
    tenants: frozenset[TenantId] = frozenset()

    def of_tenant(self, tenant: TenantId) -> bool:
        """Whether this tenant's things are in sight."""
        return self.everything or tenant in self.tenants

    def of_any(self, tenants: Iterable[TenantId]) -> bool:
        """Whether something that concerns these tenants is in sight."""
        return self.everything or not self.tenants.isdisjoint(tenants)


def nodes(snapshot: Snapshot, sight: Sight, now: datetime) -> list[Row]:
    """A row for each node that holds something in sight."""
    return [node_row(snapshot, n, sight, now) for n in snapshot.nodes() if _sees_node(snapshot, n.id, sight)]


def node_row(snapshot: Snapshot, node: Node, sight: Sight, now: datetime) -> Row:
    """One node: where it stands, how it is, what it holds."""
    failed = sum(1 for a in node.accelerators if a.health != "healthy")
    found = measured.brief(snapshot, Ref("node", node.id), now) if sight.everything else {}
    return {
        "name": node.id,
        "site": snapshot.site_of(node.id) or "",
        "rack": snapshot.rack_of(node.id) or "",
        "cluster": node.cluster,
        "health": node.health.value,
        "cordoned": node.cordoned,
        "taints": _texts(map(str, node.taints)),
        "accelerators": len(node.accelerators),
        "taken": len(snapshot.taken(node.id)),
        "unhealthy": failed,
        "watts": int(snapshot.node_watts(node.id)),
        "celsius": found.get("celsius"),
        "drawn_watts": found.get("watts"),
        measured.AGE: found.get(measured.AGE),
        "workloads": _texts(w.id for w in snapshot.workloads_on(node.id) if sight.of_tenant(w.tenant)),
    }


def workloads(snapshot: Snapshot, sight: Sight) -> list[Row]:
    """A row for each workload in sight."""
    return [workload_row(w) for w in snapshot.workloads() if sight.of_tenant(w.tenant)]


def workload_row(workload: Workload) -> Row:
    """One workload: whose it is, what it was promised, and where it runs."""
    return {
        "name": workload.id,
        "tenant": workload.tenant,
        "kind": workload.kind.value,
        "cluster": workload.cluster,
        "replicas": workload.replicas,
        "running": len(workload.bindings),
        "min_available": workload.contract.min_available,
        "accelerators": workload.contract.accelerators_per_replica,
        "nodes": _texts(sorted({b.node for b in workload.bindings})),
    }


def racks(snapshot: Snapshot, sight: Sight) -> list[Row]:
    """A row for each rack that holds something in sight."""
    facts = snapshot.facts
    return [_rack_row(snapshot, r) for r in facts.racks if any(_sees_node(snapshot, n, sight) for n in r.nodes)]


def tenants(snapshot: Snapshot, sight: Sight) -> list[Row]:
    """A row for each tenant in sight."""
    held: dict[TenantId, int] = {}
    for workload in snapshot.workloads():
        count = sum(len(b.accelerators) for b in workload.bindings)
        held[workload.tenant] = held.get(workload.tenant, 0) + count
    return [_tenant_row(t, held.get(t.id, 0)) for t in snapshot.facts.tenants if sight.of_tenant(t.id)]


def verdict_of(incident: Incident) -> Verdict | None:
    """The newest verdict on the newest proposal of the case; a fence's verdicts are not it."""
    return incident.verdict_on(incident.proposals[-1]) if incident.proposals else None


def waiting_verdict(incident: Incident) -> Verdict | None:
    """The verdict that asks people, while the incident waits for them."""
    verdict = verdict_of(incident) if incident.state is CaseState.AWAITING_APPROVAL else None
    return verdict if verdict is not None and verdict.decision is Decision.NEEDS_APPROVAL else None


def waiting_for(incident: Incident) -> list[Json]:
    """Whom an incident waits for, and which words were given that do not count; empty unless it waits for people."""
    verdict = waiting_verdict(incident)
    if verdict is None:
        return []
    asked = {r.policy for r in verdict.requirements}
    refused = (f"not counted ({f.policy}): {f.reason}; {f.remedy}" for f in verdict.failures if f.policy not in asked)
    return [*(r.describe() for r in verdict.requirements), *dict.fromkeys(refused)]


def incident_row(incident: Incident) -> Row:
    """One incident in a line. `decided` tells a newer verdict from an older one."""
    verdict = verdict_of(incident)
    return {
        "name": incident.id,
        "origin": incident.origin.value,
        "state": incident.state.value,
        "site": incident.site,
        "domain": incident.domain,
        "events": incident.events_seen,
        "attempt": incident.attempt,
        "tenants": _texts(incident.tenants),
        "opened": incident.opened_at.isoformat(timespec="seconds"),
        "summary": incident.summary,
        "decided": write_time(verdict.decided_at) if verdict else None,
        "waiting_for": waiting_for(incident),
    }


def _rack_row(snapshot: Snapshot, rack: Rack) -> Row:
    return {
        "name": rack.id,
        "site": rack.site,
        "watts": int(snapshot.rack_watts(rack.id)),
        "budget_watts": int(rack.power_budget_watts),
        "nodes": len(rack.nodes),
        "feed": rack.power_feed,
        "leaf_switch": rack.leaf_switch,
    }


def _tenant_row(tenant: Tenant, accelerators: int) -> Row:
    return {
        "name": tenant.id,
        "title": tenant.name,
        "isolation": tenant.isolation.value,
        "disruption": tenant.disruption.value,
        "geographic": _texts(tenant.residency.geographic),
        "legal": _texts(tenant.residency.legal),
        "operational": _texts(tenant.residency.operational),
        "accelerators": accelerators,
    }


def _sees_node(snapshot: Snapshot, node: NodeId, sight: Sight) -> bool:
    return sight.everything or sight.of_any(w.tenant for w in snapshot.workloads_on(node))


def _texts(values: Iterable[str]) -> list[Json]:
    return [str(v) for v in values]
