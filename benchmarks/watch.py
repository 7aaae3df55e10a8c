"""The Kubernetes source under load: a real API server, 1 000 nodes, 8 000 pods, 500 changes a second for a minute.

A tenth of the nodes offers its devices by name, and a fifth of the changes are heartbeats. In the middle the API server
is killed and started again; the load waits for it and catches up. The changes come from a process of their own, so that
the figures of CPU and memory are the source's. At the end the model must equal a fresh list. Between them a probe
cordons one node again and again and waits until it is observed.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import fleets
from benchmarks.figures import Figure, figure, hushed, main, percentile
from estate.conditions import written_bindings
from estate.errors import RetryLater
from estate.hardware import Node
from estate.ids import ClusterId, Uid
from estate.law import Facts
from estate.workloads import Workload
from tools.controlplane.components import Part
from tools.controlplane.flags import Options
from tools.controlplane.launching import ControlPlane, controlplane
from tools.generation.plans import Racks
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.port import Observed
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import MERGE, Access, Connection, Object

NODES, PODS, DEPLOYMENTS = 1_000, 8_000, 500
NODES_PER_RACK = 4
NAMED = 100
"""Nodes, and pods, whose devices are known by name."""
RATE, SECONDS = 500, 60
WRITERS = 32
SEED = 7
PROBE_SECONDS = 0.25
KILLED_AFTER, DOWN_FOR = 20.0, 3.0
AGAIN_SECONDS = 0.1
SETTLE_SECONDS = 60.0
SPACE = "tenant-a"
CLUSTER = ClusterId("eu-1")
DRIVER = "gpu.nvidia.com"
_GPUS = 8
_SERVER = Options(controller_manager=False, scheduler=False, kwok=False, audit=False)


def measure() -> list[Figure]:
    """A control plane of its own, and everything gone afterwards."""
    hushed()
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    async with (
        controlplane(options=_SERVER) as plane,
        await Connection.open(Access(plane.kubeconfig)) as hands,
    ):
        facts = await _facts(hands)
        names = [n for rack in facts.racks for n in rack.nodes][:NODES]
        await _fill(hands, names)
        sight = _Sight()
        async with _following(KubernetesSource(hands, CLUSTER, lambda: facts), sight):
            load = await _loaded(plane, hands, names, sight)
            unequal = await _differences(hands, facts, sight)
        return [*load, figure("things unlike a fresh list at the end", unequal, "things", at_most=0)]


@dataclass(slots=True)
class _Sight:
    """What the batches of the source add up to."""

    things: dict[Any, Node | Workload] = field(default_factory=dict)
    batches: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, seen: Observed) -> None:
        if seen.whole:
            self.things = {}
        for gone in (*seen.removed_nodes, *seen.removed_workloads):
            self.things.pop(gone, None)
        self.things |= {n.id: n for n in seen.nodes}
        self.things |= {w.id: w for w in seen.workloads}
        self.batches += 1
        self.moved.set()

    async def until(self, holds: Callable[[], bool]) -> bool:
        """Whether it came to hold in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                while not holds():
                    self.moved.clear()
                    await self.moved.wait()
        return holds()

    def meaning(self) -> dict[str, Any]:
        """Without what is book-keeping: numbers of replicas and devices (decision 0009)."""
        return {name: _meaning(thing) for name, thing in self.things.items()}


def _meaning(thing: Node | Workload) -> Any:
    return (
        (thing.model_copy(update={"bindings": ()}), written_bindings(thing)) if isinstance(thing, Workload) else thing
    )


@contextlib.asynccontextmanager
async def _following(source: KubernetesSource, sight: _Sight) -> AsyncIterator[None]:
    async def follow() -> None:
        async with contextlib.aclosing(source.watch()) as watching:
            async for seen in watching:
                sight.take(seen)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        await sight.until(lambda: len(sight.things) == NODES + DEPLOYMENTS + NAMED)
        yield
        task.cancel()


async def _loaded(plane: ControlPlane, hands: Connection, names: list[Any], sight: _Sight) -> list[Figure]:
    """The minute itself: what it took, and what the probe saw."""
    ours, theirs = multiprocessing.Pipe()
    load = multiprocessing.get_context("spawn").Process(target=_churn, args=(plane.kubeconfig, names[1:], theirs))
    load.start()
    await asyncio.to_thread(ours.recv)
    before, began, cpu = sight.batches, time.perf_counter(), time.process_time()
    killing = asyncio.create_task(_kill(plane))
    seen: list[float] = []
    while not ours.poll():
        with contextlib.suppress(RetryLater):  # the API server is down
            seen.append(await _probe(hands, names[0], sight))
        await asyncio.sleep(PROBE_SECONDS)
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    down = await killing
    changes = ours.recv()
    await asyncio.to_thread(load.join)
    return [
        figure("nodes", NODES, "objects"),
        figure("pods", PODS, "objects"),
        figure("changes written", changes, "changes"),
        figure("changes a second while the API server served", changes / (took - down), "1/s", at_least=0.95 * RATE),
        figure("the API server was away", down, "s"),
        figure("batches a second", (sight.batches - before) / took, "1/s"),
        figure("CPU of the source, of one core", 100 * spent / took, "%"),
        figure("CPU of the source, a change", spent / changes * 1e6, "µs"),
        figure("memory of the source at its peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB"),
        figure("write to observed p50", percentile(seen, 50) * 1e3, "ms"),
        figure("write to observed p99", percentile(seen, 99) * 1e3, "ms"),
    ]


