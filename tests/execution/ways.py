"""Work that waits in each way that a cluster knows, for the contract of enactment: behind a gate, for DRA devices, in a
queue of Kueue; and work that runs under a template.

Kueue's own part (quota, starting and stopping a Job) is played here as its controller does it, on objects of its own
API; `with_kueue` tries the same on the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from estate.changes import MoveWorkload, ReplicaMove
from estate.ids import NodeId, WorkloadId
from policies.admission.annotations import GATE
from tests.execution.clusters import LABEL, ClusterWorld, until
from tests.kubernetes import companions
from tools.kubernetes import faults, naming, queueing, resources
from tools.kubernetes.connecting import MERGE, Object

GATED = {"schedulingGates": [{"name": GATE}]}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CHECK, NOW = "placed", "2026-11-27T02:00:00Z"


@dataclass
class Way:
    """A workload of two replicas that one technology brings to a node."""

    world: ClusterWorld
    workload: WorkloadId
    name: str
    waits: bool = True
    """Whether its pods wait until they are placed, and can be held back again."""

    def move(self, *targets: NodeId | None, sources: Sequence[NodeId | None] = (None, None)) -> MoveWorkload:
        """Its replicas to these nodes; on a node its devices 0 and 1, then 2 and 3."""
        given: dict[NodeId, int] = {}
        moves = []
        for replica, target in enumerate(targets):
            first = given.get(target, 0) if target else 0
            moves.append(
                ReplicaMove(
                    replica=replica,
                    source=sources[replica],
                    target=target,
                    accelerators=(first, first + 1) if target else (),
                )
            )
            if target:
                given[target] = first + 2
        return MoveWorkload(workload=self.workload, moves=tuple(moves))


async def under_a_template(world: ClusterWorld) -> Way:
    """Running where no test wants it."""
    await world.node("elsewhere")
    return Way(world, await world.workload("Deployment", "runs"), "runs", waits=False)


async def gated_deployment(world: ClusterWorld) -> Way:
    return await waiting(world, "Deployment", world.manifest("Deployment", "waits", pod=GATED))


async def gated_job(world: ClusterWorld) -> Way:
    return await waiting(world, "Job", job(world, **GATED))


async def by_claims(world: ClusterWorld) -> Way:
    """Its devices are asked for by a template of claims."""
    await _quietly(world.ask("POST", resources.CLASSES.path(), _device_class()))
    request = {"name": "gpus", "exactly": {"deviceClassName": companions.NVIDIA, "count": 2}}
    template = {"metadata": {"name": "two"}, "spec": {"spec": {"devices": {"requests": [request]}}}}
    await world.ask("POST", resources.CLAIM_TEMPLATES.path(world.namespace), template)
    asked = {"resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": "two"}]}
    body = world.manifest("Deployment", "named", pod=GATED | asked)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"claims": [{"name": "gpus"}]}
    return await waiting(world, "Deployment", body)


@asynccontextmanager
async def in_a_queue(world: ClusterWorld) -> AsyncIterator[Way]:
    """A suspended Job whose Workload waits for Placet's check; Kueue plays its part while inside."""
    await _define(world)
    check = {"metadata": {"name": CHECK}, "spec": {"controllerName": queueing.CONTROLLER}}
    await _quietly(world.ask("POST", queueing.CHECKS.path(), _of(queueing.CHECKS, check)))
    body = job(world)
    body["metadata"]["labels"] = {queueing.QUEUE: "research"}
    body["spec"]["suspend"] = True
    made = await world.ask("POST", resources.JOBS.path(world.namespace), body)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "waits", "uid": made["metadata"]["uid"]}
    about = {"name": "job-waits", "ownerReferences": [owner | {"controller": True}]}
    sets = [{"name": "main", "count": 2, "template": body["spec"]["template"]}]
    workload = {"metadata": about, "spec": {"queueName": "research", "podSets": sets}}
    path = queueing.WORKLOADS.path(world.namespace)
    await world.ask("POST", path, _of(queueing.WORKLOADS, workload))
    await _pending(world)
    world.workloads.append(naming.workload_id(world.id, world.namespace, "Job", "waits"))
    playing = asyncio.create_task(_play(world), name="kueue")
    try:
        yield Way(world, world.workloads[-1], "waits")
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


async def waiting(world: ClusterWorld, kind: str, body: Object, replicas: int = 2) -> Way:
    """A controller whose pods are there and wait."""
    resource, name = next(r for r in (*resources.OWNERS, resources.PODS) if r.kind == kind), body["metadata"]["name"]
    if kind == "Deployment":
        body["spec"]["replicas"] = replicas
    await world.ask("POST", resource.path(world.namespace), body)
    await until(lambda: world.pods(name), lambda pods: len(pods) == replicas)
    world.workloads.append(naming.workload_id(world.id, world.namespace, kind, name))
    return Way(world, world.workloads[-1], name)


