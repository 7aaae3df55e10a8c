"""Relaxations made: the estate, or the ask, once one constraint is out of the way where an attempt would go. Pure.

Called by `relaxations`. The law is none of them: no axis of sovereignty is ever relaxed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from estate import pledges
from estate.hardware import Health
from estate.ids import NodeId, VolumeId
from estate.law import ClusterName, Facts, Network, Quota, Volume
from estate.law.tenants import Namespace
from estate.machines import Software
from estate.snapshots import Snapshot
from estate.units import Mebibytes, MilliGpu, Watts
from estate.workloads import BandwidthClass, Workload
from policies.holdings import Held
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints import machines, quotas, sizes
from tools.placement.constraints.devices import least_limit
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.localities import most_rails
from tools.placement.constraints.power import lacking_watts
from tools.placement.constraints.reservations import released
from tools.placement.constraints.rules import models_on
from tools.placement.offering.aside import holders
from tools.placement.offering.cases import Case, Change


def least_memory(case: Case, rows: Ints) -> int:
    """The memory of the smallest accelerator of these nodes, in MiB."""
    columns = case.wish.columns
    return int(columns.memory[rows][columns.exists[rows]].min())


def with_contract(case: Case, **over: object) -> Snapshot:
    """The estate in which its contract says otherwise."""
    return pledges.revised(case.snapshot, case.workload, over)


def _with_nodes(case: Case, attempt: Attempt, **over: object) -> Change:
    running = case.snapshot
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        running = running.with_node(node.model_copy(update=over))
    return running, case.ask


def _lifted(case: Case, attempt: Attempt) -> Change:
    """Without the taints that repel it."""
    running = case.snapshot
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        borne = tuple(t for t in node.taints if not t.effect.closes or case.workload.tolerates(t))
        running = running.with_node(node.model_copy(update={"taints": borne}))
    return running, case.ask


def _allowing(case: Case, attempt: Attempt) -> Change:
    columns = case.wish.columns
    sites = {columns.names.sites[columns.site[r]] for r in attempt.rows}
    return case.snapshot, replace(case.ask, sites=tuple(sorted({*case.ask.sites, *sites})))


def _accepting(case: Case, attempt: Attempt) -> Change:
    models = models_on(case.wish.columns, np.array(attempt.rows))
    contract = case.workload.contract
    named = contract.models or tuple(
        m for m, v in zip(case.wish.columns.models, case.wish.columns.makers, strict=True) if contract.accepts(m, v)
    )
    return with_contract(case, models=tuple(sorted({*named, *models})), vendors=()), case.ask


def _freed(case: Case, attempt: Attempt) -> Change:
    """The devices are freed: whoever holds them is no longer there."""
    running = case.snapshot
    for name, bindings in holders(case, attempt).items():
        holder = running.workload(name)
        assert holder is not None
        running = running.with_workload(holder.without(bindings))
    return running, case.ask


def _powered(case: Case, attempt: Attempt) -> Change:
    """The racks get the watts that they lack."""
    racks = {r.id: r for r in case.snapshot.facts.racks}
    for rack, watts in lacking_watts(case.wish, attempt).items():
        budget = Watts(racks[rack].power_budget_watts + watts)
        racks[rack] = racks[rack].model_copy(update={"power_budget_watts": budget})
    return case.snapshot.with_facts(_renewed(case.snapshot.facts, racks=tuple(racks.values()))), case.ask


def _raised(case: Case, attempt: Attempt) -> Change:
    """Every quota of the facts that is too small is as large as it takes; a ceiling of the house stays what it is."""
    tenants = {t.id: t for t in case.snapshot.facts.tenants}
    for bound, used in quotas.short(case.wish, attempt):
        known = tenants[bound.tenant]
        raised = tuple(_enough(q, used) if q == bound.quota else q for q in known.quotas)
        tenants[bound.tenant] = known.model_copy(update={"quotas": raised})
    return case.snapshot.with_facts(_renewed(case.snapshot.facts, tenants=tuple(tenants.values()))), case.ask


def _enough(quota: Quota, used: Held) -> Quota:
    devices, watts = quota.accelerators, quota.watts
    over = {
        "accelerators": None if devices is None else MilliGpu(max(devices, used.devices * 1000)),
        "watts": None if watts is None else Watts(max(watts, used.watts)),
    }
    return quota.model_copy(update=over)


def _added(case: Case, field: str, lacking: Mapping[int, int]) -> Change:
    """The nodes get the processors or the memory that they lack."""
    running = case.snapshot
    for row, lack in lacking.items():
        node = running.node(case.wish.columns.ids[row])
        assert node is not None
        running = running.with_node(node.model_copy(update={field: getattr(node, field) + lack}))
    return running, case.ask


def rails(case: Case, attempt: Attempt) -> int:
    """How many rails there are for each replica."""
    return min(most_rails(case.wish, attempt.rows), case.workload.contract.rails - 1)


def _speed(case: Case, attempt: Attempt) -> int:
    return case.workload.contract.rail_speed if rails(case, attempt) else 0


def _upgraded(case: Case, attempt: Attempt) -> Change:
    """What the contract names is installed there in the version that it needs."""
    running, required = case.snapshot, case.workload.contract.software
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        old = {r.name for r in required if not r.met_by(node.software)}
        new = [Software(name=r.name, version=r.at_least) for r in required if r.name in old]
        kept = [s for s in node.software if s.name not in old]
        software = tuple(sorted((*kept, *new), key=lambda s: s.name))
        running = running.with_node(node.model_copy(update={"software": software}))
    return running, case.ask


def _cleared(case: Case, attempt: Attempt) -> Change:
    """Other tenants' work leaves the racks of these nodes."""
    running = case.snapshot
    for node in _near(case, attempt):
        for workload in running.workloads_on(node):
            if workload.tenant != case.workload.tenant:
                running = running.with_workload(workload.without(workload.on(node)))
    return running, case.ask


