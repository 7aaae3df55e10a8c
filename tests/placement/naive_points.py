"""The published score a second time, in plain Python and floating point."""

from __future__ import annotations

import math

from estate.hardware import Node
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tests.placement import naive


def points(running: Snapshot, workload: Workload, node: Node) -> int:
    """The published score by whole devices, where 1, 2, 4 and 8 of them are equally likely next."""
    contract, levels = workload.contract, [naive.milli(running, node, a.index) for a in node.accelerators]
    free, needed = levels.count(1000), contract.accelerators_per_replica

    def useful(devices: int) -> float:
        return sum(devices for size in (1, 2, 4, 8) if size <= devices) / 4

    def gained(left: int, taken: float) -> int:
        idle = 0 if needed else len(node.accelerators) / 10
        return int(100 / (1 + math.exp(-(useful(left) - useful(free) + taken - idle))))

    if contract.share is None:
        return gained(free - needed, needed)
    return max(gained(free - (level == 1000), contract.share / 1000) for level in levels if level >= contract.share)
