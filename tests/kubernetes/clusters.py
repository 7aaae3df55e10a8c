"""Hands on a real API server for tests: objects in, changed and out, and what the estate should be afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from estate.conditions import written_bindings
from estate.ids import ClusterId, Uid
from estate.law import Facts
from estate.workloads import Binding
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.raws import Raw
from tools.controlplane.launching import ControlPlane
from tools.inventory.kubernetes.following import Pace
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.port import Observed
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import MERGE, Access, Connection
from tools.kubernetes.resources import Resource

EU = ClusterId("eu-1")
SPACES = ("tenant-a", "tenant-b", "nobodys")
QUICK = Pace(first_wait=0.02, longest_wait=0.3, facts=0.2, discovery=0.2)
PATIENCE = 60.0


@dataclass(slots=True)
class Cluster:
    """One API server, by an administrator's connection."""

    plane: ControlPlane
    hands: Connection
    uid: str
    _numbers: dict[str, int] = field(default_factory=dict)

    def facts(self, cluster: ClusterId = EU, **over: Any) -> Facts:
        """The small estate's facts, with this cluster's true uid."""
        known = tuple(
            c.model_copy(update={"uid": Uid(self.uid)}) if c.id == cluster else c for c in builders.facts().clusters
        )
        return builders.facts(**({"clusters": known} | over))

    async def create(self, resource: Resource, raw: Raw) -> Raw:
        """Create it, uid and version aside (the server gives them)."""
        about = {k: v for k, v in raw["metadata"].items() if k not in ("uid", "resourceVersion")}
        path = resource.path(about.get("namespace", ""))
        return await self.hands.request("POST", path, body=raw | {"metadata": about})

    async def delete(self, resource: Resource, raw: Raw) -> None:
        """Delete it at once: there are no kubelets here that would end a pod."""
        about = raw["metadata"]
        body = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        with contextlib.suppress(faults.NotFound):
            await self.hands.request("DELETE", resource.path(about.get("namespace", ""), about["name"]), body=body)

    async def patch(self, resource: Resource, raw: Raw, change: Raw, sub: str = "") -> Raw:
        """Merge a change into it."""
        about = raw["metadata"]
        path = resource.path(about.get("namespace", ""), about["name"]) + (f"/{sub}" if sub else "")
        return await self.hands.request("PATCH", path, body=change, content_type=MERGE)

    async def clear(self) -> None:
        """Delete everything that a test may have made."""
        core = (*resources.OWNERS, resources.BUDGETS, resources.PODS, resources.NODES)
        for resource in (*core, *resources.DEVICES, resources.LEASES):
            async for page in self.hands.pages(resource.path()):
                await asyncio.gather(*(self.delete(resource, raw) for raw in page.items))

    async def fresh(self) -> dict[str, Any]:
        """What a source that begins now sees first."""
        async with contextlib.aclosing(KubernetesSource(self.hands, EU, self.facts).watch()) as watching:
            return meaning(await anext(watching))

    def number(self, stem: str) -> str:
        """A name that this test has not used."""
        self._numbers[stem] = self._numbers.get(stem, 0) + 1
        return f"{stem}-{self._numbers[stem]}"


@contextlib.asynccontextmanager
async def made(plane: ControlPlane) -> AsyncIterator[Cluster]:
    """Hands on that control plane, and the namespaces of the small estate with an account for their pods."""
    async with await Connection.open(Access(plane.kubeconfig)) as hands:
        form = await hands.request("GET", resources.IDENTITY)
        cluster = Cluster(plane, hands, form["metadata"]["uid"])
        for space in SPACES:
            with contextlib.suppress(faults.AlreadyExists):
                await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": space}})
            with contextlib.suppress(faults.AlreadyExists):
                account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
                await hands.request("POST", f"/api/v1/namespaces/{space}/serviceaccounts", body=account)
        yield cluster


def meaning(seen: Observed) -> dict[str, Any]:
    """What was seen, without what is book-keeping (decision 0009)."""
    nodes: dict[Any, Any] = {i.ref: i for i in seen.items} | {n.id: n for n in seen.nodes}
    return nodes | {w.id: (w.model_copy(update={"bindings": ()}), written_bindings(w)) for w in seen.workloads}


class Watched:
    """A source that is followed, and the estate that its batches add up to."""

    def __init__(self) -> None:
        self.now: dict[str, Any] = {}
        self.bindings: dict[Any, tuple[Binding, ...]] = {}
        """What is book-keeping, unless devices are known by name."""
        self.wholes = 0
        self.batches = 0
        self._moved = asyncio.Event()

    async def follow(self, source: KubernetesSource) -> None:
        """Until cancelled."""
        async with contextlib.aclosing(source.watch()) as watching:
            async for seen in watching:
                self._take(seen)

    def _take(self, seen: Observed) -> None:
        if seen.whole:
            self.now = {}
            self.wholes += 1
        for gone in (*seen.removed_nodes, *seen.removed_workloads, *seen.removed_items):
            self.now.pop(gone, None)
        self.now |= meaning(seen)
        self.bindings |= {w.id: w.bindings for w in seen.workloads}
        self.batches += 1
        self._moved.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds, looking after every batch; fails after a minute."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._moved.clear()
                if not holds():
                    await self._moved.wait()


