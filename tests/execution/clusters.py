"""A piece of a real cluster for one test of the Kubernetes target: nodes, controllers and budgets of its own.

Its pods keep to its nodes by a label, so that tests share one control plane. What a tenant would apply is applied under
the tenant's own field manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from estate import law
from estate.changes import Change
from estate.conditions import Condition, Field, observed
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, TenantId, Uid, WorkloadId
from estate.manifests import Address
from estate.objects import Sighting
from estate.things import Thing, ThingKind
from tests import builders
from tests.partitioned import stating
from tools.controlplane import objects
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.kubernetes.waiting import Limits
from tools.execution.patience import Patience
from tools.kubernetes import faults, naming, resources
from tools.kubernetes.connecting import APPLY, MERGE, Access, Connection, Object

CLUSTER = ClusterId("eu-1")
LABEL = "placet.dev/test"
QUICK = Limits(evict=20.0, end=20.0, bind=20.0, cut=20.0, between_looks=0.05)
SHORT = Limits(evict=1.0, end=1.0, bind=2.0, between_looks=0.05)


async def until[T](look: Callable[[], Awaitable[T]], settled: Callable[[T], bool], seconds: float = 30.0) -> T:
    """The first settled sight; fails the test when there is none in time."""
    async with asyncio.timeout(seconds):
        while True:
            if settled(seen := await look()):
                return seen
            await asyncio.sleep(0.05)


@dataclass
class ClusterWorld:
    """What one test has of the cluster."""

    connection: Connection
    uid: str
    stem: Callable[[str], str]
    nodes: list[str] = field(default_factory=list)
    workloads: list[WorkloadId] = field(default_factory=list)
    id: ClusterId = CLUSTER

    @property
    def namespace(self) -> str:
        """The test's namespace, of `tenant-a`."""
        return self.stem("tenant-a")

    def facts(self) -> law.Facts:
        """The law base that places the nodes made so far."""
        base = stating()
        clusters = tuple(c.model_copy(update={"uid": Uid(self.uid)}) if c.id == CLUSTER else c for c in base.clusters)
        names = tuple(NodeId(n) for n in self.nodes)
        racks = tuple(r.model_copy(update={"nodes": names if r.id == "eu-a" else ()}) for r in base.racks)
        mine = law.Namespace(cluster=CLUSTER, name=self.namespace)
        tenants = tuple(
            t.model_copy(update={"namespaces": (mine,)}) if t.id == TenantId("tenant-a") else t for t in base.tenants
        )
        return base.model_copy(update={"clusters": clusters, "racks": racks, "tenants": tenants})

    def target(self, limits: Limits = QUICK, patience: Patience | None = None) -> KubernetesTarget:
        """Hands on this cluster."""
        return KubernetesTarget({CLUSTER: self.connection}, self.facts, limits, patience)

    async def sight(self) -> FrozenEstate:
        """All that is this test's, as a live read sees it."""
        things = [Thing(kind=ThingKind.NODE, id=n) for n in self.nodes]
        things += [Thing(kind=ThingKind.WORKLOAD, id=w) for w in self.workloads]
        wanted = [Condition(about=t, uid=Uid("any"), field=Field.BINDINGS, equals=()) for t in things]
        return await Reach({CLUSTER: self.connection}, self.facts).sight(wanted)

    async def object(self, address: Address) -> Sighting:
        """What is at an object's place, as a live read sees it."""
        reach = Reach({CLUSTER: self.connection}, self.facts)
        return reach.sighting(address, await reach.object(address))

    async def content(self) -> tuple[Condition, ...]:
        """What conditions can tell of it, in order."""
        seen = await self.sight()
        nodes = (observed(seen, Thing(kind=ThingKind.NODE, id=n), Field.CORDONED, Field.TAINTS) for n in self.nodes)
        kept = (
            observed(seen, Thing(kind=ThingKind.WORKLOAD, id=w), Field.REPLICAS, Field.BINDINGS) for w in self.workloads
        )
        return tuple(c for found in (*nodes, *kept) for c in found)

    async def steps(self, *changes: Change) -> tuple[Step, ...]:
        """The steps of these changes on what is there now."""
        return builders.steps(*changes, on=await self.sight())

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Object:
        """A request as the administrator."""
        return await self.connection.request(method, path, body=body, **more)

    async def node(self, stem: str, *, accelerators: int = 8, labels: Mapping[str, str] | None = None) -> NodeId:
        """A ready node with so many accelerators."""
        name = self.stem(stem)
        about = {"name": name, "labels": {"kubernetes.io/hostname": name, LABEL: self.namespace, **(labels or {})}}
        amounts = {"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": str(accelerators)}
        status = {"allocatable": amounts, "capacity": amounts, "conditions": [objects.ready("True", "KubeletReady")]}
        await self.ask("POST", resources.NODES.path(), {"metadata": about, "status": status})
        await until(lambda: self.ask("GET", resources.NODES.path(name=name)), _open)
        self.nodes.append(name)
        return NodeId(name)

    async def workload(self, kind: str, name: str, replicas: int = 2, **spec: Any) -> WorkloadId:
        """A controller with its pods running. Its replicas are handed over: the tenant does not apply them any more."""
        resource = next(r for r in (*resources.OWNERS, resources.PODS) if r.kind == kind)
        body = self.manifest(kind, name, **spec)
        body["spec"]["replicas"] = replicas
        path = resource.path(self.namespace, name)
        await self.apply(path, body, "tenant")
        await self.apply(path, _only_replicas(body), "placet")
        del body["spec"]["replicas"]
        await self.apply(path, body, "tenant")
        await self.running(name, replicas)
        found = naming.workload_id(self.id, self.namespace, kind, name)
        self.workloads.append(found)
        return found

    def manifest(
        self, kind: str, name: str, *, accelerators: int = 2, pod: Object | None = None, **spec: Any
    ) -> Object:
        """A controller as a tenant writes it."""
        container = {"name": "main", "image": "example", "resources": {"limits": {"nvidia.com/gpu": accelerators}}}
        inner = {"containers": [container], "nodeSelector": {LABEL: self.namespace}, "terminationGracePeriodSeconds": 1}
        template = {"metadata": {"labels": {"app": name}}, "spec": inner | (pod or {})}
        return {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template} | spec,
        }

    async def apply(self, path: str, body: Object, manager: str) -> Object:
        """Server-side apply under some field manager."""
        return await self.connection.request("PATCH", path, {"fieldManager": manager}, body, content_type=APPLY)

    async def budget(self, app: str, *, name: str = "", **spec: Any) -> None:
        """A disruption budget over the pods of `app`, once the cluster has counted them."""
        path, name = resources.BUDGETS.path(self.namespace), name or app
        body = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": app}}} | spec}
        await self.ask("POST", path, body)
        await until(lambda: self.ask("GET", f"{path}/{name}"), lambda b: b.get("status", {}).get("expectedPods", 0) > 0)

    async def pods(self, name: str) -> list[Object]:
        """The pods of one controller."""
        answer = await self.connection.request(
            "GET", resources.PODS.path(self.namespace), {"labelSelector": f"app={name}"}
        )
        return sorted(answer["items"], key=lambda p: str(p["metadata"]["name"]))

    async def running(self, name: str, count: int) -> list[Object]:
        """Its pods, once so many run."""
        return await until(lambda: self.pods(name), lambda pods: _run(pods) == count == len(pods))

    async def on(self, name: str) -> list[str]:
        """The nodes of its pods, sorted."""
        return sorted(p["spec"].get("nodeName", "") for p in await self.pods(name))

    async def alone(self, kind: str, name: str, node: NodeId) -> WorkloadId:
        """A bare pod, or a job of one, running on that node."""
        inner = self.manifest("Deployment", name)["spec"]["template"]
        inner["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": str(node)}, "restartPolicy": "Never"}
        resource = resources.PODS if kind == "Pod" else resources.JOBS
        body = {"metadata": {"name": name} | inner["metadata"], "spec": inner["spec"]}
        body = body if kind == "Pod" else {"metadata": {"name": name}, "spec": {"template": inner}}
        await self.ask("POST", resource.path(self.namespace), body)
        await self.running(name, 1)
        found = naming.workload_id(self.id, self.namespace, kind, name)
        self.workloads.append(found)
        return found

    async def hold(self, pod: Object) -> None:
        """Let this pod be unready, which uses its disruption budget up."""
        path = resources.PODS.path(self.namespace, pod["metadata"]["name"])
        condition = {"type": "Ready", "status": "False", "reason": "Held"}
        kept = [c for c in pod["status"]["conditions"] if c["type"] != "Ready"]
        await self.ask("PATCH", f"{path}/status", {"status": {"conditions": [*kept, condition]}}, content_type=MERGE)
        budget = resources.BUDGETS.path(self.namespace, pod["metadata"]["labels"]["app"])
        await until(lambda: self.ask("GET", budget), lambda b: not b["status"].get("disruptionsAllowed"))

    @asynccontextmanager
    async def rule(self, plural: str, expression: str, message: str) -> AsyncIterator[None]:
        """While inside, an admission policy of the cluster holds for this test's objects of that kind (`*`: of any).

        It is in force for a moment longer.
        """
        stem = "all" if plural == "*" else plural
        name, root = self.stem(f"rule-{stem}"), "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
        groups = {"nodes": [""], "*": ["", "apps"]}.get(plural, ["apps"])
        verbs = ["CREATE", "UPDATE"] if plural == "*" else ["UPDATE"]
        rules = [{"apiGroups": groups, "apiVersions": ["v1"], "operations": verbs, "resources": [plural]}]
        node, inside = f"object.metadata.name in {self.nodes}", f"request.?namespace.orValue('') == '{self.namespace}'"
        mine = {"nodes": node, "*": f"{node} || {inside}"}.get(plural, inside)
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "matchConditions": [{"name": "mine", "expression": mine}],
            "validations": [
                {"expression": expression, "message": message},
                {"expression": "!has(object.metadata.labels) || !('probe' in object.metadata.labels)"},
            ],
        }
        await self.ask("POST", root, {"metadata": {"name": name}, "spec": spec})
        bound = {"policyName": name, "validationActions": ["Deny"]}
        await self.ask("POST", f"{root[:-3]}ybindings", {"metadata": {"name": name}, "spec": bound})
        await until(lambda: self._refused(plural), lambda refused: refused)
        yield
        await self.ask("DELETE", f"{root[:-3]}ybindings/{name}")
        await self.ask("DELETE", f"{root}/{name}")

    @asynccontextmanager
    async def webhook_down(self, url: str = "https://127.0.0.1:1/", seconds: int = 1) -> AsyncIterator[None]:
        """While inside, every write of a controller in this namespace asks a webhook that does not answer."""
        name = self.stem("webhook")
        path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["*"]}
        hook = {
            "name": "gone.example.org",
            "clientConfig": {"url": url},
            "rules": [rule],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": seconds,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
        }
        await self.ask("POST", path, {"metadata": {"name": name}, "webhooks": [hook]})
        await until(self._refused, lambda refused: refused)
        yield
        await self.ask("DELETE", f"{path}/{name}")
        await until(self._refused, lambda refused: not refused)

    async def _refused(self, plural: str = "") -> bool:
        """Whether a write of a controller of this namespace (or of a node) is refused now, by a dry run."""
        path = resources.NODES.path(name=self.nodes[0])
        if plural != "nodes":
            kind, name = self.workloads[0].split(".")[2:]
            path = next(r for r in resources.OWNERS if r.kind.lower() == kind).path(self.namespace, name)
        body = {"metadata": {"labels": {"probe": "1"}}}
        query = {"dryRun": "All"}
        try:
            await self.connection.request("PATCH", path, query, body, content_type=MERGE)
        except (faults.Overloaded, faults.Rejected, faults.Forbidden):
            return True
        return False

    async def clean(self) -> None:
        """Give the cluster back what was taken. The namespace stays: its end takes two hundred requests."""
        nodes = [resources.NODES.path(name=name) for name in self.nodes]
        await asyncio.gather(*(_quietly(self.ask("DELETE", path)) for path in nodes))
        await emptied(self.connection, self.namespace)