async def _kill(plane: ControlPlane) -> float:
    """Kill the API server in the middle and start it again: seconds until it served."""
    await asyncio.sleep(KILLED_AFTER)
    began = time.perf_counter()
    await plane.kill(Part.API_SERVER)
    await asyncio.sleep(DOWN_FOR)
    await plane.start(Part.API_SERVER)
    return time.perf_counter() - began


async def _probe(hands: Connection, node: Any, sight: _Sight) -> float:
    """Cordon one node, or lift it: seconds from the write until the source says so."""
    wanted = not getattr(sight.things[node], "cordoned", False)
    began = time.perf_counter()
    await _patch(hands, resources.NODES.path(name=node), {"spec": {"unschedulable": wanted}})
    await sight.until(lambda: getattr(sight.things[node], "cordoned", None) == wanted)
    return time.perf_counter() - began


async def _differences(hands: Connection, facts: Facts, sight: _Sight) -> int:
    fresh = _Sight()
    async with contextlib.aclosing(KubernetesSource(hands, CLUSTER, lambda: facts).watch()) as watching:
        fresh.take(await anext(watching))
    wanted = fresh.meaning()
    await sight.until(lambda: sight.meaning() == wanted)
    found = sight.meaning()
    return sum(1 for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


async def _facts(hands: Connection) -> Facts:
    """The law of a generated estate with enough racks, and the cluster's true uid."""
    form = await hands.request("GET", resources.IDENTITY)
    racks = Racks(cluster=CLUSTER, product=fleets.PRODUCT, count=NODES // NODES_PER_RACK)
    facts = fleets.layout((racks,), datetime.now(UTC) + timedelta(days=1)).facts
    uid = Uid(form["metadata"]["uid"])
    known = [c.model_copy(update={"uid": uid}) if c.id == CLUSTER else c for c in facts.clusters]
    return Facts.read(facts.json_form() | {"clusters": [c.json_form() for c in known]})


async def _fill(hands: Connection, names: list[Any]) -> None:
    await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": SPACE}})
    account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
    await hands.request("POST", f"/api/v1/namespaces/{SPACE}/serviceaccounts", body=account)
    await _many(_create(hands, resources.NODES, _node(name)) for name in names)
    owners = await _many(_owners(hands, number) for number in range(DEPLOYMENTS))
    pods = (_pod(owners[n % DEPLOYMENTS], n, names[n % len(names)]) for n in range(PODS))
    await _many(_create(hands, resources.PODS, pod) for pod in pods)
    with contextlib.suppress(faults.AlreadyExists):
        await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": resources.LEASES.within}})
    await _many(_create(hands, resources.LEASES, _lease(name)) for name in names)
    await _many(_named(hands, name) for name in names[-NAMED:])


async def _named(hands: Connection, node: str) -> None:
    """A node that offers its devices by name, and a pod that holds one of them."""
    await _create(hands, resources.SLICES, {"metadata": {"name": node}, "spec": _offered(node)})
    wanted = {"requests": [{"name": "gpu", "exactly": {"deviceClassName": DRIVER}}]}
    about = {"name": f"held-{node}", "namespace": SPACE}
    claim = await _create(hands, resources.CLAIMS, {"metadata": about, "spec": {"devices": wanted}})
    held = {"request": "gpu", "driver": DRIVER, "pool": node, "device": "gpu-3"}
    reserved = {"resource": "pods", "name": about["name"], "uid": claim["metadata"]["uid"]}
    status = {"allocation": {"devices": {"results": [held]}}, "reservedFor": [reserved]}
    path = f"{resources.CLAIMS.path(SPACE, about['name'])}/status"
    await hands.request("PATCH", path, body={"status": status}, content_type=MERGE)
    spec = {
        "containers": [{"name": "main", "image": "work"}],
        "resourceClaims": [{"name": "gpu", "resourceClaimName": about["name"]}],
        "nodeName": node,
    }
    await _create(hands, resources.PODS, {"metadata": about, "spec": spec})


def _offered(node: str, tainted: int | None = None) -> Object:
    taint = {"key": f"{DRIVER}/xid", "value": "79", "effect": "NoExecute"}
    devices = [
        {
            "name": f"gpu-{n}",
            "attributes": {"uuid": {"string": f"GPU-{node}-{n}"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}},
            "capacity": {"memory": {"value": "80Gi"}},
            **({"taints": [taint]} if n == tainted else {}),
        }
        for n in range(_GPUS)
    ]
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    return {"driver": DRIVER, "nodeName": node, "pool": pool, "devices": devices}


def _lease(node: str) -> Object:
    """One that lasts: where the machine is too slow for the load, no node shall fall silent for it."""
    about = {"name": node, "namespace": resources.LEASES.within}
    return {"metadata": about, "spec": {"holderIdentity": node, "leaseDurationSeconds": 3600, "renewTime": _now()}}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _many[T](work: Iterator[Awaitable[T]]) -> list[T]:
    """All of it, by as many writers as the load has."""
    done: list[T] = []

    async def writer() -> None:
        for one in work:
            done.append(await one)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())
    return done


async def _create(hands: Connection, kind: resources.Resource, raw: Object) -> Object:
    return await hands.request("POST", kind.path(raw["metadata"].get("namespace", "")), body=raw)


async def _owners(hands: Connection, number: int) -> Object:
    """A Deployment, and the ReplicaSet under it, which is what pods name."""
    name = f"serve-{number}"
    form: Object = {"metadata": {"name": name, "namespace": SPACE}, "spec": _controller(name)}
    deployment = await _create(hands, resources.DEPLOYMENTS, form)
    below = {"name": f"{name}-1", "namespace": SPACE, "ownerReferences": [_reference("Deployment", deployment)]}
    made = await _create(hands, resources.REPLICA_SETS, {"metadata": below, "spec": _controller(name)})
    return _reference("ReplicaSet", made)


def _controller(name: str) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": _pod_spec()}
    return {"replicas": PODS // DEPLOYMENTS, "selector": {"matchLabels": {"app": name}}, "template": template}


def _pod_spec() -> Object:
    return {"containers": [{"name": "main", "image": "work", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}


def _reference(kind: str, to: Object) -> Object:
    about = to["metadata"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": about["name"], "uid": about["uid"], "controller": True}


def _pod(owner: Object, number: int, node: str) -> Object:
    app = str(owner["name"]).rpartition("-")[0]
    about = {"name": f"pod-{number}", "namespace": SPACE, "labels": {"app": app}, "ownerReferences": [owner]}
    return {"metadata": about, "spec": _pod_spec() | {"nodeName": node}}


def _node(name: str) -> Object:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    have = {"cpu": "96", "memory": "2Ti", "pods": "110", "nvidia.com/gpu": str(_GPUS)}
    status = {"capacity": have, "allocatable": have, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def _churn(kubeconfig: Path, names: list[Any], pipe: Pipe) -> None:
    """The load: says when it begins, and how many changes it wrote."""
    pipe.send(asyncio.run(_churned(kubeconfig, names, lambda: pipe.send("begun"))))


async def _churned(kubeconfig: Path, names: list[Any], begun: Callable[[], None]) -> int:
    random, written = Random(SEED), 0
    async with await Connection.open(Access(kubeconfig)) as hands:
        begun()
        start = time.perf_counter()

        async def writer() -> None:
            nonlocal written
            while written < RATE * SECONDS:
                due = start + written / RATE
                written += 1
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await _change(hands, random, names)

        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(writer())
    return written


async def _change(hands: Connection, random: Random, names: list[Any]) -> None:
    """Half of what happens in a cluster is a pod's status; the rest moves nodes, devices and replicas."""
    choice, pod = random.random(), resources.PODS.path(SPACE, f"pod-{random.randrange(PODS)}")
    name = random.choice(names)
    node = resources.NODES.path(name=name)
    if choice < 0.2:
        lease = resources.LEASES.path(resources.LEASES.within, name)
        await _patch(hands, lease, {"spec": {"renewTime": _now()}})
    elif choice < 0.21:
        offering = random.choice(names[-NAMED:])
        devices = {"devices": _offered(offering, random.choice((None, 3)))["devices"]}
        await _patch(hands, resources.SLICES.path(name=offering), {"spec": devices})
    elif choice < 0.6:
        phase = random.choice(("Running", "Running", "Running", "Succeeded"))
        await _patch(hands, f"{pod}/status", {"status": {"phase": phase, "message": str(random.random())}})
    elif choice < 0.8:
        await _patch(
            hands, f"{node}/status", {"status": {"allocatable": {"nvidia.com/gpu": str(random.randint(4, 8))}}}
        )
    elif choice < 0.9:
        await _patch(hands, node, {"spec": {"unschedulable": random.random() < 0.5}})
    elif choice < 0.95:
        await _patch(hands, pod, {"metadata": {"annotations": {"note": str(random.random())}}})
    else:
        deployment = resources.DEPLOYMENTS.path(SPACE, f"serve-{random.randrange(DEPLOYMENTS)}")
        await _patch(hands, deployment, {"spec": {"replicas": random.randint(0, 32)}})


async def _patch(hands: Connection, path: str, change: Object) -> None:
    """Until it is written: the API server may be down."""
    while True:
        try:
            with contextlib.suppress(faults.Conflicted):  # another change to the same object won the race
                await hands.request("PATCH", path, body=change, content_type=MERGE)
            return
        except (RetryLater, faults.Unauthenticated, faults.Forbidden):  # both while it starts
            await asyncio.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    main("watch", measure)
