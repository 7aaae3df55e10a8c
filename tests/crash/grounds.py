"""A real cluster that an installation stands on: nodes, two tenants' work on the one that will fail, our two accounts.

The cluster is as `placet policy export` leaves it: generated RBAC for a reader and a writer with tokens of their own,
and the warrant rule in force. What facts say of it carries its true uid. Each test gets nodes and workloads of its own,
one after another on one control plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubernetes.aio.client import ApiClient, ApiException

from console import config
from console.config import Credentials, ExecutorSpec
from console.demo import estate, payloads
from console.initialising import Founding, found
from console.state import StateDirectory
from estate.hardware import Node
from estate.ids import ClusterId, ExecutorId, InstallationId, Uid
from estate.law import Facts
from estate.modes import Mode
from estate.workloads import Workload
from estate.worlds import World
from policies.admission import identities
from policies.admission.annotations import protected_policy, warrant_policy
from policies.admission.manifests import binding
from policies.admission.registering import register_policy
from policies.admission.roles import rbac
from tests.admission.clusters import collection
from tests.crash.supervision import PATIENCE, Outside, until
from tools.controlplane import clients, faults, objects, populating, settling
from tools.controlplane.credentials import Identity
from tools.controlplane.launching import ControlPlane
from tools.kubernetes import resources
from tools.kubernetes.resources import Resource

FAILING = {ClusterId("eu-1"): "eu-a1", ClusterId("us-1"): "us-a1"}
"""The node of each cluster whose device will fall off the bus."""
DEVICE = 2
RACKS = ("eu-a", "eu-b", "us-a", "us-b")
WORK = ("a-chat", "b-imaging", "c-pilot")
BY_ROLLOUT = "a-chat"
"""A Deployment: whoever writes its template has its controller replace all pods."""
BY_EVICTION = "b-imaging"
"""A StatefulSet that rolls nothing by itself: its pods leave by eviction alone."""
STARTS_AFTER = "400ms"
"""How long a pod takes to be ready: so there is a middle of a rollout to be killed in."""
_ROLLS = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
_ON_DELETE = {"updateStrategy": {"type": "OnDelete"}, "serviceName": "none"}


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster with our accounts in it."""

    id: ClusterId
    plane: ControlPlane
    api: ApiClient
    """As its administrator."""
    uid: Uid
    reader: Identity
    writer: Identity
    registrar: Identity

    @property
    def executor(self) -> ExecutorId:
        """Who alone writes it."""
        return ExecutorId(self.id.partition("-")[0])

    @property
    def world(self) -> World:
        """What stands on it at the start of a test."""
        whole = world()
        nodes = tuple(n for n in whole.nodes if n.cluster == self.id)
        return World(
            nodes=nodes, workloads=tuple(w for w in whole.workloads if w.cluster == self.id and w.name in WORK)
        )

    @property
    def failing(self) -> Node:
        """The node whose device will fall off the bus."""
        return next(n for n in self.world.nodes if n.name == FAILING[self.id])

    async def ask(self, method: str, path: str, body: Any = None) -> clients.Object:
        """A request of the administrator's."""
        return await clients.ask(self.api, method, path, body)

    async def delete(self, path: str) -> None:
        """Delete what is there."""
        with suppress(ApiException):
            await self.ask("DELETE", path)

    async def patch(self, path: str, body: Any) -> clients.Object:
        """A merge patch of the administrator's."""
        return await clients.ask(self.api, "PATCH", path, body, content_type=clients.MERGE_PATCH)


@asynccontextmanager
async def ground(plane: ControlPlane, cluster: ClusterId) -> AsyncIterator[Ground]:
    """The cluster with our accounts, the warrant rule, and nothing on it yet."""
    async with plane.client() as api:
        policies = (warrant_policy(), register_policy(), protected_policy())
        for made in (*rbac(), *policies, *(binding(p, enforce=True) for p in policies)):
            await clients.create(api, collection(made), made)
        reader = await plane.service_account(identities.NAMESPACE, identities.READER)
        writer = await plane.service_account(identities.NAMESPACE, identities.WRITER)
        registrar = await plane.service_account(identities.NAMESPACE, identities.REGISTRAR)
        yield Ground(cluster, plane, api, await populating.cluster_uid(api), reader, writer, registrar)


@asynccontextmanager
async def settled(at: Ground) -> AsyncIterator[None]:
    """The cluster's nodes and workloads, each pod where the world says; all gone again afterwards."""
    await asyncio.gather(*(clients.create(at.api, "/api/v1/nodes", objects.node(n)) for n in at.world.nodes))
    try:
        await until(lambda: _open(at), "the nodes to be ready")
        async with at.plane.client(at.writer) as api:
            await until(lambda: _guarded(at, api), "the warrant rule to be in force")
        await _close(at, (n.name for n in at.world.nodes), closed=True)
        await _seat(at)
        await _close(at, (n.name for n in at.world.nodes), closed=False)
        await until(lambda: _open(at), "the nodes to be open")
        yield
    finally:
        await asyncio.gather(*(at.delete(path_of(w)) for w in at.world.workloads))
        await populating.clear(at.api, at.world, at.id)