def _near(case: Case, attempt: Attempt) -> Iterable[NodeId]:
    """The nodes themselves, if that is enough; else their racks."""
    nodes = tuple(dict.fromkeys(b.node for b in attempt.bindings))
    racks = {r for n in nodes if (r := case.snapshot.rack_of(n)) is not None}
    whole = tuple(n for r in sorted(racks) for n in case.snapshot.facts.rack[r].nodes)
    return whole or nodes


def _admitted(case: Case, attempt: Attempt) -> Change:
    """Its tenant is named among those of what it is attached to there, and of the networks of those nodes."""
    columns, facts, workload = case.wish.columns, case.snapshot.facts, case.workload
    nodes = {columns.ids[r] for r in attempt.rows}
    clusters = {columns.names.clusters[columns.cluster[r]] for r in attempt.rows}
    names = {(c, a.called(workload.namespace)) for c in clusters for a in workload.attachments}

    def meant(found: Volume | Network) -> bool:
        named = any((n.cluster, n.name) in names for n in found.names)
        return named or (isinstance(found, Network) and not nodes.isdisjoint(found.nodes))

    strange = sorted(names - facts.belongings.keys())
    told = tuple(ClusterName.model_construct(cluster=c, name=n) for c, n in strange)  # as a cluster wrote it
    own = (Volume.model_construct(id=VolumeId("of-its-own"), tenants=(workload.tenant,), names=told),) if told else ()
    volumes = (*(_sharing(v, workload) if meant(v) else v for v in facts.volumes), *own)
    networks = tuple(_sharing(n, workload) if meant(n) else n for n in facts.networks)
    return case.snapshot.with_facts(_renewed(facts, volumes=volumes, networks=networks)), case.ask


def _sharing[B: (Volume, Network)](found: B, workload: Workload) -> B:
    if found.admits(workload.tenant):
        return found
    return found.model_copy(update={"tenants": (*found.tenants, workload.tenant)})


