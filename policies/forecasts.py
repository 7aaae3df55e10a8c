"""What steps that could not be laid out wanted to draw: so that a stale plan is also told that the power is gone.

Pure arithmetic on what was proposed, used only beyond a refusal; what can be laid out is measured, not forecast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from estate.effects import Step
from estate.ids import NodeId
from estate.snapshots import Snapshot


def wanted(snapshot: Snapshot, steps: Iterable[Step]) -> dict[NodeId, int]:
    """The difference in watts that `steps` would make on each node they would use."""
    sums: defaultdict[NodeId, int] = defaultdict(int)
    for step in steps:
        for node, watts in step.change.wanted_watts(snapshot).items():
            sums[node] += watts
    return dict(sums)
