"""What the demo sees of a cluster by itself: its proofs must fail when the cluster is not as was promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kubernetes.aio.client import ApiException

from console.demo import estate, grounds
from console.demo.cluster_scenery import CORDONED, FAULT, ClusterScenery, Hands
from console.demo.witnessing import Witness
from estate.conditions import Condition, Field
from estate.ids import ClusterId, NodeId, Uid
from estate.things import Thing, ThingKind
from tools.controlplane import clients, populating, settling
from tools.controlplane.launching import controlplane
from tools.kubernetes.connecting import Access, Connection

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]

US = ClusterId("us-1")
PILOT = "/api/v1/namespaces/tenant-c/pods"


@pytest.fixture(scope="module")
async def hands() -> AsyncIterator[Hands]:
    """A cluster that holds the American half of the demo's estate and nothing else, as its tenants would leave it."""
    async with (
        controlplane() as plane,
        plane.client() as api,
        await Connection.open(Access(plane.kubeconfig)) as connection,
    ):
        await settling.settle(api, estate.world(), US)
        witness = Witness(connection)
        async with witness.watching():
            yield Hands(connection, api, witness)


@pytest.fixture(scope="module")
async def scenery(hands: Hands) -> ClusterScenery:
    """Of that one cluster, which the facts know by its real uid."""
    uid = await populating.cluster_uid(hands.api)
    return ClusterScenery({US: hands}, grounds.facts_of({ClusterId("eu-1"): Uid("elsewhere"), US: uid}))


async def soon(question: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return once the answer is true; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await question():  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.05)


def promise(kind: ThingKind, name: str, field: Field, equals: Any) -> Condition:
    return Condition(about=Thing(kind=kind, id=name), uid=Uid("any"), field=field, equals=equals)


async def test_pods_run_where_the_world_says_and_no_template_names_a_node(hands: Hands) -> None:
    """Whoever moves them later must find no pin of somebody else's, and may set the replicas."""
    pods = await clients.ask(hands.api, "GET", f"{PILOT}?labelSelector=app%3Dc-pilot")
    assert sorted(p["spec"]["nodeName"] for p in pods["items"]) == ["us-a1", "us-a2"]
    deployment = await clients.ask(hands.api, "GET", "/apis/apps/v1/namespaces/tenant-c/deployments/c-pilot")
    assert "affinity" not in deployment["spec"]["template"]["spec"]
    fields = {e["manager"]: e["fieldsV1"].get("f:spec", {}) for e in deployment["metadata"]["managedFields"]}
    holders = [manager for manager, held in fields.items() if "f:replicas" in held]
    assert holders == [settling.PLACET]
    nodes = (await clients.ask(hands.api, "GET", "/api/v1/nodes"))["items"]
    assert not [n["metadata"]["name"] for n in nodes if n["spec"].get("unschedulable")]


async def test_a_look_sees_the_estate_by_the_names_of_the_facts(scenery: ClusterScenery) -> None:
    now = await scenery.look()
    (pilot,) = (w for w in now.workloads() if w.name == "c-pilot")
    assert (pilot.id, pilot.tenant, pilot.contract.min_available) == ("us-1.tenant-c.deployment.c-pilot", "tenant-c", 1)
    assert now.rack_of(NodeId("us-a1")) == "us-a"


async def test_what_was_promised_and_is_not_so_is_no_proof(scenery: ClusterScenery) -> None:
    """A demo whose claims cannot fail shows nothing."""
    workload = "us-1.tenant-c.deployment.c-pilot"
    true = (
        promise(ThingKind.NODE, "us-a1", Field.CORDONED, False),
        promise(ThingKind.WORKLOAD, workload, Field.BINDINGS, ("us-a1×4", "us-a2×4")),
    )
    false = (
        promise(ThingKind.NODE, "us-a1", Field.CORDONED, True),
        promise(ThingKind.NODE, "us-a1", Field.TAINTS, ("placet.dev/any=:NoSchedule",)),
        promise(ThingKind.WORKLOAD, workload, Field.BINDINGS, ("us-a1×4",)),
        promise(ThingKind.WORKLOAD, workload, Field.BINDINGS, ("us-a1×4", "us-a3×4")),
    )
    assert [p.holds for p in await scenery.proofs(true)] == [True, True, True]
    assert [p.holds for p in (await scenery.proofs(false))[:-1]] == [False] * len(false)


async def test_everything_as_it_lies_differs_after_any_change(scenery: ClusterScenery, hands: Hands) -> None:
    before = await scenery.objects()
    assert await scenery.objects() == before
    path, fence = "/api/v1/nodes/us-c1", {"spec": {"unschedulable": True}}
    await clients.ask(hands.api, "PATCH", path, fence, content_type=clients.MERGE_PATCH)
    after = await scenery.objects()
    assert [name for name in after if before.get(name) != after[name]] == ["us-1 /api/v1/nodes/us-c1"]
    await clients.ask(hands.api, "PATCH", path, {"spec": {"unschedulable": None}}, content_type=clients.MERGE_PATCH)
    assert await scenery.objects() == before


async def test_a_write_fails_only_within_the_block_and_a_rehearsal_never(scenery: ClusterScenery, hands: Hands) -> None:
    """Else the executor would refuse the whole proposal before its first step, and nothing would be undone."""
    path, write = f"/api/v1/nodes/{CORDONED}", {"metadata": {"annotations": {"demo": "seen"}}}

    async def refused(query: str = "") -> bool:
        try:
            await clients.ask(hands.api, "PATCH", f"{path}{query}", write, content_type=clients.MERGE_PATCH)
        except ApiException as error:
            return FAULT in str(error.body)
        return False

    async with scenery.failing():
        assert await refused()
        assert not await refused("?dryRun=All")
    assert not await refused()


async def test_somebodys_job_is_bound_by_the_scheduler(scenery: ClusterScenery, hands: Hands) -> None:
    job = estate.power_hungry_job()
    (seat,) = job.bindings
    here = job.model_copy(update={"cluster": US, "bindings": (seat.model_copy(update={"node": NodeId("us-d4")}),)})
    await scenery.start_job(here)

    async def bound() -> bool:
        pods = await clients.ask(hands.api, "GET", f"{PILOT}?labelSelector=app%3Dc-finetune")
        return [p["spec"].get("nodeName") for p in pods["items"]] == ["us-d4"]

    await soon(bound)
    path = f"/apis/batch/v1/namespaces/tenant-c/jobs/{job.name}"
    await clients.ask(hands.api, "DELETE", path, {"propagationPolicy": "Foreground"})


async def test_a_budget_that_was_broken_for_a_moment_is_told(scenery: ClusterScenery, hands: Hands) -> None:
    """Both pods are deleted (no budget hinders that) and come back: only who saw every event knows. Keep it last."""
    await clients.ask(hands.api, "DELETE", f"{PILOT}?labelSelector=app%3Dc-pilot")
    world = [w for w in estate.world().workloads if w.name == "c-pilot"]
    await populating.until_none(lambda: populating.late(hands.api, world), 30.0)

    async def told() -> bool:
        (budget,) = await scenery.proofs(())
        return not budget.holds and "c-pilot 0 where 1 must be" in budget.found

    await soon(told)