def _given(case: Case, attempt: Attempt) -> Change:
    """The namespace of those clusters becomes the tenant's."""
    columns, facts, tenant = case.wish.columns, case.snapshot.facts, case.workload.tenant
    known = facts.tenant.get(tenant)
    if known is None:
        return case.snapshot, case.ask
    clusters = {columns.names.clusters[columns.cluster[r]] for r in attempt.rows}
    spaces = {(n.cluster, n.name) for n in known.namespaces} | {(c, case.workload.namespace) for c in clusters}
    held = {s for s in spaces if facts.tenant_of.get(s) in (None, tenant)}
    namespaces = tuple(Namespace(cluster=c, name=n) for c, n in sorted(held))
    given = known.model_copy(update={"namespaces": namespaces})
    tenants = tuple(given if t.id == tenant else t for t in facts.tenants)
    return case.snapshot.with_facts(_renewed(facts, tenants=tenants)), case.ask


def _renewed(facts: Facts, **over: object) -> Facts:
    """A copy with these fields, made anew, so that no index of the old one is carried along."""
    fields = {name: getattr(facts, name) for name in type(facts).model_fields}
    return Facts(**fields | over)


def _stood(case: Case, attempt: Attempt) -> Change:
    """Facts place those nodes in a rack at their cluster's site."""
    facts = case.snapshot.facts
    racks = {r.id: r for r in facts.racks}
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = case.snapshot.node(name)
        cluster = facts.cluster.get(node.cluster) if node is not None else None
        at = facts.racks_at.get(cluster.site, ()) if cluster is not None else ()
        if not at:
            return case.snapshot, case.ask
        racks = {r.id: r.model_copy(update={"nodes": tuple(n for n in r.nodes if n != name)}) for r in racks.values()}
        racks[at[0]] = racks[at[0]].model_copy(update={"nodes": (*racks[at[0]].nodes, name)})
    return case.snapshot.with_facts(_renewed(facts, racks=tuple(racks.values()))), case.ask


APPLIED: dict[Constraint, Callable[[Case, Attempt], Change]] = {
    Constraint.AVOID: lambda c, a: (
        c.snapshot,
        replace(c.ask, avoid=c.ask.avoid - {b.node for b in a.bindings}),
    ),
    Constraint.SITE: _allowing,
    Constraint.CORDON: lambda c, a: _with_nodes(c, a, cordoned=False),
    Constraint.TAINT: _lifted,
    Constraint.RESERVED: lambda c, a: (released(c.wish, a), c.ask),
    Constraint.FREE: _freed,
    Constraint.CPU: lambda c, a: _added(c, "millicores", machines.lacking(c.wish, a, lambda room: room.cpu)),
    Constraint.HOST_MEMORY: lambda c, a: _added(
        c, "allots_mebibytes", machines.lacking(c.wish, a, lambda room: room.memory)
    ),
    Constraint.RAILS: lambda c, a: (with_contract(c, rails=rails(c, a), rail_speed=_speed(c, a)), c.ask),
    Constraint.LOCALITY: lambda c, _: (with_contract(c, locality=None), c.ask),
    Constraint.LIMIT: lambda c, a: (with_contract(c, limit_watts=Watts(least_limit(c.wish, a))), c.ask),
    Constraint.SIZE: lambda c, _: (
        c.snapshot.with_workload(c.workload.model_copy(update={"contract": sizes.instead(c.wish)})),
        c.ask,
    ),
    Constraint.SOFTWARE: _upgraded,
    Constraint.POWER: _powered,
    Constraint.QUOTA: _raised,
    Constraint.HEALTH: lambda c, a: _with_nodes(c, a, health=Health.HEALTHY),
    Constraint.NVLINK: lambda c, _: (with_contract(c, bandwidth=BandwidthClass.SAME_NODE), c.ask),
    Constraint.TOGETHER: lambda c, _: (with_contract(c, together=None), c.ask),
    Constraint.SPREAD: lambda c, _: (with_contract(c, spread=None), c.ask),
    Constraint.MODEL: _accepting,
    Constraint.MEMORY: lambda c, a: (
        with_contract(c, memory_mebibytes=Mebibytes(least_memory(c, np.array(a.rows)))),
        c.ask,
    ),
    Constraint.ISOLATION: _cleared,
    Constraint.NAMESPACE: _given,
    Constraint.ATTACHED: _admitted,
    Constraint.PLACED: _stood,
}