@asynccontextmanager
async def cluster_world(
    plane: ControlPlane, names: Callable[[str], str], cluster: ClusterId = CLUSTER
) -> AsyncIterator[ClusterWorld]:
    """A namespace and no nodes yet."""
    async with await Connection.open(Access(plane.kubeconfig)) as connection:
        identity = await connection.request("GET", resources.IDENTITY)
        world = ClusterWorld(connection, str(identity["metadata"]["uid"]), names, id=cluster)
        await world.ask("POST", resources.NAMESPACES.path(), {"metadata": {"name": world.namespace}})
        yield world
        await world.clean()


async def emptied(connection: Connection, namespace: str) -> None:
    """Delete, at once, what runs in a namespace and what keeps it running."""
    now = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
    kinds = (*resources.OWNERS, resources.BUDGETS, resources.PODS)
    await asyncio.gather(*(connection.request("DELETE", kind.path(namespace), body=now) for kind in kinds))


def bare(raw: Object) -> Object:
    """An object without what every write changes: version, times, and our own annotations and their ownership."""
    about = {
        k: v for k, v in raw["metadata"].items() if k not in ("resourceVersion", "generation", "managedFields", "uid")
    }
    about["annotations"] = {
        k: v
        for k, v in about.get("annotations", {}).items()
        if k.split("/")[0] not in ("placet.dev", "deployment.kubernetes.io")
    }
    others = [
        {k: v for k, v in entry.items() if k != "time"}
        for entry in raw["metadata"].get("managedFields", ())
        if entry["manager"] not in ("placet", "kube-controller-manager") and entry.get("subresource") != "status"
    ]
    return {"metadata": about, "spec": raw["spec"], "others": others}


def hosts(pods: Iterable[Object]) -> list[str]:
    """The nodes of these pods."""
    return sorted(p["spec"].get("nodeName", "") for p in pods)


def _only_replicas(body: Object) -> Object:
    kept = {k: body[k] for k in ("apiVersion", "kind", "metadata")}
    return kept | {"spec": {"replicas": body["spec"]["replicas"]}}


def _open(node: Object) -> bool:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
    return ready and not node["spec"].get("taints")


def _run(pods: list[Object]) -> int:
    return sum(1 for p in pods if p["status"].get("phase") == "Running" and not p["metadata"].get("deletionTimestamp"))


async def _quietly(call: Awaitable[Object]) -> None:
    try:
        await call
    except faults.NotFound:
        return
