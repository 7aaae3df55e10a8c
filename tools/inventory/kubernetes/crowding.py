"""What pods request of a node that are no replicas: agents of the node itself, work of nobody we know. Pure.

Called by `modelling` for the nodes on which something changed. A replica counts with what its workload's contract says
of it; where the pod itself requests more (one of an older template), the rest is counted here.
"""

from __future__ import annotations

from collections.abc import Callable

from estate.workloads import Workload
from tools.inventory.kubernetes.families import Families, Key
from tools.kubernetes.requirements import MOST_MILLICORES, Room

type Find = Callable[[Key], Workload | None]
"""The workload that a family is; None where the estate does not hold it."""


def others(families: Families, node: str, find: Find) -> Room:
    """What is requested on that node beside its replicas."""
    cpu = memory = 0
    for pod, key in families.pods_on(node):
        if pod.finished:
            continue
        cpu, memory = cpu + pod.ask.room.millicores, memory + pod.ask.room.mebibytes
        workload = find(key) if key is not None else None
        if workload is not None:
            cpu -= workload.contract.millicores
            memory -= workload.contract.host_mebibytes
    return Room(min(max(cpu, 0), MOST_MILLICORES), max(memory, 0))


def asks_alike(before: Workload | None, after: Workload | None) -> bool:
    """Whether its replicas count for the same."""
    if before is None or after is None:
        return before is after
    one, other = before.contract, after.contract
    return (one.millicores, one.host_mebibytes) == (other.millicores, other.host_mebibytes)
