"""What the estate calls what a cluster names: pure, and the same for the source and the executor (decision 0009)."""

from __future__ import annotations

from estate import names
from estate.errors import BadInput, Denied
from estate.ids import ClusterId, NodeId, TenantId, Uid, WorkloadId
from estate.law import Facts
from estate.workloads import Workload

UNASSIGNED = TenantId("unassigned")
"""The tenant of a namespace that no fact assigns. No fact may know it, so nothing of it may be moved."""


def recognise(facts: Facts, cluster: ClusterId, uid: str) -> None:
    """Check that the cluster at hand, known by the uid of its `kube-system`, is the one that facts speak of.

    Raises:
        Denied: it is another one, or no fact knows it; nothing of it may be taken in.
        BadInput: a fact defines the tenant `unassigned`.
    """
    known = facts.cluster.get(cluster)
    if known is None:
        raise Denied(f"no fact knows a cluster `{cluster}`; add it with `uid: {uid}`, or name another one")
    if known.uid != Uid(uid):
        raise Denied(f"cluster `{cluster}` has the uid `{uid}` where facts say `{known.uid}`; connect to the right one")
    if UNASSIGNED in facts.tenant:
        raise BadInput(f"tenants: `{UNASSIGNED}` is what nobody's namespaces are called; name that tenant otherwise")


def node_id(facts: Facts, cluster: ClusterId, name: str) -> NodeId:
    """`c.n` where facts place it, else `n` where they place that at the cluster's own site, else `c.n`.

    A node that calls itself as another cluster's would be called (`other.n`) never gets that name.
    """
    full, bare = NodeId(names.slug(f"{cluster}.{name}")), NodeId(names.slug(name))
    if full in facts.rack_of or not _placed_here(facts, cluster, bare):
        return full
    return bare


def _placed_here(facts: Facts, cluster: ClusterId, node: NodeId) -> bool:
    rack, known = facts.rack_of.get(node), facts.cluster.get(cluster)
    if rack is None or known is None or facts.rack[rack].site != known.site:
        return False
    first, dot, _ = node.partition(".")
    return not (dot and ClusterId(first) in facts.cluster)


def is_bare(workload: Workload) -> bool:
    """Whether it is a pod under no controller: nothing would make it again."""
    return workload.id.startswith(f"{workload.cluster}.{workload.namespace}.pod.")


def workload_id(cluster: ClusterId, namespace: str, kind: str, name: str) -> WorkloadId:
    """`cluster.namespace.kind.name`, in lower case."""
    return names.workload_id(cluster, namespace, f"{kind.lower()}.{name}")
