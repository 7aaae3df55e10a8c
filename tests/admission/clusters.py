"""The cluster `eu-1` as a platform team would have it: lawful nodes, one that stands abroad, one that no fact knows."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from kubernetes.aio.client import ApiClient, ApiException

from estate.ids import ClusterId
from estate.law import Facts
from policies.admission import identities, labels
from policies.admission.exporting import admission
from policies.admission.roles import rbac, tenancies
from tests import builders
from tools.controlplane import clients
from tools.controlplane.launching import ControlPlane

LAWFUL = ("eu-a1", "eu-a2")
ABROAD, STRANGER = "us-a1", "stranger"
"""Facts place the first at `us-east`, and know nothing of the second."""
UNLAWFUL = (ABROAD, STRANGER)
TENANTS, BARRED = ("tenant-a", "tenant-c"), "tenant-b"
"""Those who may be here, and one whose facts say that German authorities must have no power over it."""
FREE, GUARDED = "free", "guarded"
"""Namespaces that belong to no tenant; the second is protected."""
DRY = "?dryRun=All"
SECONDS = 60.0

type Body = dict[str, Any]
type Probe = Callable[[], Awaitable[bool]]

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to the cluster as somebody."""

    plane: ControlPlane
    api: ApiClient

    async def ask(self, method: str, path: str, body: Any = None, form: str = clients.JSON) -> Body:
        """The answer of a success; raises ApiException for everything else."""
        return await clients.ask(self.api, method, path, body, content_type=form)

    async def request(
        self, method: str, path: str, query: Mapping[str, str | int | bool] | None = None, body: Any = None
    ) -> Mapping[str, Any]:
        """As `tools.kubernetes.reviewing` asks."""
        return await self.ask(method, f"{path}?{urlencode(query)}" if query else path, body)

    async def patch(self, path: str, body: Body) -> Body:
        """A merge patch."""
        return await self.ask("PATCH", path, body, clients.MERGE_PATCH)

    async def refused(self, asked: Awaitable[Body]) -> str:
        """The API server's own words of a refusal; anything else fails the test."""
        with pytest.raises(ApiException) as raised:
            await asked
        assert raised.value.status in {403, 422}, raised.value
        return str(orjson.loads(raised.value.body)["message"])


def law() -> Facts:
    """The facts of the small estate, but for the limits of one tenant."""
    barred = builders.tenant(BARRED, residency=builders.residency("DE", "FR").model_copy(update={"legal": ("FR",)}))
    return builders.facts(tenants=tuple(barred if t.id == BARRED else t for t in builders.facts().tenants))


async def at_its_door(cluster: Cluster, *, touch: bool = True) -> None:
    """Do as the guide says on a cluster that is there: apply everything, wait until it is in force, touch the nodes."""
    cluster_id = ClusterId("eu-1")
    for found in (*rbac(), *tenancies(law(), cluster_id), *admission(law(), cluster_id, registered=False)):
        await clients.create(cluster.api, collection(found), found)
    writer = await cluster.plane.service_account(identities.NAMESPACE, identities.WRITER)
    async with cluster.plane.client(writer) as api:
        for holds in probes(cluster, Cluster(cluster.plane, api)):
            await until(holds)
    for node in (await cluster.ask("GET", "/api/v1/nodes"))["items"] if touch else ():
        about = {"annotations": {"placet.dev/facts": "touched"}}
        await cluster.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"metadata": about})


def probes(cluster: Cluster, writer: Cluster) -> Iterator[Probe]:
    """Whether each policy shows its effect in a dry run: they come into force one after another."""
    forged = {"metadata": {"labels": {labels.SITE: "eu-de"}}}
    for tenant in TENANTS:
        pods = f"/api/v1/namespaces/{tenant}/pods"
        bound = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "any"}, "target": {"name": ABROAD}}
        yield refusing(cluster.ask("POST", f"{pods}{DRY}", pod("any", nodeName=ABROAD)) for _ in itertools.count())
        yield refusing(cluster.ask("POST", f"{pods}/any/binding{DRY}", bound) for _ in itertools.count())
        asks = pod("any", annotations={"placet.dev/datasets": "unheard-of"})
        yield refusing(cluster.ask("POST", f"{pods}{DRY}", asks) for _ in itertools.count())
        yield _steering(cluster, pods)
    barred = f"/api/v1/namespaces/{BARRED}/pods{DRY}"
    yield refusing(cluster.ask("POST", barred, pod("any")) for _ in itertools.count())
    yield refusing(writer.patch(f"/api/v1/nodes/{ABROAD}{DRY}", forged) for _ in itertools.count())
    yield refusing(cluster.patch(f"/api/v1/nodes/{ABROAD}/status{DRY}", forged) for _ in itertools.count())
    yield _unlabelled(cluster, forged)
    annotated = pod("any", annotations={"placet.dev/warrant": "forged"})
    yield refusing(cluster.ask("POST", f"/api/v1/namespaces/{GUARDED}/pods{DRY}", annotated) for _ in itertools.count())


def refusing(asked: Iterator[Awaitable[Body]]) -> Probe:
    """Whether the next of these is refused by a policy."""

    async def holds() -> bool:
        try:
            await next(asked)
        except ApiException as error:
            return error.status in {403, 422}
        return False

    return holds


def _steering(cluster: Cluster, pods: str) -> Probe:
    async def holds() -> bool:
        made = await cluster.ask("POST", f"{pods}{DRY}", pod("any"))
        return labels.SITE in made["spec"].get("nodeSelector", {})

    return holds


