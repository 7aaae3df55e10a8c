"""Whether workloads run as they were promised to: on sound nodes and devices, as many as must be available. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from estate.hardware import Health
from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload


def runs(snapshot: Snapshot, binding: Binding) -> bool:
    """Whether a replica's node is there and neither it nor one of its devices has failed."""
    node = snapshot.node(binding.node)
    if node is None or node.health is Health.FAILED:
        return False
    failed = {a.index for a in node.accelerators if a.health is Health.FAILED}
    return not failed.intersection(binding.accelerators)


def unwell(snapshot: Snapshot, workloads: Iterable[WorkloadId]) -> tuple[tuple[WorkloadId, str], ...]:
    """Those that run fewer replicas than promised, each with its fault; who is not there any more was removed."""
    found = ((name, snapshot.workload(name)) for name in workloads)
    return tuple((name, fault) for name, w in found if w is not None and (fault := _fault(snapshot, w)))


def _fault(snapshot: Snapshot, workload: Workload) -> str | None:
    least = min(workload.replicas, max(1, workload.contract.min_available))
    running = sum(1 for b in workload.bindings if runs(snapshot, b))
    return f"`{workload.id}` runs {running} replicas where {least} are promised" if running < least else None
