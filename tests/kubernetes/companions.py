"""Raw objects of the kinds that a cluster may serve or not, with valid defaults; a test states only what counts."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.raws import Raw, metadata, pod

NVIDIA = "gpu.nvidia.com"
RENEWED = "2026-11-26T10:00:{:02d}.000000Z"


def lease(node: str, second: int = 0, **spec: Any) -> Raw:
    """The heartbeat of one node, renewed at that second."""
    told = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": RENEWED.format(second)}
    return {"metadata": metadata(node, "kube-node-lease"), "spec": told | spec}


def device(number: int, memory: str = "80Gi", **over: Any) -> Raw:
    """One GPU as NVIDIA's driver offers it."""
    attributes = {
        "productName": {"string": "NVIDIA H100 80GB HBM3"},
        "architecture": {"string": "Hopper"},
        "driverVersion": {"version": "580.126.20"},
        "type": {"string": "gpu"},
        "uuid": {"string": f"GPU-{number:08d}"},
        "resource.kubernetes.io/pciBusID": {"string": f"0000:{number + 1:02x}:00.0"},
    } | over.pop("attributes", {})
    return {"name": f"gpu-{number}", "attributes": attributes, "capacity": {"memory": {"value": memory}}} | over


def resource_slice(node: str, *devices: Raw, driver: str = NVIDIA, generation: int = 1, **over: Any) -> Raw:
    """What that driver offers on that node."""
    pool = {"name": node, "generation": generation, "resourceSliceCount": 1}
    spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": list(devices)}
    return {"metadata": metadata(over.pop("name", f"{node}-{driver}")), "spec": spec} | over


def claim(name: str, node: str, *devices: str, pods: tuple[str, ...] = (), space: str = "tenant-a") -> Raw:
    """A claim that holds these devices of that node for these pods; one that is not allocated where there are none."""
    results = [{"request": "gpus", "driver": NVIDIA, "pool": node, "device": d} for d in devices]
    status: Raw = {"allocation": {"devices": {"results": results}}} if devices else {}
    reserved = [{"resource": "pods", "name": p, "uid": f"uid-{space}-{p}"} for p in pods]
    request = {"name": "gpus", "exactly": {"deviceClassName": NVIDIA, "count": max(1, len(devices))}}
    spec = {"devices": {"requests": [request]}}
    held = {"reservedFor": reserved} if reserved else {}
    return {"metadata": metadata(name, space), "spec": spec, "status": status | held}


def claiming(name: str, claim: str, *, on: str = "", by: Raw | None = None, space: str = "tenant-a") -> Raw:
    """A pod that asks for devices by name, through that claim."""
    made = pod(name, space, by=by, on=on, gpus=0)
    made["spec"]["resourceClaims"] = [{"name": "gpus", "resourceClaimName": claim}]
    return made


def machine(name: str, *, node: str = "", space: str = "fleet", phase: str = "Running", provider: str = "") -> Raw:
    """A machine of Cluster API."""
    bootstrap = {"dataSecretName": "secret"}
    infrastructure = {"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": "DockerMachine", "name": name}
    spec = {"clusterName": "prod", "bootstrap": bootstrap, "infrastructureRef": infrastructure}
    status = {"phase": phase} | ({"nodeRef": {"name": node}} if node else {})
    return {
        "metadata": metadata(name, space),
        "spec": spec | ({"providerID": provider} if provider else {}),
        "status": status,
    }


def cluster(name: str, *, space: str = "fleet", phase: str = "Provisioned", available: str = "True") -> Raw:
    """A cluster of Cluster API."""
    condition = {"type": "Available", "status": available, "reason": "Told"}
    condition |= {"lastTransitionTime": "2026-11-26T10:00:00Z", "message": ""}
    return {
        "metadata": metadata(name, space),
        "spec": {"infrastructureRef": {"apiGroup": "x.y", "kind": "DockerCluster", "name": name}},
        "status": {"phase": phase, "conditions": [condition]},
    }


def group(name: str, *, version: str = "v1.36.3", wanted: int = 3, ready: int = 3, space: str = "fleet") -> Raw:
    """A MachineDeployment of the cluster `prod`."""
    each = machine(name, space=space)["spec"] | {"version": version}
    about = {"matchLabels": {"group": name}}
    template = {"metadata": {"labels": about["matchLabels"]}, "spec": each}
    return {
        "metadata": metadata(name, space),
        "spec": {"clusterName": "prod", "replicas": wanted, "selector": about, "template": template},
        "status": {"replicas": wanted, "readyReplicas": ready, "upToDateReplicas": ready, "conditions": [available()]},
    }


def control_plane(name: str, *, version: str = "v1.36.3", space: str = "fleet") -> Raw:
    """A kubeadm control plane of the cluster `prod`, which it names by a label alone."""
    infrastructure = machine(name)["spec"]["infrastructureRef"]
    spec = {"replicas": 3, "version": version, "kubeadmConfigSpec": {"clusterConfiguration": {"certificatesDir": "/p"}}}
    return {
        "metadata": metadata(name, space, labels={"cluster.x-k8s.io/cluster-name": "prod"}),
        "spec": spec | {"machineTemplate": {"spec": {"infrastructureRef": infrastructure}}},
        "status": {"replicas": 3, "readyReplicas": 3, "conditions": [available()]},
    }


def available() -> Raw:
    """The condition of what works."""
    told = {"type": "Available", "status": "True", "reason": "Told", "message": ""}
    return told | {"lastTransitionTime": "2026-11-26T10:00:00Z"}


def deployed(name: str, template: str, *services: str, space: str = "fleet", **over: Any) -> Raw:
    """A cluster that k0rdent makes from a template, with these services."""
    listed = [{"template": s, "name": s, "namespace": "apps"} for s in services]
    spec: Raw = {"template": template, "credential": "cloud", "serviceSpec": {"services": listed}}
    return {"metadata": metadata(name, space, **over), "spec": spec}


def template(name: str, chart: str, version: str, *, space: str = "fleet") -> Raw:
    """A ClusterTemplate or ServiceTemplate."""
    source = {"kind": "HelmRepository", "name": "templates"}
    chart_spec = {"chart": chart, "version": version, "interval": "10m0s", "sourceRef": source}
    return {"metadata": metadata(name, space), "spec": {"helm": {"chartSpec": chart_spec}}}


def laid_on(name: str, service: str, **labels: str) -> Raw:
    """A service that is laid on every cluster of these labels."""
    listed = [{"template": service, "name": service, "namespace": "apps"}]
    selector = {"matchLabels": labels}
    return {
        "metadata": metadata(name),
        "spec": {"clusterSelector": selector, "serviceSpec": {"services": listed}},
    }


def instance(
    name: str, *, on: str = "", space: str = "tenant-a", phase: str = "Running", holds: tuple[Raw, ...] = ()
) -> Raw:
    """A running virtual machine; what it `holds` are the devices that were allocated to it, as KubeVirt tells them."""
    domain = {"cpu": {"sockets": 1, "cores": 4, "threads": 2}, "memory": {"guest": "16Gi"}, "devices": {}}
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": phase, "conditions": [ready]} | ({"nodeName": on} if on else {})
    told = [{"name": f"gpu-{n}", "deviceResourceClaimStatus": held} for n, held in enumerate(holds)]
    devices = {"deviceStatus": {"gpuStatuses": told}} if told else {}
    return {"metadata": metadata(name, space), "spec": {"domain": domain}, "status": status | devices}
