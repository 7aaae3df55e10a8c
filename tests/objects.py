"""Manifests for tests: one of each kind that Placet applies, as a tenant would write it."""

from __future__ import annotations

from typing import Any

from estate.changes import ApplyManifest, DeleteObject, adapter
from estate.ids import Uid
from estate.manifests import KINDS
from estate.objects import MADE

type Manifest = dict[str, Any]

PODS: dict[str, Any] = {"podSelector": {"matchLabels": {"app": "serve"}}}
PORT = {"port": 80, "protocol": "TCP", "targetPort": 8080}
SPECS: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"rate": "5"}},
    "LimitRange": {"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "5Gi"}}]}},
    "NetworkPolicy": {"spec": PODS | {"policyTypes": ["Ingress"]}},
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "serve"}}}},
    "ResourceQuota": {"spec": {"hard": {"requests.cpu": "10", "pods": "20"}}},
    "Service": {"spec": {"selector": {"app": "serve"}, "ports": [PORT]}},
}


def manifest(kind: str = "ConfigMap", namespace: str = "tenant-a", name: str = "serve", **content: Any) -> Manifest:
    """A manifest of that kind; `content` replaces `spec`, `data`, `labels`."""
    about = {"name": name, "namespace": namespace} | {
        k: content.pop(k) for k in ("labels", "annotations") if k in content
    }
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": about} | (content or SPECS[kind])


def apply(made: Manifest, before: Manifest | None = None, uid: str = MADE, cluster: str = "eu-1") -> ApplyManifest:
    """Make the object, or change the one that was applied as `before`."""
    held = None if before is None else {"uid": Uid(uid), "manifest": before}
    found = adapter.validate_python({"kind": "ApplyManifest", "cluster": cluster, "manifest": made, "before": held})
    assert isinstance(found, ApplyManifest)
    return found


def delete(before: Manifest, uid: str = MADE, cluster: str = "eu-1") -> DeleteObject:
    """Delete what was applied as `before`."""
    held = {"uid": uid, "manifest": before}
    found = adapter.validate_python({"kind": "DeleteObject", "cluster": cluster, "before": held})
    assert isinstance(found, DeleteObject)
    return found
