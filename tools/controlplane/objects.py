"""An estate's nodes and workloads as the Kubernetes objects that a cluster would hold of them. Pure.

Called by `populating`. Nodes carry the labels of their vendor's operator or device plugin; a workload is a Deployment
of single-container pods with a limit of accelerators, and a disruption budget where its contract names one. Uids are
the API server's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from estate.devices import Vendor
from estate.hardware import Health, Node
from estate.workloads import Workload
from tools.payloads.clusters.vendors import BY_RESOURCE, Family

type Object = dict[str, Any]

GPU = "nvidia.com/gpu"
PRODUCT, MEMORY, COUNT, CLIQUE = (f"nvidia.com/gpu.{name}" for name in ("product", "memory", "count", "clique"))
HOSTNAME = "kubernetes.io/hostname"
APP = "app"
KIND = "placet.dev/kind"
DATASETS = "placet.dev/datasets"
SILENT = "placet.dev/silent"
KWOK = "kwok.x-k8s.io/node"
RESOURCES = {
    Vendor.NVIDIA: GPU,
    Vendor.AMD: "amd.com/gpu",
    Vendor.INTEL: "habana.ai/gaudi",
    Vendor.GOOGLE: "google.com/tpu",
}
"""What a vendor's device plugin calls its devices; where no vendor is known, NVIDIA's."""
_ROOM = {"cpu": "192", "memory": "2Ti", "ephemeral-storage": "8Ti", "pods": "250"}


def node(of: Node) -> Object:
    """A Node. Failed accelerators count in its capacity and not in what it can allot, as device plugins report."""
    fit = sum(a.health is Health.HEALTHY for a in of.accelerators)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": of.name, "labels": dict(_labels(of)), "annotations": _annotations_of(of)},
        "spec": {"unschedulable": True} if of.cordoned else {},
        "status": {
            "capacity": {**_ROOM, resource(of): str(len(of.accelerators))},
            "allocatable": {**_ROOM, **_allots(of), resource(of): str(fit)},
            "nodeInfo": _info(of),
            "conditions": [
                ready("False", "PlacetFault") if of.health is Health.FAILED else ready("True", "KubeletReady")
            ],
        },
    }


def _allots(of: Node) -> dict[str, str]:
    """What pods may request together, where the node says."""
    told = {"cpu": (of.millicores, "m"), "memory": (of.allots_mebibytes, "Mi")}
    return {name: f"{amount}{unit}" for name, (amount, unit) in told.items() if amount is not None}


def resource(of: Node) -> str:
    """What its devices are called in capacities and limits."""
    vendor = of.accelerators[0].vendor if of.accelerators else None
    return RESOURCES.get(vendor or Vendor.NVIDIA, GPU)


def deployment(of: Workload, names: dict[str, str], *, pinned: bool, devices: str = GPU) -> Object:
    """A Deployment that asks for `devices`; `names` says what its cluster calls the nodes that bindings name by id.

    When pinned, only the nodes of its bindings may hold it, and no more on one than the bindings say.
    """
    labels = {APP: of.name, KIND: of.kind.value}
    counts = Counter(names[str(binding.node)] for binding in of.bindings)
    spec: Object = {
        "containers": [_container(of, devices)],
        "terminationGracePeriodSeconds": 5,
        **_affinity(of, sorted(counts) if pinned else [], devices),
    }
    if pinned and counts:
        spec["topologySpreadConstraints"] = [_spread(of, counts)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": of.name, "namespace": of.namespace, "labels": labels},
        "spec": {
            "replicas": of.replicas,
            "selector": {"matchLabels": {APP: of.name}},
            "template": {"metadata": {"labels": labels, "annotations": _annotations(of)}, "spec": spec},
        },
    }


def disruption_budget(of: Workload) -> Object | None:
    """The budget that keeps `min_available`; none where nothing was promised."""
    if not of.contract.min_available:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": of.name, "namespace": of.namespace},
        "spec": {"minAvailable": of.contract.min_available, "selector": {"matchLabels": {APP: of.name}}},
    }


def ready(status: str, reason: str) -> Object:
    """The Ready condition of a node."""
    return {"type": "Ready", "status": status, "reason": reason, "message": "written by tools.controlplane"}


def _labels(of: Node) -> Iterator[tuple[str, str]]:
    yield HOSTNAME, of.name
    # The node controller adds the old names where they are missing: one write for each node.
    for prefix in ("kubernetes.io", "beta.kubernetes.io"):
        yield f"{prefix}/os", "linux"
        yield f"{prefix}/arch", "amd64"
    if of.accelerators:
        yield from _labels_of_devices(of)


def _labels_of_devices(of: Node) -> Iterator[tuple[str, str]]:
    first, family = of.accelerators[0], _family(resource(of))
    yield family.models[0], first.model
    if family.memories:
        unit = "" if family.resource == GPU else "Mi"
        yield family.memories[0], f"{first.memory_mebibytes}{unit}"
    if family.resource == GPU:
        yield "nvidia.com/gpu.present", "true"
        yield COUNT, str(len(of.accelerators))
        if first.nvlink_domain:
            yield CLIQUE, first.nvlink_domain


def _family(resource: str) -> Family:
    return BY_RESOURCE[resource]


def _annotations_of(of: Node) -> dict[str, str]:
    """Any kwok may play its kubelet, also one that was told to leave other nodes alone."""
    return {KWOK: "fake", **({SILENT: "failed from the start"} if of.health is Health.FAILED else {})}


def _info(of: Node) -> dict[str, str]:
    return {
        "bootID": of.boot_id,
        "machineID": of.name,
        "systemUUID": of.name,
        "kernelVersion": "",
        "osImage": "",
        "containerRuntimeVersion": "",
        "kubeletVersion": "",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }


def _container(of: Workload, devices: str) -> Object:
    limits = {devices: str(of.contract.accelerators_per_replica)} if of.contract.accelerators_per_replica else {}
    asked = of.contract
    requests = {"cpu": f"{asked.millicores or 1_000}m", "memory": f"{asked.host_mebibytes or 1_024}Mi"}
    return {"name": "main", "image": "placet.invalid/workload", "resources": {"limits": limits, "requests": requests}}


def _annotations(of: Workload) -> dict[str, str]:
    return {DATASETS: ",".join(of.datasets)} if of.datasets else {}


def _affinity(of: Workload, nodes: list[str], devices: str) -> Object:
    wanted = [(_family(devices).models[0], list(of.contract.models)), (HOSTNAME, nodes)]
    expressions = [{"key": key, "operator": "In", "values": values} for key, values in wanted if values]
    if not expressions:
        return {}
    terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def _spread(of: Workload, counts: Counter[str]) -> Object:
    """Evenly over the nodes that it may use now: a cordoned one counts no more, so that others may take its share."""
    return {
        "maxSkew": max(1, max(counts.values()) - min(counts.values())),
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeAffinityPolicy": "Honor",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": {APP: of.name}},
    }
