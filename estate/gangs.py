"""Gangs: replicas that are of use only together. Who stops one of them stops all of them, wherever they run.

Pure. Called by the changes that stop replicas, and through them by twin, rehearsal, gate and executor. A gang may reach
over several workloads (the jobs of one JobSet), and a workload may hold several (the groups of a LeaderWorkerSet).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from estate.ids import NodeId, TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding

type Stops = Mapping[WorkloadId, tuple[Binding, ...]]
"""Running replicas that stop, by workload."""


def together(snapshot: Snapshot, leaving: Mapping[WorkloadId, Collection[Binding]]) -> Stops:
    """Every running replica that stops when these leave: they, and the whole of each gang that one of them is in."""
    stops = {w: {b.replica: b for b in bindings} for w, bindings in leaving.items()}
    found = ((snapshot.workload(w), b) for w, bindings in leaving.items() for b in bindings)
    for gang in {g for w, b in found if w is not None and (g := w.gang_of(b.replica)) is not None}:
        for workload in snapshot.in_gang(gang):
            members = {b.replica: b for b in workload.bindings if workload.gang_of(b.replica) == gang}
            stops.setdefault(workload.id, {}).update(members)
    return {w: tuple(stops[w][replica] for replica in sorted(stops[w])) for w in sorted(stops)}


def stopped(snapshot: Snapshot, stops: Stops) -> Snapshot:
    """The estate once all of these are pending."""
    for name, bindings in stops.items():
        workload = snapshot.workload(name)
        if workload is not None and bindings:
            snapshot = snapshot.with_workload(workload.without(bindings))
    return snapshot


def counts(stops: Stops) -> dict[WorkloadId, int]:
    """How many replicas stop of each workload."""
    return {w: len(bindings) for w, bindings in stops.items()}


def nodes_of(stops: Stops) -> set[NodeId]:
    """The nodes that lose a replica."""
    return {b.node for bindings in stops.values() for b in bindings}


def tenants_of(snapshot: Snapshot, workloads: Iterable[WorkloadId]) -> set[TenantId]:
    """Whose these workloads are, as far as they are known."""
    return {found.tenant for w in workloads if (found := snapshot.workload(w)) is not None}