@contextlib.asynccontextmanager
async def watched(connection: Connection, facts: Callable[[], Facts]) -> AsyncIterator[Watched]:
    """A followed source that has shown everything once."""
    sight = Watched()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(sight.follow(KubernetesSource(connection, EU, facts, QUICK)))
        await sight.until(lambda: sight.wholes > 0)
        yield sight
        task.cancel()


class Churn:
    """Random work on a cluster, as controllers and kubelets do it, from a seed."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._random = Random(seed)
        self._there: list[tuple[Resource, Raw]] = []

    async def run(self, steps: int) -> None:
        """So many changes, one after the other."""
        for _ in range(steps):
            await self._step()

    async def _step(self) -> None:
        choice = self._random.random()
        if choice < 0.5 or not self._there:
            await self._add()
        elif choice < 0.75:
            await self._change(*self._random.choice(self._there))
        else:
            gone = self._there.pop(self._random.randrange(len(self._there)))
            await self._cluster.delete(*gone)

    async def _add(self) -> None:
        cluster, random, space = self._cluster, self._random, self._random.choice(SPACES)
        kind = random.choice(
            (resources.NODES, resources.DEPLOYMENTS, resources.PODS, resources.PODS, resources.BUDGETS)
        )
        if kind is resources.NODES:
            names = [n for r in ("eu-a", "eu-b") for n in (f"{r}1", f"{r}2")] + [cluster.number("stray")]
            await self._create(kind, raws.node(random.choice(names), gpus=random.choice((0, 4, 8))))
        elif kind is resources.DEPLOYMENTS:
            await self._deploy(space)
        elif kind is resources.BUDGETS:
            await self._create(kind, raws.budget(cluster.number("budget"), space, minAvailable=random.randint(0, 2)))
        else:
            owners = [r for k, r in self._there if k in (resources.REPLICA_SETS, resources.JOBS)]
            by = random.choice(owners) if owners and random.random() < 0.7 else None
            space = by["metadata"]["namespace"] if by else space
            await self._create(
                kind, raws.pod(cluster.number("pod"), space, by=by, on=random.choice(("", "eu-a1", "eu-b2")))
            )

    async def _deploy(self, space: str) -> None:
        name = self._cluster.number("serve")
        if self._random.random() < 0.3:
            await self._create(resources.JOBS, _selecting(raws.owner("Job", name, space)))
            return
        deployment = await self._create(resources.DEPLOYMENTS, _selecting(raws.owner("Deployment", name, space)))
        if deployment is not None:
            below = raws.owner("ReplicaSet", f"{name}-1", space, by=deployment)
            await self._create(resources.REPLICA_SETS, _selecting(below))

    async def _create(self, resource: Resource, raw: Raw) -> Raw | None:
        try:
            made = await self._cluster.create(resource, raw)
        except faults.AlreadyExists:
            return None
        made |= {"apiVersion": resource.api_version, "kind": resource.kind}
        self._there.append((resource, made))
        return made

    async def _change(self, resource: Resource, raw: Raw) -> None:
        random, cluster = self._random, self._cluster
        with contextlib.suppress(faults.NotFound):
            if resource is resources.NODES:
                if random.random() < 0.5:
                    await cluster.patch(resource, raw, {"spec": {"unschedulable": random.random() < 0.5}})
                else:
                    allots = {"allocatable": {"nvidia.com/gpu": str(random.randint(0, 4))}}
                    await cluster.patch(resource, raw, {"status": allots}, "status")
            elif resource in (resources.DEPLOYMENTS, resources.REPLICA_SETS):
                await cluster.patch(resource, raw, {"spec": {"replicas": random.randint(0, 4)}})
            elif resource is resources.PODS:
                phase = random.choice(("Running", "Running", "Succeeded"))
                await cluster.patch(resource, raw, {"status": {"phase": phase}}, "status")


def _selecting(owner: Raw) -> Raw:
    """With what the API server asks of a controller beyond what Placet reads."""
    template = owner["spec"]["template"]
    template["spec"] |= {"restartPolicy": "Never" if owner["kind"] == "Job" else "Always"}
    if owner["kind"] != "Job":
        owner["spec"]["selector"] = {"matchLabels": template["metadata"]["labels"]}
    return owner