def job(world: ClusterWorld, **pod: Any) -> Object:
    """A Job of two pods that run until they are stopped."""
    body = world.manifest("Job", "waits", pod=pod | {"restartPolicy": "Never"})
    body["apiVersion"] = "batch/v1"
    del body["spec"]["selector"]
    body["spec"] |= {"parallelism": 2, "completions": 2, "completionMode": "Indexed"}
    return body


async def offer(world: ClusterWorld, node: NodeId, devices: int = 4) -> None:
    """Devices of that node by name, as a driver offers them."""
    told = companions.resource_slice(str(node), *(companions.device(n) for n in range(devices)))
    told["metadata"] = {"name": f"{node}-gpus"}
    await world.ask("POST", resources.SLICES.path(), told)


async def held(world: ClusterWorld) -> list[list[str]]:
    """The devices of each claim, as the scheduler allotted them; sorted."""
    found = await world.ask("GET", resources.CLAIMS.path(world.namespace))
    results = [c.get("status", {}).get("allocation", {}).get("devices", {}).get("results", ()) for c in found["items"]]
    return sorted(sorted(str(r["device"]) for r in each) for each in results)


async def answer(world: ClusterWorld) -> Object:
    """What our check says."""
    found = await world.ask("GET", queueing.WORKLOADS.path(world.namespace, "job-waits"))
    checks: list[Object] = found["status"]["admissionChecks"]
    return checks[0]


async def _pending(world: ClusterWorld) -> None:
    """As Kueue has it once it has reserved quota."""
    check = {"name": CHECK, "state": "Pending", "message": "", "lastTransitionTime": NOW}
    reserved = {"type": "QuotaReserved", "status": "True", "reason": "QuotaReserved", "message": ""}
    status = {"conditions": [reserved | {"lastTransitionTime": NOW}], "admissionChecks": [check]}
    path = f"{queueing.WORKLOADS.path(world.namespace, 'job-waits')}/status"
    await world.ask("PATCH", path, {"status": status}, content_type=MERGE)


async def _play(world: ClusterWorld) -> None:
    """Start the Job with the pod set's update once the check is ready; stop it, and ask anew, when told to retry."""
    while True:
        told = await answer(world)
        if told["state"] == "Ready":
            chosen = told["podSetUpdates"][0].get("nodeSelector", {})
            spec = {"suspend": False, "template": {"spec": {"nodeSelector": {LABEL: world.namespace} | chosen}}}
            await _job(world, spec)
        elif told["state"] == "Retry":
            await _job(world, {"suspend": True})
            await _pending(world)
        await asyncio.sleep(0.1)


async def _job(world: ClusterWorld, spec: Object) -> None:
    path = resources.JOBS.path(world.namespace, "waits")
    found = await world.ask("GET", path)
    if found["spec"]["suspend"] != spec["suspend"]:
        await world.ask("PATCH", path, {"spec": spec}, content_type=MERGE)


async def _define(world: ClusterWorld) -> None:
    """Kueue's two kinds, as far as this contract reads them."""
    for kind in (queueing.WORKLOADS, queueing.CHECKS):
        form = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = {"type": "object", "properties": {"spec": form, "status": form}}
        served = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()}
        spec = {"group": kind.group, "names": names, "scope": "Namespaced" if kind.namespaced else "Cluster"}
        about = {
            "name": kind.name,
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/kueue"},
        }
        body = {"metadata": about, "spec": spec | {"versions": [served | {"subresources": {"status": {}}}]}}
        await _quietly(world.ask("POST", DEFINITIONS, body))
        await until(partial(_serves, world, kind.path()), lambda served: served)


async def _serves(world: ClusterWorld, path: str) -> bool:
    try:
        await world.ask("GET", path)
    except (faults.NotFound, faults.Overloaded):
        return False
    return True


def _of(kind: resources.Resource, body: Object) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind} | body


def _device_class() -> Object:
    driver = {"cel": {"expression": f'device.driver == "{companions.NVIDIA}"'}}
    return {"metadata": {"name": companions.NVIDIA}, "spec": {"selectors": [driver]}}


async def _quietly(call: Awaitable[Object]) -> None:
    try:
        await call
    except faults.AlreadyExists:
        return


type Opening = Callable[[ClusterWorld], Awaitable[Way]]
