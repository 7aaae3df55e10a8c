"""An estate in a real cluster: what the world says is what the real scheduler and controllers make of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, ApiException

from console.demo import estate
from estate.errors import BadInput
from estate.ids import ClusterId
from estate.worlds import World
from tools.controlplane import clients, faults, objects, populating

pytestmark = pytest.mark.kubernetes

EU = ClusterId("eu-1")


@pytest.fixture(scope="module")
def world() -> World:
    """The demo's estate: 32 nodes in two clusters, eight workloads."""
    return estate.world()


@pytest.fixture
async def populated(kubernetes_api: ApiClient, world: World) -> AsyncIterator[ApiClient]:
    """A client of the shared cluster while it holds the European half of the world."""
    await populating.populate(kubernetes_api, world, EU)
    yield kubernetes_api
    await populating.clear(kubernetes_api, world, EU)
    left = {n["metadata"]["name"] for n in (await clients.ask(kubernetes_api, "GET", "/api/v1/nodes"))["items"]}
    assert not left & {n.name for n in world.nodes}


async def pods_of(api: ApiClient, namespace: str, app: str) -> list[dict[str, Any]]:
    pods = (await clients.ask(api, "GET", f"/api/v1/namespaces/{namespace}/pods"))["items"]
    return [p for p in pods if p["metadata"]["labels"].get("app") == app]


async def soon(question: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return once the answer is true; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await question():  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.05)


async def test_every_replica_runs_where_the_world_says(populated: ApiClient, world: World):
    """The real scheduler bound them, and the real controllers made them: nothing was written into a pod by us."""
    for workload in (w for w in world.workloads if w.cluster == EU):
        pods = await pods_of(populated, workload.namespace, workload.name)
        assert {p["status"]["phase"] for p in pods} == {"Running"}
        assert Counter(p["spec"]["nodeName"] for p in pods) == Counter(str(b.node) for b in workload.bindings)
        assert {p["metadata"]["ownerReferences"][0]["kind"] for p in pods} == {"ReplicaSet"}


async def test_nodes_carry_what_the_gpu_operator_would_say(populated: ApiClient, world: World):
    """The source reads models and counts from these labels and numbers, as on a real cluster."""
    found = {n["metadata"]["name"]: n for n in (await clients.ask(populated, "GET", "/api/v1/nodes"))["items"]}
    mine = [n for n in world.nodes if n.cluster == EU]
    assert {n.name for n in mine} <= set(found)
    for node in mine:
        raw = found[node.name]
        assert raw["metadata"]["labels"][objects.PRODUCT] == node.accelerators[0].model
        assert raw["status"]["allocatable"][objects.GPU] == str(len(node.accelerators))
        assert raw["status"]["nodeInfo"]["bootID"] == node.boot_id
    assert not {n.name for n in world.nodes if n.cluster != EU} & set(found)


async def test_an_eviction_beyond_the_budget_is_refused_with_429(populated: ApiClient):
    """`a-chat` promises two of three: one may go, and the next only once the first is back."""
    first, second, _ = await pods_of(populated, "tenant-a", "a-chat")
    # Its nodes are full of it, so that the one that goes stays away.
    await populating.at_once(cordon(populated, name) for name in ("eu-a1", "eu-a2", "eu-a3"))
    assert await evict(populated, first) == 201
    await soon(lambda: gone(populated, first))
    assert await evict(populated, second) == 429


async def test_who_evicts_a_pod_of_another_uid_is_refused_with_409(populated: ApiClient):
    """Eviction is not idempotent: without the uid, a repetition would hit the pod's successor."""
    (pod,) = await pods_of(populated, "tenant-a", "a-scoring")
    pod["metadata"]["uid"] = "of-an-earlier-one"
    assert await evict(populated, pod) == 409


async def test_a_binding_to_a_node_that_is_not_there_is_refused_first(kubernetes_api: ApiClient, world: World):
    """Nothing of a world that contradicts itself gets into the cluster."""
    torn = world.model_copy(update={"nodes": tuple(n for n in world.nodes if n.name != "eu-b4")})
    with pytest.raises(BadInput, match="`b-segmentation` is bound to `eu-b4`"):
        await populating.populate(kubernetes_api, torn, EU)
    found = (await clients.ask(kubernetes_api, "GET", "/api/v1/nodes"))["items"]
    assert not {n["metadata"]["name"] for n in found} & {n.name for n in world.nodes}


async def test_a_deployment_without_pins_runs_anywhere(kubernetes_api: ApiClient, world: World):
    """The law at the door is shown where the scheduler has a choice."""
    await populating.populate(kubernetes_api, world, EU, pinned=False)
    pods = await pods_of(kubernetes_api, "tenant-a", "a-chat")
    expressions = [e["key"] for e in affinity(pods[0])]
    assert expressions == [objects.PRODUCT]
    await populating.clear(kubernetes_api, world, EU)


async def test_a_failed_node_stays_failed_until_it_returns(populated: ApiClient):
    """kwok would heal it within a second; the real node controller taints it and lifts the taint."""
    await faults.fail_node(populated, "eu-b4", "GpuFellOffTheBus")
    await soon(lambda: tainted(populated, "eu-b4"))
    assert (await ready_of(populated, "eu-b4"))["reason"] == "GpuFellOffTheBus"
    await faults.return_node(populated, "eu-b4")
    await soon(lambda: untainted(populated, "eu-b4"))
    assert (await ready_of(populated, "eu-b4"))["status"] == "True"


