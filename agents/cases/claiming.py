"""Free devices where a person asked for them, whatever the law says there: so that the law answers, not a parser.

Pure, first fit in the order of node ids. Capacity is respected, because a change that cannot be laid out is no
proposal; law, isolation and power are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from estate.changes.seating import shut_to
from estate.hardware import Health, Node
from estate.ids import ClusterId, NodeId, SiteId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload


@dataclass(frozen=True, slots=True)
class Where:
    """Where replicas shall go: the nodes that count, in order."""

    nodes: tuple[NodeId, ...]
    site: SiteId | None
    cluster: ClusterId | None = None


def claim(snapshot: Snapshot, workload: Workload, replicas: Sequence[int], where: Where) -> tuple[Binding, ...] | None:
    """Free devices for all the replicas within one cluster; None when capacity alone forbids it."""
    nodes = [n for name in where.nodes if (n := snapshot.node(name)) is not None and _fit(n, workload)]
    for cluster in sorted({n.cluster for n in nodes if where.cluster in {None, n.cluster}}):
        here = [n for n in nodes if n.cluster == cluster]
        if (seats := _seats(snapshot, workload, replicas, here)) is not None:
            return seats
    return None


def _seats(
    snapshot: Snapshot, workload: Workload, replicas: Sequence[int], nodes: Iterable[Node]
) -> tuple[Binding, ...] | None:
    needed = workload.contract.accelerators_per_replica
    waiting = list(replicas)
    seats: list[Binding] = []
    for node in nodes:
        free = _free(snapshot, workload, node)
        while waiting and len(free) >= needed:
            held, free = free[:needed], free[needed:]
            seats.append(Binding(replica=waiting.pop(0), node=node.id, accelerators=tuple(held)))
            if not needed:
                break
    return None if waiting else tuple(seats)


def _free(snapshot: Snapshot, workload: Workload, node: Node) -> list[int]:
    taken, contract = snapshot.taken(node.id), workload.contract
    return [
        a.index
        for a in sorted(node.accelerators, key=lambda a: a.index)
        if a.index not in taken
        and a.health is Health.HEALTHY
        and contract.accepts(a.model, a.vendor)
        and a.memory_mebibytes >= contract.memory_mebibytes
    ]


def _fit(node: Node, workload: Workload) -> bool:
    return shut_to(node, workload) is None and node.health is Health.HEALTHY
