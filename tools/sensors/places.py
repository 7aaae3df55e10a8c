"""Where a thing is, in the words of an event's sender: called by every sensor. Pure.

Node, workload, rack and cluster are names that intake resolves again by facts; what has none of these is told by the
nearest rack or site above it, or the nearest rack that hangs on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from estate import neighbours
from estate.ids import NodeId, WorkloadId
from estate.observations import Whereabouts
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Workload


def whereabouts(snapshot: Snapshot, ref: Ref) -> Whereabouts:
    """The place of a thing; the first site of the facts where nothing is known of it."""
    for near in chain((ref,), _around(snapshot, ref)):
        found = _direct(snapshot, near)
        if found is not None:
            return found
    sites = snapshot.facts.sites
    return Whereabouts(site=sites[0].id if sites else "")


def of_workload(workload: Workload) -> Whereabouts:
    """The place of a workload."""
    return Whereabouts(cluster=workload.cluster, namespace=workload.namespace, workload=workload.name)


def _direct(snapshot: Snapshot, ref: Ref) -> Whereabouts | None:
    match ref.kind:
        case "node":
            node = snapshot.node(NodeId(ref.id))
            return Whereabouts(cluster=node.cluster, node_name=node.name) if node else None
        case "workload":
            workload = snapshot.workload(WorkloadId(ref.id))
            return of_workload(workload) if workload else None
        case "rack" if ref.id in snapshot.facts.rack:
            return Whereabouts(rack=ref.id)
        case "cluster" if ref.id in snapshot.facts.cluster:
            return Whereabouts(cluster=ref.id)
        case "site" if ref.id in snapshot.facts.site:
            return Whereabouts(site=ref.id)
        case _:
            return None


def _around(snapshot: Snapshot, ref: Ref) -> Iterator[Ref]:
    """What it names, what is above it, and then what hangs on it, nearest first."""
    item = snapshot.stock.get(ref)
    if item is not None:
        yield from (named for _, named in item.named() if named.kind in ("node", "workload", "rack"))
    yield from neighbours.domains(snapshot, ref)
    yield from neighbours.members(snapshot, ref)