def _unlabelled(cluster: Cluster, forged: Body) -> Probe:
    async def holds() -> bool:
        try:
            written = await cluster.patch(f"/api/v1/nodes/{ABROAD}{DRY}", forged)
        except ApiException:
            return False
        return labels.SITE not in written["metadata"].get("labels", {})

    return holds


def collection(found: Body) -> str:
    """Where objects of this kind are created."""
    version, kind, about = found["apiVersion"], str(found["kind"]).lower(), found["metadata"]
    plural = f"{kind[:-1]}ies" if kind.endswith("policy") else f"{kind}s"
    inside = f"/namespaces/{about['namespace']}" if "namespace" in about else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{inside}/{plural}"


async def furnish(cluster: Cluster) -> None:
    """Nodes and namespaces, before anything of Placet is there."""
    await nodes(cluster, (*LAWFUL, *UNLAWFUL))
    await namespaces(cluster, (*TENANTS, BARRED, FREE, GUARDED))


async def nodes(cluster: Cluster, names: Iterable[str]) -> None:
    """Nodes, each with room for a hundred pods, that kwok keeps ready."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    for name in names:
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"allocatable": room, "capacity": room},
        }
        await clients.create(cluster.api, "/api/v1/nodes", body)


async def namespaces(cluster: Cluster, names: Iterable[str]) -> None:
    """Namespaces that pods can come to."""
    for name in names:
        marks = {"placet.dev/protected": "true"} if name == GUARDED else {}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}}
        await clients.create(cluster.api, "/api/v1/namespaces", body)
        await until(lambda name=name: _answers(cluster, f"/api/v1/namespaces/{name}/serviceaccounts/default"))


async def empty(cluster: Cluster) -> None:
    """Take away pods, nodes and the whole door, and wait until none of it is in force any more."""
    policies = "/apis/admissionregistration.k8s.io/v1"
    for what in ("validatingadmissionpolic", "mutatingadmissionpolic"):
        for kind in (f"{what}ybindings", f"{what}ies"):
            await cluster.ask("DELETE", f"{policies}/{kind}")
    for namespace in (*TENANTS, BARRED, FREE, GUARDED):
        at = f"namespaces/{namespace}"
        await cluster.ask("DELETE", f"/apis/apps/v1/{at}/deployments", {"propagationPolicy": "Background"})
        await cluster.ask("DELETE", f"/api/v1/{at}/pods", {"gracePeriodSeconds": 0})
        await until(lambda at=at: _none(cluster, f"/api/v1/{at}/pods"))
    await cluster.ask("DELETE", "/api/v1/nodes")
    await until(lambda: _none(cluster, "/api/v1/nodes"))
    await nodes(cluster, (ABROAD,))
    for tenant in TENANTS:
        await namespaces(cluster, (tenant,))
        await until(lambda tenant=tenant: _is_free(cluster, f"/api/v1/namespaces/{tenant}/pods"))
    await cluster.ask("DELETE", f"/api/v1/nodes/{ABROAD}")


async def _none(cluster: Cluster, path: str) -> bool:
    return not (await cluster.ask("GET", path))["items"]


async def _is_free(cluster: Cluster, pods: str) -> bool:
    """Whether no policy refuses, steers or relabels anything."""
    forged = {"metadata": {"labels": {labels.SITE: "eu-de", labels.RACK: "any"}}}
    bound = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "any"}, "target": {"name": ABROAD}}
    try:
        made = await cluster.ask("POST", f"{pods}{DRY}", pod("any", nodeName=ABROAD))
        written = await cluster.patch(f"/api/v1/nodes/{ABROAD}/status{DRY}", forged)
        written = await cluster.patch(f"/api/v1/nodes/{ABROAD}{DRY}", forged)
    except ApiException:
        return False
    if await refusing(iter([cluster.ask("POST", f"{pods}/any/binding{DRY}", bound)]))():
        return False
    kept = written["metadata"]["labels"].items() >= forged["metadata"]["labels"].items()
    return kept and not made["spec"].keys() & {"nodeSelector", "affinity"}


def named(stem: str) -> str:
    """A name that no other test of this run has."""
    return f"{stem}-{next(_numbers)}"


def pod(name: str, *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Body:
    """A pod that asks for next to nothing."""
    about = {"name": name, "annotations": dict(annotations or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [_container()], **spec}}


def deployment(name: str, replicas: int) -> Body:
    """Equal pods."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [_container()]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _container() -> Body:
    return {"name": "work", "image": "none.example/none", "resources": {"requests": {"cpu": "10m"}}}


async def run(cluster: Cluster, namespace: str, name: str, replicas: int) -> None:
    """Deploy, and wait until every pod is bound."""
    await cluster.ask("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name, replicas))

    async def all_run() -> bool:
        return sum((await where(cluster, namespace, name)).values()) == replicas

    await until(all_run)


async def where(cluster: Cluster, namespace: str, app: str) -> Counter[str]:
    """The running pods of a deployment, by node."""
    found = await cluster.ask("GET", f"/api/v1/namespaces/{namespace}/pods")
    mine = [p for p in found["items"] if p["metadata"].get("labels", {}).get("app") == app]
    return Counter(p["spec"]["nodeName"] for p in mine if p["status"].get("phase") == "Running")


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Wait until something holds, or fail."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.1)


async def gone(cluster: Cluster, path: str) -> bool:
    """Whether nothing is there."""
    return not await _answers(cluster, path)


async def _answers(cluster: Cluster, path: str) -> bool:
    try:
        await cluster.ask("GET", path)
    except ApiException:
        return False
    return True
