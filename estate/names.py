"""What the estate calls what others name: slugs, and the ids of workloads. Pure.

Called by sources, and by changes that make a workload: so what a source will see is called what the change said.
"""

from __future__ import annotations

import hashlib
import re

from estate.ids import ClusterId, GangId, WorkloadId
from estate.workloads import Workload

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9.\-]{0,126}[a-z0-9])?")
_ODD = re.compile(r"[^a-z0-9.\-]+")
_STEM = 107


def slug(text: str) -> str:
    """`text` where it is a slug; else what of it can stand in one, and 80 bits of its digest, so that none collide."""
    if _SLUG.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    stem = _ODD.sub("-", text.lower())[:_STEM].strip("-.")
    return f"{stem}-{digest}" if stem else digest


def workload_id(cluster: ClusterId, namespace: str, own: str) -> WorkloadId:
    """`cluster.namespace.own`; on Kubernetes, `own` is the kind in lower case, a dot, and the name."""
    return WorkloadId(slug(f"{cluster}.{namespace}.{own}"))


def elsewhere(workload: Workload, cluster: ClusterId, namespace: str) -> WorkloadId:
    """What a copy of `workload` in that namespace of another cluster is called."""
    return workload_id(cluster, namespace, workload.id.removeprefix(f"{workload.cluster}.{workload.namespace}."))


def gang_elsewhere(gang: GangId, workload: Workload, cluster: ClusterId, namespace: str) -> GangId:
    """What the gang of `workload` is called in that namespace of another cluster: copies are a gang of their own."""
    own = gang.removeprefix(f"{workload.cluster}.{workload.namespace}.")
    return GangId(slug(f"{cluster}.{namespace}.{own}"))


def are_counterparts(one: Workload, other: Workload) -> bool:
    """Whether one is called as a copy of the other is: the same work of the same tenant, in two clusters."""
    if one.cluster == other.cluster or one.tenant != other.tenant:
        return False
    there, here = ((w.cluster, w.namespace) for w in (other, one))
    return elsewhere(one, *there) == other.id or elsewhere(other, *here) == one.id
