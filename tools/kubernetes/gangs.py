"""Which pods are of use only together, by what they and their controllers say. Pure.

Called for what the inventory sees and for what the executor stops, so that both mean the same gang. What is read: the
labels of JobSet and LeaderWorkerSet, the pod groups of Kubernetes' own scheduler, of the scheduler plugins, of Volcano
and of Kueue, and a training Job that numbers its pods. No custom resource is read: a group that is scheduled together
is taken for one that stops together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from estate import names
from estate.ids import ClusterId, GangId
from estate.workloads import WorkloadKind
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw

_JOB_SET: Final = "jobset.sigs.k8s.io/jobset-name"
_LEADER_SET: Final = "leaderworkerset.sigs.k8s.io/name"
_LEADER_GROUP: Final = "leaderworkerset.sigs.k8s.io/group-index"
_POD_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "coscheduling": ("scheduling.x-k8s.io/pod-group", "pod-group.scheduling.sigs.k8s.io"),
    "volcano": ("scheduling.k8s.io/group-name", "scheduling.volcano.sh/group-name"),
    "kueue": ("kueue.x-k8s.io/pod-group-name",),
}
"""The label or annotation by which each names a pod's group; both are read, since each has used either."""
_MADE_BY_VOLCANO: Final = "podgroup-"
"""Volcano puts the pods of whatever asked for no group (every Deployment's) into one so named: they are no gang."""
_TRAINS: Final = frozenset({WorkloadKind.TRAINING, WorkloadKind.FINE_TUNING})


def told(about: Raw, spec: Raw) -> str:
    """The gang that a pod (or a template) names by its metadata and spec, the widest first; empty where it names none.

    Raises:
        BadInput: a field cannot be read.
    """
    labels, notes = (fields.words(about.get(k), f"metadata.{k}") for k in ("labels", "annotations"))
    if name := labels.get(_JOB_SET):
        return f"jobset.{name}"
    if (name := labels.get(_LEADER_SET)) and (group := labels.get(_LEADER_GROUP)):
        return f"leaderworkerset.{name}.{group}"
    if name := _scheduled_as(spec):
        return f"podgroup.{name}"
    for scheduler, keys in _POD_GROUPS.items():
        name = next((n for key in keys if (n := labels.get(key) or notes.get(key))), "")
        if name and not name.startswith(_MADE_BY_VOLCANO):
            return f"{scheduler}.{name}"
    return ""


def of_job(name: str, spec: Raw, kind: WorkloadKind | None) -> str:
    """The gang that a Job's pods are where it trains on several numbered pods at once; else empty."""
    numbered = fields.text(spec.get("completionMode"), "spec.completionMode") == "Indexed"
    several = fields.integer(spec.get("parallelism"), "spec.parallelism", 1) > 1
    return f"job.{name}" if numbered and several and kind in _TRAINS else ""


def identified(cluster: ClusterId, namespace: str, gang: str) -> GangId:
    """What the estate calls a gang."""
    return GangId(names.slug(f"{cluster}.{namespace}.{gang}"))


def _scheduled_as(spec: Raw) -> str:
    """Kubernetes' own group: `schedulingGroup` since 1.36, `workloadRef` in 1.35."""
    group = fields.mapping(spec.get("schedulingGroup"), "spec.schedulingGroup")
    if name := fields.text(group.get("podGroupName"), "spec.schedulingGroup.podGroupName"):
        return name
    ref = fields.mapping(spec.get("workloadRef"), "spec.workloadRef")
    parts = (fields.text(ref.get(k), f"spec.workloadRef.{k}") for k in ("name", "podGroup", "podGroupReplicaKey"))
    return ".".join(p for p in parts if p)
