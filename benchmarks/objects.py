"""Nodes and pods as an API server writes them: of the size that real ones have, managed fields included."""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.estates import DEVICES

_LABELS = {
    **{f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{number}": "true" for number in range(40)},
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
}
_CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_OF_PODS = ("Ready", "Initialized")
_TIME = "2026-11-26T08:00:00Z"


def node(name: str, uid: str, *, cordoned: bool = False, ready: bool = True) -> bytes:
    """A GPU node, some 6 kB of it."""
    told = [*((kind, "False") for kind in _CONDITIONS), ("Ready", "True" if ready else "False")]
    return orjson.dumps(
        {
            "metadata": _about(name, uid, _LABELS),
            "spec": {"podCIDR": "10.0.0.0/24", **({"unschedulable": True} if cordoned else {})},
            "status": {
                "capacity": {"cpu": "192", "memory": "2113Gi", "nvidia.com/gpu": str(DEVICES), "pods": "110"},
                "allocatable": {"cpu": "190", "memory": "2100Gi", "nvidia.com/gpu": str(DEVICES), "pods": "110"},
                "conditions": [_condition(kind, status) for kind, status in told],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": name}],
                "nodeInfo": {"bootID": f"boot-{name}", "kernelVersion": "6.8.0", "kubeletVersion": "v1.36.3"},
                "images": [{"names": [f"registry.example/image@sha256:{i:064x}"], "sizeBytes": i} for i in range(4)],
            },
        }
    )


def pod(name: str, uid: str, *, node: str = "", phase: str = "Pending", message: str = "") -> bytes:
    """A pod of one accelerator, some 4 kB of it."""
    environment = [{"name": f"VARIABLE_{number}", "value": f"value-{number}"} for number in range(60)]
    container = {
        "name": "main",
        "image": f"registry.example/serve@sha256:{1:064x}",
        "env": environment,
        "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1", "cpu": "12"}},
    }
    return orjson.dumps(
        {
            "metadata": {**_about(name, uid, {"app": "serve"}), "namespace": "tenant-a"},
            "spec": {"containers": [container], **({"nodeName": node} if node else {}), "priority": 0},
            "status": {
                "phase": phase,
                "message": message,
                "conditions": [_condition(kind, "True") for kind in ("Ready", "Initialized")],
            },
        }
    )


def _about(name: str, uid: str, labels: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {f"f:{key}": {} for key in labels} | {f"f:field{number}": {} for number in range(12)}
    managed = {"manager": "kubelet", "operation": "Update", "time": _TIME, "fieldsV1": {"f:metadata": fields}}
    return {"name": name, "uid": uid, "resourceVersion": "1", "labels": labels, "managedFields": [managed]}


def _condition(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status, "lastHeartbeatTime": _TIME, "reason": "KubeletHasSufficientMemory"}