async def founded(root: Path, name: str, *grounds: Ground, **settings: Any) -> Outside:
    """A fresh installation for these clusters, an executor for each, in automatic mode."""
    outside = Outside(StateDirectory(root))
    founding = Founding(installation=InstallationId(name), facts=facts(*grounds), world=World(nodes=(), workloads=()))
    found(outside.state, founding, datetime.now(UTC))
    clusters = tuple(
        config.Cluster(
            id=g.id,
            reader=Credentials(kubeconfig=g.reader.kubeconfig),
            writer=Credentials(kubeconfig=g.writer.kubeconfig),
            registrar=Credentials(kubeconfig=g.registrar.kubeconfig),
        )
        for g in grounds
    )
    executors = tuple(ExecutorSpec(id=g.executor, clusters=(g.id,)) for g in grounds)
    named = {"clusters": clusters, "executors": executors, "mode": Mode.AUTOMATIC} | settings
    outside.state.config_path.write_text(config.write(outside.settings.model_copy(update=named)))
    return outside


def facts(*grounds: Ground) -> Facts:
    """The demo's law base for two racks a site, with the true uids of these clusters."""
    base = estate.facts(datetime.now(UTC) + timedelta(days=1))
    uids = {g.id: g.uid for g in grounds}
    known = tuple(c.model_copy(update={"uid": uids.get(c.id, c.uid)}) for c in base.clusters)
    return base.model_copy(update={"clusters": known, "racks": tuple(r for r in base.racks if r.id in RACKS)})


def world() -> World:
    """The demo's world with the nodes of two racks a site."""
    whole = estate.world()
    return whole.model_copy(update={"nodes": tuple(n for n in whole.nodes if n.id[:-1] in RACKS)})


async def lose_accelerator(outside: Outside, at: Ground) -> None:
    """The device plugin can allot one device less, and the node's kernel says which fell off the bus."""
    node = at.failing
    await faults.lose_accelerators(at.api, node.name, len(node.accelerators) - 1)
    await outside.post("kernel", payloads.kernel_line(node, node.accelerators[DEVICE], datetime.now(UTC)))


def path_of(workload: Workload) -> str:
    """Where its controller lives."""
    return resource_of(workload).path(workload.namespace, workload.name)


def resource_of(workload: Workload) -> Resource:
    """What its controller is."""
    return resources.STATEFUL_SETS if workload.name == BY_EVICTION else resources.DEPLOYMENTS


async def _seat(at: Ground) -> None:
    """All replicas, bound by hand while every node is closed: no template says where, so placet may."""
    workloads, names = at.world.workloads, {str(n.id): n.name for n in at.world.nodes}
    await populating.create_namespaces(at.api, {w.namespace for w in workloads})
    await asyncio.gather(*(_create(at, w) for w in workloads))
    await populating.until_none(lambda: settling.bind(at.api, workloads, names), PATIENCE)
    await asyncio.gather(*(until(lambda w=w: _ready(at, w), f"`{w.name}` to run") for w in workloads))  # type: ignore[misc]


async def _create(at: Ground, workload: Workload) -> None:
    budget = objects.disruption_budget(workload)
    assert budget is not None
    await clients.create(at.api, f"/apis/policy/v1/namespaces/{workload.namespace}/poddisruptionbudgets", budget)
    home = next(n for n in at.world.nodes if n.id == workload.bindings[0].node)
    made = _controller(workload, objects.resource(home))
    await clients.create(at.api, path_of(workload).rpartition("/")[0], made)


def _controller(workload: Workload, devices: str) -> clients.Object:
    homes = {str(b.node): str(b.node) for b in workload.bindings}
    made = objects.deployment(workload, homes, pinned=False, devices=devices)
    made["kind"] = resource_of(workload).kind
    made["spec"] |= _ON_DELETE if workload.name == BY_EVICTION else _ROLLS
    template = made["spec"]["template"]
    template["metadata"]["annotations"]["placet.dev/starts-after"] = STARTS_AFTER
    # Whoever holds a template's affinity is never overruled, so this tenant says by a selector which devices it needs.
    template["spec"].pop("affinity", None)
    if workload.contract.models:
        template["spec"]["nodeSelector"] = {objects.PRODUCT: workload.contract.models[0]}
    return made


async def _close(at: Ground, names: Iterable[str], *, closed: bool) -> None:
    """Shut or open nodes; opening leaves the field to whoever comes."""
    body = {"spec": {"unschedulable": True if closed else None}}
    await asyncio.gather(*(at.patch(f"/api/v1/nodes/{name}", body) for name in names))


async def _ready(at: Ground, workload: Workload) -> bool | None:
    """Whether all its replicas run and its budget counts them."""
    budget = f"/apis/policy/v1/namespaces/{workload.namespace}/poddisruptionbudgets/{workload.name}"
    runs = (await at.ask("GET", path_of(workload))).get("status", {}).get("readyReplicas", 0)
    counted = (await at.ask("GET", budget)).get("status", {}).get("currentHealthy", 0)
    return runs == counted == workload.replicas or None


async def _open(at: Ground) -> bool | None:
    found = (await at.ask("GET", "/api/v1/nodes"))["items"]
    return all(not n["spec"].get("taints") for n in found) or None


async def _guarded(at: Ground, api: ApiClient) -> bool | None:
    """Whether our own writer is refused without a warrant."""
    path = f"/api/v1/nodes/{at.failing.name}?dryRun=All"
    try:
        await clients.ask(api, "PATCH", path, {"spec": {"unschedulable": True}}, content_type=clients.MERGE_PATCH)
    except ApiException as error:
        return "nothing changes without a warrant" in str(error.body) or None
    return None
