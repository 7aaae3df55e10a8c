"""The rows of the table of drift: what somebody did to which object, and what must be found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from estate.drifts import Matter
from tests.drift.benches import Bench, deployment
from tests.execution.clusters import until
from tests.objects import PODS, PORT
from tools.kubernetes.connecting import Object

TWO: Final[dict[str, Any]] = {"data": {"rate": "5", "burst": "20"}}
QUOTA: Final[dict[str, Any]] = {"spec": {"hard": {"requests.cpu": "10", "requests.nvidia.com/gpu": "8"}}}
PORTS: Final[dict[str, Any]] = {
    "spec": {"selector": {"app": "serve"}, "ports": [PORT | {"name": "web"}, PORT | {"name": "admin", "port": 443}]}
}
OURS: Final = {"key": "placet.dev/burn-in", "value": "today", "effect": "NoSchedule"}
HELD: Final = "never overruled"


@dataclass(frozen=True)
class Row:
    """What somebody did to which object, and what must be found."""

    kind: str
    given: Callable[[Bench], Awaitable[object]]
    done: Callable[[Bench], Awaitable[object]]
    found: tuple[tuple[str, str | None, Matter], ...] = ()
    """Path, culprit (None: nobody records it), what it bears on."""
    change: str = ""
    """The kind of the restoring change; empty: none."""
    reason: str = ""
    """Part of the reason why there is none."""
    node: bool = False


def placet(kind: str, **content: Any) -> Callable[[Bench], Awaitable[object]]:
    """Placet applied it, by a warrant."""
    return lambda b: b.placet(b.of(kind, **content))


def edits(kind: str, patch: Any, manager: str = "kubectl-edit") -> Callable[[Bench], Awaitable[object]]:
    """Somebody patches it."""
    return lambda b: b.edit(kind, b.world.stem("n") if kind == "Node" else "serve", patch, manager)


def deletes(kind: str) -> Callable[[Bench], Awaitable[object]]:
    """Somebody deletes it."""
    return lambda b: b.delete(kind, "serve")


def kubectl(**more: Any) -> Callable[[Bench], Awaitable[object]]:
    """A tenant applied a Deployment with `kubectl apply`."""
    return lambda b: b.kubectl(deployment(**more))


def container(**fields: Any) -> Object:
    """A strategic patch of the main container."""
    return pod(containers=[{"name": "main"} | fields])


def pod(**fields: Any) -> Object:
    """A patch of a pod template."""
    return {"spec": {"template": {"spec": fields}}}


def node(spec: Object | None = None, **about: Any) -> Callable[[Bench], Awaitable[object]]:
    """A node that an estate file declares so, and that is so."""

    async def given(bench: Bench) -> None:
        name = await bench.world.node("n")
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, **about}, "spec": spec or {}}
        await bench.edit("Node", name, {k: body[k] for k in ("metadata", "spec")}, "admin")
        bench.declare(body, "admin")

    return given


async def fenced(bench: Bench) -> None:
    """A node that Placet cordoned."""
    from estate.changes import CordonNode

    await bench.placet(CordonNode(node=await bench.world.node("n"), reason="xid 79"))


async def by_git(bench: Bench) -> None:
    """A Deployment that a repository declares and its controller applies."""
    body = deployment()
    await bench.apply(body, "argocd-controller")
    bench.declare(body, "argocd-controller")


async def autoscaled(bench: Bench) -> None:
    """A real autoscaler takes a Deployment to its least number; it needs no metrics for that."""
    spec = {
        "minReplicas": 4,
        "maxReplicas": 8,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "serve"},
    }  # fmt: skip
    path = f"/apis/autoscaling/v2/namespaces/{bench.world.namespace}/horizontalpodautoscalers"
    await bench.world.ask("POST", path, {"metadata": {"name": "serve"}, "spec": spec})
    owner = bench.path("Deployment", "serve")
    await until(lambda: bench.world.ask("GET", owner), lambda d: d["spec"]["replicas"] == 4, seconds=60)


async def scaled_by_hand(bench: Bench) -> None:
    await bench.write("Deployment", "serve", {"spec": {"replicas": 5}}, "kubectl", part="scale")


async def scaled_by_placet(bench: Bench) -> None:
    """Placet holds the replicas by a warrant: not the tenant's business any more."""
    body = {k: v for k, v in deployment().items() if k != "spec"} | {"spec": {"replicas": 3}}
    path = f"{bench.path('Deployment', 'serve')}?fieldManager=placet&force=true"
    await bench.world.connection.request("PATCH", path, None, body, content_type="application/apply-patch+yaml")


