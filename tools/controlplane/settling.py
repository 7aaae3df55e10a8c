"""Puts an estate into a cluster as its tenants would have left it: Deployments that name no node, pods where they are.

Called by the demo and by tests, as `populating` never against a cluster that is not its own. While every node is closed
to the scheduler, the pods are bound by hand; then the nodes open. So no pin stands in a template, and whoever moves the
pods later conflicts with nobody. Replicas are handed over: what sets them is Placet's field manager, not the tenant's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.aio.client import ApiClient, ApiException

from estate.ids import ClusterId
from estate.workloads import Workload
from estate.worlds import World
from tools.controlplane import clients, objects, populating
from tools.controlplane.clients import Object

TENANT, PLACET = "tenant", "placet"
"""Field managers: who applies a Deployment, and who may set its replicas and place them."""
_APPLY = "application/apply-patch+yaml"
_CLOSED = {"spec": {"unschedulable": True}}
_OPEN = {"spec": {"unschedulable": None}}


async def settle(api: ApiClient, world: World, cluster: ClusterId, *, seconds: float = 90.0) -> None:
    """Create what `world` has in `cluster`; return when every replica runs on its node and the nodes are open.

    Raises:
        RetryLater: not everything ran in `seconds`; it names what did not.
        NeverRetry: a pod came to run elsewhere.
    """
    workloads = [w for w in world.workloads if w.cluster == cluster]
    nodes = [n for n in world.nodes if n.cluster == cluster]
    names = {str(n.id): n.name for n in nodes}
    closed = [n.model_copy(update={"cordoned": True}) for n in nodes]
    await populating.populate(api, World(nodes=tuple(closed), workloads=()), cluster, seconds=seconds)
    await populating.create_namespaces(api, sorted({w.namespace for w in workloads}))
    await populating.at_once(_hand_over(api, w, names) for w in workloads)
    await populating.until_none(lambda: bind(api, workloads, names), seconds)
    await populating.until_none(lambda: populating.late(api, workloads), seconds)
    await populating.check(api, workloads, names)
    await populating.at_once(_patch(api, f"/api/v1/nodes/{n.name}", _OPEN) for n in nodes if not n.cordoned)


async def start(api: ApiClient, job: Workload, node: str) -> None:
    """Start a Job of one pod that may run on `node` alone; the scheduler binds it. It runs until it is deleted."""
    await populating.create_namespaces(api, [job.namespace])
    template: Object = objects.deployment(job.without(job.bindings), {}, pinned=False)["spec"]["template"]
    template["spec"] |= {"restartPolicy": "Never", "nodeSelector": {objects.HOSTNAME: node}}
    body = {"metadata": {"name": job.name}, "spec": {"template": template}}
    await clients.create(api, f"/apis/batch/v1/namespaces/{job.namespace}/jobs", body)


async def _hand_over(api: ApiClient, workload: Workload, names: dict[str, str]) -> None:
    """The tenant applies everything but the replicas, which another may set from now on."""
    path = f"/apis/apps/v1/namespaces/{workload.namespace}/deployments/{workload.name}"
    whole = _unpinned(workload, names)
    replicas = {**_about(whole), "spec": {"replicas": workload.replicas}}
    rest = {**whole, "spec": {k: v for k, v in whole["spec"].items() if k != "replicas"}}
    if (budget := objects.disruption_budget(workload)) is not None:
        await clients.create(api, f"/apis/policy/v1/namespaces/{workload.namespace}/poddisruptionbudgets", budget)
    for body, manager in ((whole, TENANT), (replicas, PLACET), (rest, TENANT)):
        await clients.ask(api, "PATCH", f"{path}?fieldManager={manager}", body, content_type=_APPLY)


def _unpinned(workload: Workload, names: dict[str, str]) -> Object:
    """Model by node selector (an affinity would be the tenant's, and nobody else could place), one pod at a time."""
    made = objects.deployment(workload, names, pinned=False)
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    spec.pop("affinity", None)
    if workload.contract.models:
        spec["nodeSelector"] = {objects.PRODUCT: workload.contract.models[0]}
    made["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    return made


def _about(made: Object) -> Object:
    about = {k: made["metadata"][k] for k in ("name", "namespace")}
    return {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": about}


async def bind(api: ApiClient, workloads: Sequence[Workload], names: Mapping[str, str]) -> list[str]:
    """Bind every pod that waits to a node that its workload lacks; what is still missing. `names`: of nodes by id."""
    pods = (await clients.ask(api, "GET", "/api/v1/pods"))["items"]
    found = []
    for workload in workloads:
        mine = [p for p in pods if populating.app(p) == (workload.namespace, workload.name)]
        held = Counter(p["spec"].get("nodeName") for p in mine)
        free = deque((Counter(names[str(b.node)] for b in workload.bindings) - held).elements())
        for pod in (p for p in mine if not p["spec"].get("nodeName")):
            if free:
                await _bind(api, pod, free.popleft())
        found += [f"{workload.name} lacks a pod on {node}" for node in free]
    return found


async def _bind(api: ApiClient, pod: Object, node: str) -> None:
    about = pod["metadata"]
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": about["name"]}, "target": target}
    path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/binding"
    try:
        await clients.ask(api, "POST", path, body)
    except ApiException as error:
        if error.status not in {404, 409}:
            raise


async def _patch(api: ApiClient, path: str, body: Object) -> None:
    await clients.ask(api, "PATCH", path, body, content_type=clients.MERGE_PATCH)
