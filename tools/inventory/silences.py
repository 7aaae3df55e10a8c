"""What a cluster that shows nothing may hold, as far as facts know its nodes: pure.

Called by the writer once it has waited long enough. Of a cluster that nobody sees every node is there, nothing of it is
healthy, and somebody whom no fact knows stands on it: so nothing is placed there, no rack of it looks free to anybody,
and whatever another source really sees takes the place of what is only assumed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from estate.hardware import Health, Node
from estate.ids import ClusterId, NodeId, Uid, WorkloadId
from estate.law import Facts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from tools.inventory.port import Observed
from tools.kubernetes import naming

ASSUMED: Final = "assumed/"
"""How the sources of what is assumed are called: theirs is whatever nobody else claims."""
_UID: Final = Uid("unseen")
_MOST: Final = 10_000
"""Replicas of one workload."""


def assumed(facts: Facts, cluster: ClusterId) -> Observed:
    """All that is assumed of a cluster that was not seen."""
    placed = sorted(_placed(facts, cluster), key=lambda found: found[0])
    nodes = tuple(Node(id=node, uid=_UID, cluster=cluster, name=name, health=Health.UNKNOWN) for node, name in placed)
    workloads = tuple(
        _somebodys(cluster, part, nodes[at : at + _MOST]) for part, at in enumerate(range(0, len(nodes), _MOST))
    )
    return Observed(source=_source(cluster), nodes=nodes, workloads=workloads, whole=True)


def seen(cluster: ClusterId) -> Observed:
    """It was seen: nothing of it is assumed any more."""
    return Observed(source=_source(cluster), whole=True)


def is_assumed(workload: Workload) -> bool:
    """Whether nobody saw it: it stands for whatever may run there."""
    return workload.uid == _UID


def _source(cluster: ClusterId) -> str:
    return f"{ASSUMED}{cluster}"


def _placed(facts: Facts, cluster: ClusterId) -> Iterator[tuple[NodeId, str]]:
    """Each node that could be the cluster's, with what the cluster would call it."""
    known = facts.cluster.get(cluster)
    for node, rack in facts.rack_of.items():
        name = node.removeprefix(f"{cluster}.")
        if known is not None and facts.rack[rack].site == known.site and naming.node_id(facts, cluster, name) == node:
            yield node, name


def _somebodys(cluster: ClusterId, part: int, nodes: tuple[Node, ...]) -> Workload:
    return Workload(
        id=WorkloadId(f"{cluster}.unseen.{part}"),
        uid=_UID,
        tenant=naming.UNASSIGNED,
        cluster=cluster,
        namespace="",
        name="unseen",
        kind=WorkloadKind.BATCH,
        contract=WorkloadContract(accelerators_per_replica=0),
        replicas=len(nodes),
        bindings=tuple(Binding(replica=i, node=n.id) for i, n in enumerate(nodes)),
        counted=True,
    )
