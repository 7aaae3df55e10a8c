"""What of a workload would have to leave its place to stand lawfully again. Pure; case graphs plan with it.

No verdict: whether it stands unlawfully was said by the law (`policies.watching`), and whether it may go where a plan
sends it, the gate says.
"""

from __future__ import annotations

from datetime import datetime

from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import completeness, lineages, neighbours, sovereignty


def amiss(snapshot: Snapshot, workload: Workload, now: datetime) -> tuple[Binding, ...]:
    """Its replicas that would be lawful, if at all, elsewhere only: all of them where its cluster is not lawful for it,
    else those on nodes that facts do not place or where somebody is too close.
    """
    facts, own = snapshot.facts, workload.cluster
    lawful = all(axis.holds for axis in sovereignty.exposure(facts, workload, own))
    lapsed = lineages.lapsed(facts, workload.datasets, sovereignty.reached(facts, own), now)
    if not lawful or lapsed or lineages.ungranted(facts, workload.tenant, workload.datasets, own, now):
        return workload.bindings
    return tuple(b for b in workload.bindings if _misplaced(snapshot, workload, b))


def _misplaced(snapshot: Snapshot, workload: Workload, binding: Binding) -> bool:
    node = snapshot.node(binding.node)
    if node is None or completeness.missing_place(snapshot.facts, node.cluster, node.id):
        return True
    return neighbours.crowded(neighbours.beside(snapshot, workload, (node.id,)))
