"""Who makes a workload's pods, and what a change of its template does to them. Pure.

Read before anything of a workload is written. What cannot be moved or scaled honestly is a refusal with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from estate.results import Refusal, RefusalCode


class Rollout(StrEnum):
    """What happens to running pods when the template changes."""

    ROLLS = "rolls"
    """The controller replaces all of them by itself."""
    ON_DELETE = "on-delete"
    """Nothing: only a pod that is gone comes back from the new template."""


@dataclass(frozen=True, slots=True)
class OwnerKind:
    """A controller that we know how to write."""

    kind: str
    version: str
    plural: str
    revision_label: str
    """The pod label that tells the template's revisions apart."""


KINDS: Mapping[str, OwnerKind] = {
    "deployment": OwnerKind("Deployment", "apps/v1", "deployments", "pod-template-hash"),
    "statefulset": OwnerKind("StatefulSet", "apps/v1", "statefulsets", "controller-revision-hash"),
    "replicaset": OwnerKind("ReplicaSet", "apps/v1", "replicasets", "pod-template-hash"),
}

_WHY_NOT: Mapping[str, str] = {
    "pod": "is a bare pod: nothing would make it again; put it under a Deployment or a StatefulSet",
    "job": "is a Job, whose template cannot be changed; let it finish, or start it anew where it shall run",
}


def unsupported(kind: str, about: str) -> Refusal | None:
    """Why a workload of this kind is neither moved nor scaled, or None."""
    if kind in KINDS:
        return None
    why = _WHY_NOT.get(kind, f"is controlled by a `{kind}`, which placet does not know how to write; change it there")
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")


def rollout(owner: Mapping[str, Any]) -> Rollout:
    """What a change of this owner's template does."""
    strategy = owner["spec"].get("updateStrategy", {}).get("type")
    rolls = owner["kind"] == "Deployment" or (owner["kind"] == "StatefulSet" and strategy != "OnDelete")
    return Rollout.ROLLS if rolls else Rollout.ON_DELETE


def most_unavailable(owner: Mapping[str, Any]) -> int:
    """How many replicas a rollout of this owner may stop at a time."""
    replicas: int = owner["spec"].get("replicas", 1)
    if owner["kind"] == "StatefulSet":
        rolling = owner["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
        return _share(rolling.get("maxUnavailable", 1), replicas) or 1
    strategy = owner["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    rolling = strategy.get("rollingUpdate") or {}
    return _share(rolling.get("maxUnavailable", "25%"), replicas)


def observed(owner: Mapping[str, Any]) -> bool:
    """Whether its controller has seen the newest spec."""
    return int((owner.get("status") or {}).get("observedGeneration", 0)) >= int(owner["metadata"]["generation"])


def rolled_out(owner: Mapping[str, Any]) -> bool:
    """Whether its controller has seen the newest template and finished with it: every replica is there and serves."""
    status, wanted = owner.get("status") or {}, owner["spec"].get("replicas", 1)
    rolls = rollout(owner) is Rollout.ROLLS
    counts = [status.get(f, 0) for f in ("replicas", "availableReplicas", *(["updatedReplicas"] if rolls else []))]
    return observed(owner) and all(count == wanted for count in counts)


def _share(bound: int | str, replicas: int) -> int:
    """A number, or a percentage of the replicas rounded down, as Kubernetes rounds what may be missing."""
    return bound if isinstance(bound, int) else replicas * int(bound.rstrip("%")) // 100
