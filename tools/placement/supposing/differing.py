"""Two estates side by side: what is unlawful, unpowered, moved or over its quota in one and not in the other. Pure.

Called by `settling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from estate.hardware import Health
from estate.ids import NodeId, RackId, TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from policies import completeness, neighbours, remedies, sovereignty
from policies.quotas import Books
from tools.placement.port import Ask, Engine
from tools.placement.supposing.outcomes import Fit, Moved, OverQuota, Unlawful, Unpowered

_MOST_LOOKED: Final = 64
"""Workloads that wait and are looked at for whether they would fit."""


def unlawful(before: Snapshot, after: Snapshot, now: datetime) -> Iterator[Unlawful]:
    """What would stand unlawfully. Only those are asked whom the suppositions may concern: all under another law."""
    for name in _concerned(before, after):
        workload, was = after.workload(name), before.workload(name)
        if workload is None:
            continue
        out = remedies.amiss(after, workload, now)
        if out and (was is None or set(out) - set(remedies.amiss(before, was, now))):
            nodes = tuple(sorted({b.node for b in out}))
            broken = tuple(_broken(after, workload, nodes))
            yield Unlawful(workload=name, tenant=workload.tenant, nodes=nodes, broken=broken)


def _concerned(before: Snapshot, after: Snapshot) -> list[WorkloadId]:
    touched = after.touched_since(before)
    if touched is None:
        return [w.id for w in after.workloads()]
    racks = {r for n in touched if (r := after.rack_of(n)) is not None}
    near = {*touched, *(n for r in racks for n in after.facts.rack[r].nodes)}
    return sorted({w.id for n in near for w in after.workloads_on(n)})


def _broken(snapshot: Snapshot, workload: Workload, nodes: tuple[NodeId, ...]) -> Iterator[str]:
    facts = snapshot.facts
    axes = [a for a in sovereignty.exposure(facts, workload, workload.cluster) if not a.holds]
    yield from (a.dimension.value for a in axes)
    if any(completeness.missing_place(facts, workload.cluster, n) for n in nodes):
        yield "facts"
    if neighbours.crowded(neighbours.beside(snapshot, workload, nodes)):
        yield "tenant"


def unpowered(before: Snapshot, after: Snapshot) -> Iterator[Unpowered]:
    """Racks that would draw more than they may."""
    for rack in after.facts.racks:
        drawn, budget = int(after.rack_watts(rack.id)), int(rack.power_budget_watts)
        if drawn > budget and not _over_budget(before, rack.id):
            yield Unpowered(of=f"rack/{rack.id}", drawn_watts=drawn, budget_watts=budget)


def _over_budget(snapshot: Snapshot, rack: RackId) -> bool:
    known = snapshot.facts.rack.get(rack)
    return known is not None and snapshot.rack_watts(rack) > known.power_budget_watts


def moved(before: Snapshot, after: Snapshot) -> Iterator[Moved]:
    """Replicas that would run elsewhere."""
    touched = after.touched_since(before)
    names = (
        [w.id for w in after.workloads()]
        if touched is None
        else sorted({w.id for n in touched for w in after.workloads_on(n)})
    )
    for name in names:
        was, now = before.workload(name), after.workload(name)
        places = {b.replica: b.node for b in was.bindings} if was is not None else {}
        for binding in now.bindings if now is not None else ():
            if places.get(binding.replica) != binding.node:
                source = places.get(binding.replica)
                yield Moved(workload=name, replica=binding.replica, source=source, target=binding.node)


def over_quota(before: Snapshot, after: Snapshot) -> Iterator[OverQuota]:
    """Tenants that would use more than they may."""
    books = Books()
    was = {(b.tenant, b.scope): b.left(used) for b, used in books.every(before)}
    for bound, used in books.every(after):
        if bound.left(used) < 0 <= was.get((bound.tenant, bound.scope), 0):
            most = bound.devices or 0
            yield OverQuota(tenant=bound.tenant, scope=bound.scope, used=used.devices, quota=most)


def fits(engine: Engine, before: Snapshot, after: Snapshot, payers: Iterable[TenantId], now: datetime) -> Iterator[Fit]:
    """What waits of these tenants, and of all below them, and finds a home in one of the two alone; the largest first,
    each by itself.
    """
    below = {t for p in payers for t in after.facts.tenants_below.get(p, ())}
    found = [w for w in after.workloads() if w.tenant in below and len(w.bindings) < w.replicas]
    for workload in sorted(found, key=lambda w: (-w.contract.accelerators_per_replica, -w.replicas, w.id))[
        :_MOST_LOOKED
    ]:
        bound = {b.replica for b in workload.bindings}
        ask = Ask(workload.id, tuple(r for r in range(workload.replicas) if r not in bound), at=now)
        was, would = (engine.seats(snapshot, ask) is not None for snapshot in (before, after))
        if was is not would:
            yield Fit(workload=workload.id, tenant=workload.tenant, replicas=ask.replicas, fits=would)


def free(snapshot: Snapshot) -> int:
    """The healthy free accelerators of open, healthy nodes."""
    found = 0
    for node in snapshot.nodes():
        if not node.fenced and node.health is Health.HEALTHY:
            taken = snapshot.taken(node.id)
            found += sum(1 for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken)
    return found
