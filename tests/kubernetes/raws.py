"""Raw Kubernetes objects with valid defaults; a test states only what counts."""

from __future__ import annotations

from typing import Any

type Raw = dict[str, Any]


def metadata(name: str, namespace: str = "", **over: Any) -> Raw:
    """Name, uid, and a namespace unless it is empty."""
    fields: Raw = {"name": name, "uid": f"uid-{namespace or 'cluster'}-{name}", "resourceVersion": "1"}
    return fields | ({"namespace": namespace} if namespace else {}) | over


def node(name: str = "eu-a1", *, gpus: int = 8, allots: int | None = None, ready: str = "True", **over: Any) -> Raw:
    """A ready node with eight H100s by the GPU operator's labels; `over` goes into its metadata."""
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"} if gpus else {}
    usable = gpus if allots is None else allots
    return {
        "metadata": metadata(name, **({"labels": labels} | over)),
        "spec": {},
        "status": {
            "capacity": {"cpu": "96", "memory": "2Ti", "pods": "110", "nvidia.com/gpu": str(gpus)},
            "allocatable": {"cpu": "95", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": str(usable)},
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"bootID": f"boot-{name}"},
        },
    }


def template(gpus: int = 2, labels: dict[str, str] | None = None, **spec: Any) -> Raw:
    """A pod template of one container with that many GPUs."""
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "main", "image": "work", "resources": {"limits": limits}}
    return {"metadata": {"labels": labels or {"app": "work"}}, "spec": {"containers": [container]} | spec}


def owner(kind: str, name: str, namespace: str = "tenant-a", *, replicas: int = 2, **over: Any) -> Raw:
    """A Deployment, ReplicaSet, StatefulSet or Job. `by` is its own controller; `gpus` and `spec` go into its spec."""
    by, spec = over.pop("by", None), {"template": template(over.pop("gpus", 2))} | over.pop("spec", {})
    counted = {"parallelism": replicas} if kind == "Job" else {"replicas": replicas}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": metadata(name, namespace, uid=f"uid-{namespace}-{kind}-{name}", **over)
        | ({"ownerReferences": [reference(by)]} if by else {}),
        "spec": counted | spec,
    }


def reference(to: Raw) -> Raw:
    """The reference by which an object names its controller."""
    return {k: to[k] for k in ("apiVersion", "kind")} | {
        "name": to["metadata"]["name"],
        "uid": to["metadata"]["uid"],
        "controller": True,
    }


def pod(name: str, namespace: str = "tenant-a", *, by: Raw | None = None, on: str = "", **over: Any) -> Raw:
    """A running pod on `on` (pending where that is empty) under the controller `by`."""
    running = template(over.pop("gpus", 2))
    phase = over.pop("phase", "Running" if on else "Pending")
    labels = over.pop("labels", running["metadata"]["labels"])
    owners = {"ownerReferences": [reference(by)]} if by else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, namespace, labels=labels, **owners, **over),
        "spec": running["spec"] | ({"nodeName": on} if on else {}),
        "status": {"phase": phase},
    }


def budget(name: str, namespace: str = "tenant-a", labels: dict[str, str] | None = None, **spec: Any) -> Raw:
    """A disruption budget over the pods of `template`."""
    selects = {"matchLabels": labels or {"app": "work"}}
    return {"metadata": metadata(name, namespace), "spec": {"selector": selects} | spec}
