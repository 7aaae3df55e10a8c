"""A bench for drift: objects of one test on a real API server, written by whoever the test names, and their drifts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from estate.changes import ApplyManifest, Change
from estate.drifts import Drift
from tests import builders
from tests.execution.clusters import CLUSTER, ClusterWorld, cluster_world
from tests.execution.rig import key
from tests.objects import Manifest, apply, manifest
from tools.controlplane.launching import ControlPlane
from tools.drift import desires, objects
from tools.drift.objects import Setting
from tools.drift.schemas import Schemas
from tools.kubernetes import discovering, resources
from tools.kubernetes.connecting import APPLY, JSON, MERGE, STRATEGIC, Object
from tools.kubernetes.resources import Resource

CLUSTER_DEPLOYMENTS = Resource("k0rdent.mirantis.com", "v1beta1", "clusterdeployments", "ClusterDeployment")
VERSIONS = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", "autoscaling/v2")
KINDS = {
    r.kind: r
    for r in (
        *resources.OWNERS,
        resources.NODES,
        *resources.APPLIED.values(),
        CLUSTER_DEPLOYMENTS,
        resources.NAMESPACES,
    )
}

_SCHEMAS: dict[str, Schemas] = {}
"""By the uid of a cluster."""


@dataclass
class Bench:
    """What one test has: a piece of the cluster, and what somebody declared of it."""

    world: ClusterWorld
    schemas: Schemas
    declared: list[desires.Desire] = field(default_factory=list)
    last: Object = field(default_factory=dict)
    steps: int = 0

    @property
    def setting(self) -> Setting:
        """Where objects are compared."""
        return Setting(CLUSTER, self.world.facts(), self.schemas)

    def path(self, kind: str, name: str) -> str:
        """Where the API has it."""
        return KINDS[kind].path(self.world.namespace, name)

    def of(self, kind: str, name: str = "serve", **content: Any) -> Manifest:
        """A manifest in the test's namespace."""
        return manifest(kind, namespace=self.world.namespace, name=name, **content)

    async def placet(self, change: Change | Manifest) -> None:
        """Carry a change out as the executor does: rehearsed, applied, verified."""
        made = apply(change) if isinstance(change, dict) else change
        on = (
            builders.estate(law_base=self.world.facts())
            if isinstance(made, ApplyManifest)
            else await self.world.sight()
        )
        (step,) = builders.steps(made, on=on)
        self.steps += 1
        target = self.world.target()
        refusal = await target.rehearse((step,))
        refusal = refusal or await target.apply(key(self.steps), step.change, step.preconditions, step.postconditions)
        assert refusal is None, refusal
        assert await target.check(step.postconditions) == ()

    async def write(self, kind: str, name: str, patch: Any, manager: str, **more: Any) -> Object:
        """A patch by somebody: a merge patch unless told otherwise."""
        form, part = more.get("form", MERGE), more.get("part", "")
        path = self.path(kind, name) + (f"/{part}" if part else "")
        return await self.world.connection.request("PATCH", path, {"fieldManager": manager}, patch, content_type=form)

    async def edit(self, kind: str, name: str, patch: Any, manager: str = "kubectl-edit") -> Object:
        """A strategic merge patch, as kubectl makes them."""
        return await self.write(kind, name, patch, manager, form=STRATEGIC)

    async def apply(self, body: Object, manager: str) -> Object:
        """Server-side apply."""
        return await self.write(body["kind"], body["metadata"]["name"], body, manager, form=APPLY)

    async def create(self, body: Object, manager: str) -> Object:
        """A plain creation."""
        kind = KINDS[body["kind"]]
        return await self.world.connection.request(
            "POST", kind.path(self.world.namespace), {"fieldManager": manager}, body, content_type=JSON
        )

    async def kubectl(self, body: Object) -> Object:
        """What `kubectl apply` does with an object that is not there."""
        body = json.loads(json.dumps(body))
        body["metadata"].setdefault("namespace", self.world.namespace)
        body["metadata"].setdefault("annotations", {})
        text = json.dumps(body, separators=(",", ":")) + "\n"
        body["metadata"]["annotations"] |= {desires.KUBECTL: text}
        return await self.create(body, "kubectl-client-side-apply")

    async def delete(self, kind: str, name: str) -> None:
        """Gone; the bench remembers it as it was last seen."""
        self.last = await self.world.ask("GET", self.path(kind, name))
        await self.world.ask("DELETE", self.path(kind, name))

    def declare(self, body: Object, *appliers: str) -> None:
        """Say what should be there."""
        self.declared.append(desires.declared(body, frozenset(appliers)))

    async def drifts(self, kind: str, name: str) -> tuple[Drift, ...]:
        """The drifts of an object as it is now."""
        raw = await self.world.ask("GET", self.path(kind, name))
        return objects.drifts(raw, self.setting, self.declared)

    def gone(self) -> tuple[Drift, ...]:
        """The drift of what was deleted last."""
        return objects.missing(self.last, self.setting)


@asynccontextmanager
async def bench(plane: ControlPlane, names: Callable[[str], str]) -> AsyncIterator[Bench]:
    """A namespace of its own."""
    async with cluster_world(plane, names) as world:
        yield Bench(world, await _schemas(world))


async def _schemas(world: ClusterWorld) -> Schemas:
    """What the API server says of these kinds; asked once."""
    if world.uid not in _SCHEMAS:
        _SCHEMAS[world.uid] = Schemas(await discovering.documents(world.connection, VERSIONS))
    return _SCHEMAS[world.uid]


def deployment(name: str = "serve", *, replicas: int | None = 2, pod: Object | None = None, **container: Any) -> Object:
    """A Deployment as a tenant writes it; its pods fit on no node, so that nothing runs."""
    main = {"name": "main", "image": "example/serve:1.0"} | container
    spec: Object = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [main], "nodeSelector": {"placet.dev/test": "none"}} | (pod or {}),
        },
    }
    spec |= {} if replicas is None else {"replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
