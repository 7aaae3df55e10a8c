"""Puts an estate into a cluster as real objects, and waits until what it says is what runs.

Called by tests, demo, evals and benchmarks, never against a cluster that is not their own. Nodes and workloads come
from an `estate.worlds.World`; what another cluster holds of it is left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable

from kubernetes.aio.client import ApiClient

from estate.errors import BadInput, NeverRetry, RetryLater
from estate.hardware import Health, Node
from estate.ids import ClusterId, Uid
from estate.workloads import Workload
from estate.worlds import World
from tools.controlplane import clients, objects

TASKS = 32
_POLL_SECONDS = 0.1
_NOT_READY = "node.kubernetes.io/not-ready"
_NODES, _PODS = "/api/v1/nodes", "/api/v1/pods"

type Offenders = Callable[[], Awaitable[Collection[str]]]


async def cluster_uid(api: ApiClient) -> Uid:
    """What facts must call this cluster by: the uid of its `kube-system` namespace."""
    return Uid((await clients.ask(api, "GET", "/api/v1/namespaces/kube-system"))["metadata"]["uid"])


async def populate(
    api: ApiClient, world: World, cluster: ClusterId, *, pinned: bool = True, seconds: float = 90.0
) -> None:
    """Create the cluster's nodes, namespaces, Deployments and disruption budgets; return when every bound replica runs.

    When `pinned`, each Deployment may use the nodes of its bindings only, and runs as they say.

    Raises:
        BadInput: a binding names a node that the cluster does not have in this world.
        RetryLater: not everything ran in `seconds`; it names what did not.
        NeverRetry: the scheduler bound a pinned workload otherwise than the world says.
    """
    nodes = [n for n in world.nodes if n.cluster == cluster]
    workloads = [w for w in world.workloads if w.cluster == cluster]
    names = _names(nodes, workloads)
    devices = {str(n.id): objects.resource(n) for n in nodes}
    await at_once(clients.create(api, _NODES, objects.node(n)) for n in nodes)
    await create_namespaces(api, sorted({w.namespace for w in workloads}))
    # Spreading passes over tainted nodes, and every node starts as one that is not ready.
    await until_none(lambda: _tainted(api, {n.name for n in nodes if n.health is not Health.FAILED}), seconds)
    forms = (objects.deployment(w, names, pinned=pinned, devices=_devices(w, devices)) for w in workloads)
    await at_once(_create_workload(api, w, form) for w, form in zip(workloads, forms, strict=True))
    await until_none(lambda: late(api, workloads), seconds)
    if pinned:
        await check(api, workloads, names)


def _names(nodes: Iterable[Node], workloads: Iterable[Workload]) -> dict[str, str]:
    """What the cluster calls the nodes that the estate knows by id."""
    names = {str(n.id): n.name for n in nodes}
    for workload in workloads:
        for binding in workload.bindings:
            if binding.node not in names:
                raise BadInput(f"`{workload.id}` is bound to `{binding.node}`, which is no node of its cluster; add it")
    return names


async def clear(api: ApiClient, world: World, cluster: ClusterId, *, seconds: float = 60.0) -> None:
    """Delete what `populate` created, but for the namespaces; return when all is gone. Raises RetryLater."""
    workloads = [w for w in world.workloads if w.cluster == cluster]
    nodes = [n.name for n in world.nodes if n.cluster == cluster]
    await at_once(clients.delete(api, path) for w in workloads for path in _paths(w))
    await until_none(lambda: _pods_left(api, {(w.namespace, w.name) for w in workloads}), seconds)
    await at_once(clients.delete(api, f"{_NODES}/{name}") for name in nodes)


async def at_once(requests: Iterable[Awaitable[object]], tasks: int = TASKS) -> None:
    """Await them all, `tasks` at a time at most, drawing from a generator as they end. Raises the first error."""
    waiting = iter(requests)

    async def work() -> None:
        for request in waiting:
            await request

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(work(), name=f"requests {number}")
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def create_namespaces(api: ApiClient, names: Iterable[str]) -> None:
    """Those that are not there yet."""
    await at_once(clients.create(api, "/api/v1/namespaces", {"metadata": {"name": n}}) for n in names)


def _devices(workload: Workload, devices: dict[str, str]) -> str:
    """What the nodes of its bindings call their devices."""
    return next((devices[str(b.node)] for b in workload.bindings), objects.GPU)


async def _create_workload(api: ApiClient, workload: Workload, deployment: clients.Object) -> None:
    deployments, budgets = (path.rpartition("/")[0] for path in _paths(workload))
    if (budget := objects.disruption_budget(workload)) is not None:
        await clients.create(api, budgets, budget)
    await clients.create(api, deployments, deployment)


def _paths(workload: Workload) -> tuple[str, str]:
    """Its Deployment and its disruption budget."""
    at, name = f"namespaces/{workload.namespace}", workload.name
    return f"/apis/apps/v1/{at}/deployments/{name}", f"/apis/policy/v1/{at}/poddisruptionbudgets/{name}"


async def until_none(offenders: Offenders, seconds: float) -> None:
    """Return once there are none. Raises RetryLater, which names those of the last look."""
    found: Collection[str] = ()
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(seconds):
            while True:
                asked = now()
                if not (found := await offenders()):
                    return
                # A look at a large cluster is dear; most of the time belongs to those who are looked at.
                await asyncio.sleep(max(_POLL_SECONDS, 4 * (now() - asked)))
    except TimeoutError as error:
        raise RetryLater(f"still so after {seconds:.0f} s: {', '.join(sorted(found))}") from error


async def _tainted(api: ApiClient, names: set[str]) -> list[str]:
    found = (await clients.ask(api, "GET", _NODES))["items"]
    marked = {n["metadata"]["name"] for n in found if any(t["key"] == _NOT_READY for t in n["spec"].get("taints", ()))}
    return [f"node {name} is not ready" for name in names & marked]


async def late(api: ApiClient, workloads: list[Workload]) -> list[str]:
    """What runs fewer replicas than it has bindings, or has a budget that the controller has not counted yet."""
    deployments = await clients.ask(api, "GET", "/apis/apps/v1/deployments")
    budgets = await clients.ask(api, "GET", "/apis/policy/v1/poddisruptionbudgets")
    ready = {_key(d): d.get("status", {}).get("readyReplicas", 0) for d in deployments["items"]}
    healthy = {_key(b): b.get("status", {}).get("currentHealthy", 0) for b in budgets["items"]}
    found = []
    for workload in workloads:
        key, wanted = (workload.namespace, workload.name), len(workload.bindings)
        if (runs := min(ready.get(key, 0), healthy.get(key, wanted))) < wanted:
            found.append(f"{workload.name} runs {runs} of {wanted}")
    return found


async def _pods_left(api: ApiClient, apps: set[tuple[str, str]]) -> list[str]:
    pods = (await clients.ask(api, "GET", _PODS))["items"]
    return [f"pod {p['metadata']['name']}" for p in pods if app(p) in apps]


async def check(api: ApiClient, workloads: list[Workload], names: dict[str, str]) -> None:
    """That the real scheduler put each workload where its bindings say."""
    pods = await clients.ask(api, "GET", _PODS)
    where = Counter((*app(p), p["spec"].get("nodeName")) for p in pods["items"])
    for workload in workloads:
        wanted = Counter(names[str(b.node)] for b in workload.bindings)
        found = {node: where[workload.namespace, workload.name, node] for node in wanted}
        if workload.replicas == len(workload.bindings) and found != wanted:
            raise NeverRetry(f"`{workload.name}` runs on {found}, not on {dict(wanted)}; change its bindings")


def _key(item: clients.Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def app(pod: clients.Object) -> tuple[str, str]:
    """The namespace and name of the Deployment that a pod of this package belongs to."""
    return pod["metadata"]["namespace"], pod["metadata"].get("labels", {}).get(objects.APP, "")