async def counted(bench: Bench) -> None:
    """The disruption controller has written its status."""
    path = bench.path("PodDisruptionBudget", "serve")
    await until(lambda: bench.world.ask("GET", path), lambda b: "status" in b and "conditions" in b["status"])


async def k0rdent(bench: Bench) -> None:
    """A cluster that a repository declares, made from a template of one revision."""
    await install_k0rdent(bench)
    spec = {"template": "gpu-eks-1-2-0", "config": {"workersNumber": 8}, "serviceSpec": {"services": []}}
    body = {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ClusterDeployment", "metadata": {"name": "serve"}}
    await bench.apply(body | {"spec": spec}, "flux")
    bench.declare(body | {"spec": spec}, "flux")


async def install_k0rdent(bench: Bench) -> None:
    """The kind of k0rdent that names templates, as far as this needs it."""
    group, plural = "k0rdent.mirantis.com", "clusterdeployments"
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": "clusterdeployment", "kind": "ClusterDeployment"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await bench.world.ask("POST", root, {"metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    await until(
        lambda: bench.world.ask("GET", f"{root}/{plural}.{group}"),
        lambda d: {"type": "Established", "status": "True"}.items() <= _condition(d, "Established").items(),
    )


def _condition(found: Object, sort: str) -> Object:
    told = found.get("status", {}).get("conditions") or ()
    return next((c for c in told if c["type"] == sort), {})


SECURITY, ISOLATION, CAPACITY, PLACEMENT, COSMETIC = Matter
IMAGE = "spec.template.spec.containers[name=main].image"

TABLE: Final[dict[str, Row]] = {
    # what Placet applied
    "a key was taken out of a config map": Row(
        "ConfigMap",
        placet("ConfigMap", **TWO),
        edits("ConfigMap", {"data": {"rate": None}}),
        (("data.rate", None, CAPACITY),),
        change="ApplyManifest",
    ),
    "a value of a config map was changed": Row(
        "ConfigMap",
        placet("ConfigMap", **TWO),
        edits("ConfigMap", {"data": {"rate": "9"}}),
        (("data.rate", "kubectl-edit", CAPACITY),),
        reason=HELD,
    ),
    "a key was put into a config map": Row(
        "ConfigMap",
        placet("ConfigMap", **TWO),
        edits("ConfigMap", {"data": {"debug": "on"}}, "kubectl-patch"),
        (("data.debug", "kubectl-patch", CAPACITY),),
        reason=HELD,
    ),
    "a label of ours was taken away": Row(
        "ConfigMap",
        placet("ConfigMap", labels={"team": "a"}),
        edits("ConfigMap", {"metadata": {"labels": {"team": None}}}, "kubectl-label"),
        (("metadata.labels.team", None, COSMETIC),),
        change="ApplyManifest",
    ),
    "somebody labels an object of ours: theirs to do": Row(
        "ConfigMap",
        placet("ConfigMap"),
        edits("ConfigMap", {"metadata": {"labels": {"cost-centre": "7"}}}, "kubectl-label"),
    ),
    "a port was taken out of a service": Row(
        "Service",
        placet("Service", **PORTS),
        edits("Service", {"spec": {"ports": [{"port": 443, "$patch": "delete"}]}}),
        (("spec.ports[port=443,protocol=TCP]", None, SECURITY),),
        change="ApplyManifest",
    ),
    "a port was opened beside ours": Row(
        "Service",
        placet("Service", **PORTS),
        edits("Service", {"spec": {"ports": [{"port": 22, "name": "ssh"}]}}),
        (("spec.ports[port=22,protocol=TCP]", "kubectl-edit", SECURITY),),
        reason=HELD,
    ),
    "a service answers to the outside": Row(
        "Service",
        placet("Service"),
        edits("Service", {"spec": {"type": "NodePort"}}),
        (
            ("spec.externalTrafficPolicy", "kubectl-edit", CAPACITY),
            ("spec.type", "kubectl-edit", SECURITY),
        ),
        reason=HELD,
    ),
    "a network policy was deleted": Row(
        "NetworkPolicy",
        placet("NetworkPolicy"),
        deletes("NetworkPolicy"),
        (("", None, ISOLATION),),
        change="ApplyManifest",
    ),
    "a network policy lets everybody in": Row(
        "NetworkPolicy",
        placet(
            "NetworkPolicy",
            spec=PODS | {"policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}]},
        ),
        edits("NetworkPolicy", {"spec": {"ingress": [{}]}}),
        (("spec.ingress", "kubectl-edit", ISOLATION),),
        reason=HELD,
    ),
    "the server wrote defaults into a network policy: nobody's change": Row(
        "NetworkPolicy",
        lambda b: b.kubectl(b.of("NetworkPolicy", spec=PODS | {"ingress": [{"ports": [{"port": 80}]}]})),
        edits("NetworkPolicy", {"metadata": {"labels": {"x": "y"}}}),
    ),
    "a quota was lowered": Row(
        "ResourceQuota",
        placet("ResourceQuota", **QUOTA),
        edits("ResourceQuota", {"spec": {"hard": {"requests.nvidia.com/gpu": "4"}}}),
        (("spec.hard[requests.nvidia.com/gpu]", "kubectl-edit", CAPACITY),),
        reason=HELD,
    ),
    "a bound was taken out of a quota": Row(
        "ResourceQuota",
        placet("ResourceQuota", **QUOTA),
        edits("ResourceQuota", {"spec": {"hard": {"requests.nvidia.com/gpu": None}}}),
        (("spec.hard[requests.nvidia.com/gpu]", None, CAPACITY),),
        change="ApplyManifest",
    ),
    "a quota says the same amount in other words": Row(
        "ResourceQuota",
        placet("ResourceQuota", **QUOTA),
        edits("ResourceQuota", {"spec": {"hard": {"requests.cpu": "10000m"}}}),
    ),
    "a disruption budget was deleted": Row(
        "PodDisruptionBudget",
        placet("PodDisruptionBudget"),
        deletes("PodDisruptionBudget"),
        (("", None, CAPACITY),),
        change="ApplyManifest",
    ),
    "a controller reports the status of a budget": Row("PodDisruptionBudget", placet("PodDisruptionBudget"), counted),
    "a limit range was deleted": Row(
        "LimitRange",
        placet("LimitRange"),
        deletes("LimitRange"),
        (("", None, CAPACITY),),
        change="ApplyManifest",
    ),
    "what Placet remembers of an object was forged": Row(
        "ConfigMap",
        placet("ConfigMap"),
        edits("ConfigMap", {"metadata": {"annotations": {"placet.dev/applied": '{"data":{"rate":"5"},"x":1}'}}}),
        (
            ("metadata.annotations[placet.dev/applied]", "kubectl-edit", SECURITY),
            ("x", None, CAPACITY),
        ),
    ),
    # nodes
    "a fence of ours was lifted": Row(
        "Node",
        fenced,
        edits("Node", {"spec": {"unschedulable": None}}, "kubectl-uncordon"),
        (("spec.unschedulable", None, PLACEMENT),),
        change="CordonNode",
        node=True,
    ),
    "a taint of ours was put by hand": Row(
        "Node",
        node({"taints": [OURS | {"key": "nvidia.com/gpu", "value": ""}]}),
        edits("Node", {"spec": {"taints": [OURS | {"key": "nvidia.com/gpu", "value": ""}, OURS]}}, "kubectl-taint"),
        (("spec.taints[effect=NoSchedule,key=placet.dev/burn-in]", "kubectl-taint", PLACEMENT),),
        change="UntaintNode",
        node=True,
    ),
    "a taint of ours was lifted by hand": Row(
        "Node",
        node({"taints": [OURS]}),
        edits("Node", {"spec": {"taints": None}}, "kubectl-taint"),
        (("spec.taints[effect=NoSchedule,key=placet.dev/burn-in]", None, PLACEMENT),),
        change="TaintNode",
        node=True,
    ),
    "somebody else's taint was put by hand": Row(
        "Node",
        node({"taints": [OURS]}),
        edits("Node", {"spec": {"taints": [OURS, OURS | {"key": "team", "value": "b"}]}}, "kubectl-taint"),
        (("spec.taints[effect=NoSchedule,key=team]", "kubectl-taint", PLACEMENT),),
        reason="somebody else's to put and lift",
        node=True,
    ),
    "a controller says a condition by a taint": Row(
        "Node",
        node({"taints": [OURS]}),
        edits(
            "Node",
            {"spec": {"taints": [OURS, {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]}},
            "kube-controller-manager",
        ),
        node=True,
    ),
    "a label of a node was taken away by hand": Row(
        "Node",
        node(labels={"tier": "gold"}),
        edits("Node", {"metadata": {"labels": {"tier": None}}}, "kubectl-label"),
        (("metadata.labels.tier", None, PLACEMENT),),
        reason="placet writes no such field of a Node",
        node=True,
    ),
    "the devices of a node were cut otherwise": Row(
        "Node",
        node(labels={"nvidia.com/mig.config": "all-1g.10gb"}),
        edits("Node", {"metadata": {"labels": {"nvidia.com/mig.config": "all-disabled"}}}, "kubectl-label"),
        (("metadata.labels[nvidia.com/mig.config]", "kubectl-label", CAPACITY),),
        reason=HELD,
        node=True,
    ),
    "node feature discovery labels a node": Row(
        "Node",
        node(labels={"tier": "gold"}),
        edits("Node", {"metadata": {"labels": {"feature.node.kubernetes.io/cpu": "x"}}}, "nfd-master"),
        node=True,
    ),
    # what a tenant applied with kubectl
    "an autoscaler scaled it": Row("Deployment", kubectl(replicas=2), autoscaled),
    "somebody scaled it": Row(
        "Deployment",
        kubectl(replicas=2),
        scaled_by_hand,
        (("spec.replicas", "kubectl", CAPACITY),),
        reason=HELD,
    ),
    "Placet scaled it by a warrant": Row("Deployment", kubectl(replicas=2), scaled_by_placet),
    "the tag of its image moved": Row(
        "Deployment",
        kubectl(),
        edits("Deployment", container(image="example/serve:latest"), "kubectl-set"),
        ((IMAGE, "kubectl-set", SECURITY),),
        reason=HELD,
    ),
    "it asks for the same in other words": Row(
        "Deployment",
        kubectl(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
        edits("Deployment", container(resources={"limits": {"cpu": "1000m", "memory": "1024Mi"}})),
    ),
    "it asks for more devices": Row(
        "Deployment",
        kubectl(resources={"limits": {"nvidia.com/gpu": "1"}}),
        edits("Deployment", container(resources={"limits": {"nvidia.com/gpu": "2"}})),
        (("spec.template.spec.containers[name=main].resources.limits[nvidia.com/gpu]", "kubectl-edit", CAPACITY),),
        reason=HELD,
    ),
    "it reaches into its machine": Row(
        "Deployment",
        kubectl(),
        edits("Deployment", pod(hostNetwork=True), "kubectl-patch"),
        (("spec.template.spec.hostNetwork", "kubectl-patch", SECURITY),),
        reason=HELD,
    ),
    "another container was put beside it": Row(
        "Deployment",
        kubectl(),
        edits("Deployment", pod(containers=[{"name": "miner", "image": "example/miner"}])),
        (("spec.template.spec.containers[name=miner]", "kubectl-edit", SECURITY),),
        reason=HELD,
    ),
    "its environment was changed": Row(
        "Deployment",
        kubectl(env=[{"name": "REGION", "value": "eu"}, {"name": "B", "value": "b"}]),
        edits("Deployment", container(env=[{"name": "REGION", "value": "us"}])),
        (("spec.template.spec.containers[name=main].env[name=REGION].value", "kubectl-edit", SECURITY),),
        reason=HELD,
    ),
    "it puts up with another taint": Row(
        "Deployment",
        kubectl(pod={"tolerations": [{"key": "gpu", "operator": "Exists"}]}),
        edits("Deployment", pod(tolerations=[{"operator": "Exists"}])),
        (("spec.template.spec.tolerations", "kubectl-edit", PLACEMENT),),
        reason=HELD,
    ),
    "its rollout was begun again": Row(
        "Deployment",
        kubectl(),
        edits(
            "Deployment",
            {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}},
            "kubectl-rollout",
        ),
    ),
    # what a repository declares
    "a hand moved the image that a repository declares": Row(
        "Deployment",
        by_git,
        edits("Deployment", container(image="example/serve:2.0"), "kubectl-edit"),
        ((IMAGE, "kubectl-edit", SECURITY),),
        reason=HELD,
    ),
    "another applier holds a field beside the repository's": Row(
        "Deployment",
        by_git,
        lambda b: b.apply(deployment() | {"spec": {"revisionHistoryLimit": 3}}, "platform-team"),
    ),
    "the template of a cluster was upgraded": Row(
        "ClusterDeployment",
        k0rdent,
        lambda b: b.write("ClusterDeployment", "serve", {"spec": {"template": "gpu-eks-1-3-0"}}, "kubectl-edit"),
        (("spec.template", "kubectl-edit", SECURITY),),
        reason=HELD,
    ),
}