async def test_lost_accelerators_are_no_longer_allotted(populated: ApiClient):
    """A device plugin takes a failed device out of what can be allotted, and leaves it in the capacity."""
    await faults.lose_accelerators(populated, "eu-b4", left=7)
    status = (await clients.ask(populated, "GET", "/api/v1/nodes/eu-b4"))["status"]
    assert (status["capacity"][objects.GPU], status["allocatable"][objects.GPU]) == ("8", "7")


async def test_a_finalizer_holds_a_pod_until_its_owner_lets_go(populated: ApiClient):
    """kwok plays the kubelet and nobody else: it takes no finalizer that is not its own."""
    (pod,) = await pods_of(populated, "tenant-a", "a-scoring")
    path = path_of(pod)
    await merge(populated, path, {"metadata": {"finalizers": ["placet.dev/never"]}})
    await clients.ask(populated, "DELETE", path)
    await soon(lambda: deleting(populated, path))
    assert (await clients.ask(populated, "GET", path))["metadata"]["finalizers"] == ["placet.dev/never"]
    await merge(populated, path, {"metadata": {"finalizers": None}})
    await soon(lambda: gone(populated, pod))


async def test_a_pod_stops_as_slowly_as_it_says(populated: ApiClient):
    """What waits for a drain with a deadline needs a pod that takes its time."""
    (pod,) = await pods_of(populated, "tenant-a", "a-scoring")
    await merge(populated, path_of(pod), {"metadata": {"annotations": {"placet.dev/stops-after": "24h"}}})
    await clients.ask(populated, "DELETE", path_of(pod))
    assert "deletionTimestamp" in (await clients.ask(populated, "GET", path_of(pod)))["metadata"]
    await merge(populated, path_of(pod), {"metadata": {"annotations": {"placet.dev/stops-after": "10ms"}}})
    await soon(lambda: gone(populated, pod))


async def test_a_job_completes_when_it_says_so(populated: ApiClient):
    """Jobs run until they are deleted, unless an annotation says how long they take."""
    jobs = "/apis/batch/v1/namespaces/tenant-a/jobs"
    await clients.ask(populated, "POST", jobs, job("brief", {"placet.dev/completes-after": "100ms"}))
    await clients.ask(populated, "POST", jobs, job("lasting", {}))
    await soon(lambda: counts(populated, f"{jobs}/brief", "succeeded"))
    await soon(lambda: counts(populated, f"{jobs}/lasting", "ready"))
    assert "succeeded" not in (await clients.ask(populated, "GET", f"{jobs}/lasting"))["status"]
    for name in ("brief", "lasting"):
        await clients.ask(populated, "DELETE", f"{jobs}/{name}", {"propagationPolicy": "Background"})


def job(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "placet.invalid/job"}]}
    template = {"metadata": {"annotations": annotations}, "spec": pod}
    return {"metadata": {"name": name}, "spec": {"template": template}}


async def counts(api: ApiClient, path: str, field: str) -> bool:
    return bool((await clients.ask(api, "GET", path)).get("status", {}).get(field))


async def evict(api: ApiClient, pod: dict[str, Any]) -> int:
    about = pod["metadata"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": about["name"], "namespace": about["namespace"]},
        "deleteOptions": {"preconditions": {"uid": about["uid"]}},
    }
    try:
        await clients.ask(api, "POST", f"{path_of(pod)}/eviction", body)
    except ApiException as error:
        return int(error.status or 0)
    return 201


async def cordon(api: ApiClient, node: str) -> None:
    await merge(api, f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})


async def merge(api: ApiClient, path: str, body: dict[str, Any]) -> None:
    await clients.ask(api, "PATCH", path, body, content_type=clients.MERGE_PATCH)


def path_of(pod: dict[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


async def gone(api: ApiClient, pod: dict[str, Any]) -> bool:
    try:
        await clients.ask(api, "GET", path_of(pod))
    except ApiException as error:
        return error.status == 404
    return False


async def deleting(api: ApiClient, path: str) -> bool:
    return (await clients.ask(api, "GET", path))["metadata"].get("deletionGracePeriodSeconds") == 0


async def ready_of(api: ApiClient, node: str) -> dict[str, Any]:
    conditions = (await clients.ask(api, "GET", f"/api/v1/nodes/{node}"))["status"]["conditions"]
    (found,) = (c for c in conditions if c["type"] == "Ready")
    return dict(found)


async def tainted(api: ApiClient, node: str) -> bool:
    taints = (await clients.ask(api, "GET", f"/api/v1/nodes/{node}"))["spec"].get("taints", [])
    return any(t["key"] == "node.kubernetes.io/not-ready" for t in taints)


async def untainted(api: ApiClient, node: str) -> bool:
    return not await tainted(api, node)


def affinity(pod: dict[str, Any]) -> list[dict[str, Any]]:
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return list(required["nodeSelectorTerms"][0]["matchExpressions"])
