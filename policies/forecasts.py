"""What steps that could not be laid out wanted to draw: so that a stale plan is also told that the power is gone.

Pure arithmetic on what was proposed, used only beyond a refusal; what can be laid out is measured, not forecast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import assert_never

from estate.changes import Change, CordonNode, MoveWorkload, ScaleWorkload, SetPowerCap, UncordonNode
from estate.effects import Step
from estate.ids import NodeId
from estate.snapshots import Snapshot


def wanted(snapshot: Snapshot, steps: Iterable[Step]) -> dict[NodeId, int]:
    """The difference in watts that `steps` would make on each node they would use."""
    sums: defaultdict[NodeId, int] = defaultdict(int)
    for step in steps:
        for node, watts in _differences(snapshot, step.change):
            sums[node] += watts
    return dict(sums)


def _differences(snapshot: Snapshot, change: Change) -> Iterator[tuple[NodeId, int]]:
    match change:
        case MoveWorkload():
            workload = snapshot.workload(change.workload)
            each = workload.watts_per_accelerator if workload else 0
            held = {b.replica: len(b.accelerators) for b in workload.bindings} if workload else {}
            for move in change.moves:
                if move.source:
                    yield move.source, -each * held.get(move.replica, 0)
                if move.target:
                    yield move.target, each * len(move.accelerators)
        case ScaleWorkload():
            workload = snapshot.workload(change.workload)
            each = workload.watts_per_accelerator if workload else 0
            for binding in change.bindings:
                yield binding.node, each * len(binding.accelerators)
        case CordonNode() | UncordonNode() | SetPowerCap():
            yield change.node, 0
        case _:
            assert_never(change)
