"""Tenants that were promised distance, on a real API server with the real scheduler: whoever comes first."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from estate.ids import ClusterId, NodeId, TenantId
from estate.law import Facts, Isolation
from policies.admission import labels
from policies.admission.exporting import admission
from tests import builders
from tests.admission.clusters import (
    Body,
    Cluster,
    collection,
    named,
    namespaces,
    nodes,
    pod,
    refusing,
    run,
    until,
)
from tools.controlplane import clients

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]

EU_1 = ClusterId("eu-1")
RACKS = ("eu-a", "eu-b", "eu-c", "eu-d", "eu-e", "eu-f")
NODES = {f"{rack}{i}": rack for rack in RACKS for i in (1, 2)}
ONE, OTHER = "tenant-a", "tenant-c"
REPLICAS = 3
"""Of each tenant: they spread over as many racks at most, so that the other finds as many that are free."""
PODS = f"/api/v1/namespaces/{ONE}/pods"
DRY = f"{PODS}?dryRun=All"


def facts(**promised: Any) -> Facts:
    """Six racks of two nodes; `promised` is what the first tenant was."""
    racks = tuple(builders.rack(r, nodes=tuple(NodeId(f"{r}{i}") for i in (1, 2))) for r in RACKS)
    return builders.facts(racks=racks, tenants=(builders.tenant(ONE, **promised), builders.tenant(OTHER)))


PROMISES = {
    "dedicated-node": facts(isolation=Isolation.DEDICATED_NODE),
    "dedicated-rack": facts(isolation=Isolation.DEDICATED_RACK),
    "apart-from": facts(apart_from=(TenantId(OTHER),)),
}


async def furnished(cluster: Cluster) -> None:
    await nodes(cluster, NODES)
    await namespaces(cluster, (ONE, OTHER))


async def guarded(cluster: Cluster, law: Facts) -> None:
    """As the guide says: apply, wait until it is in force, touch every node."""
    for found in admission(law, EU_1):
        await clients.create(cluster.api, collection(found), found)
    for tenant in (ONE, OTHER):
        pods = f"/api/v1/namespaces/{tenant}/pods"
        bound = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "any"}, "target": {"name": "eu-a1"}}
        direct = pod("any", nodeName="eu-a1")
        await until(lambda tenant=tenant: _keeps_off(cluster, tenant))
        await until(refusing(cluster.ask("POST", f"{pods}?dryRun=All", direct) for _ in itertools.count()))
        await until(refusing(cluster.ask("POST", f"{pods}/any/binding?dryRun=All", bound) for _ in itertools.count()))
    for node in NODES:
        await until(lambda node=node: _labelled(cluster, node))


async def _keeps_off(cluster: Cluster, tenant: str) -> bool:
    try:
        made = await cluster.ask("POST", f"/api/v1/namespaces/{tenant}/pods?dryRun=All", pod("any"))
    except clients.ApiException:  # what refuses may be in force before what writes
        return False
    return "affinity" in made["spec"] and labels.SITE in made["spec"].get("nodeSelector", {})


async def _labelled(cluster: Cluster, node: str) -> bool:
    touch = {"metadata": {"annotations": {"placet.dev/facts": named("touched")}}}
    return (await cluster.patch(f"/api/v1/nodes/{node}", touch))["metadata"]["labels"].get(labels.RACK) == NODES[node]


async def running(cluster: Cluster) -> dict[str, list[str]]:
    """The nodes of the running pods, by tenant."""
    found: dict[str, list[str]] = defaultdict(list)
    for tenant in (ONE, OTHER):
        pods = (await cluster.ask("GET", f"/api/v1/namespaces/{tenant}/pods"))["items"]
        found[tenant] += [p["spec"]["nodeName"] for p in pods if p["status"].get("phase") == "Running"]
    return found


def too_close(found: dict[str, list[str]], *, in_rack: bool) -> int:
    """Pods of the first tenant with one of the other's on their node, or in their rack."""
    at = (lambda n: NODES[n]) if in_rack else str
    others = {at(n) for n in found[OTHER]}
    return sum(at(n) in others for n in found[ONE])


async def cleared(cluster: Cluster, name: str) -> None:
    for tenant in (ONE, OTHER):
        await cluster.ask("DELETE", f"/apis/apps/v1/namespaces/{tenant}/deployments/{name}")

        async def empty(tenant: str = tenant) -> bool:
            return not (await cluster.ask("GET", f"/api/v1/namespaces/{tenant}/pods"))["items"]

        await until(empty)


@pytest.mark.parametrize("promise", PROMISES)
async def test_tenants_that_were_promised_distance_are_kept_apart_in_either_order(
    cluster: Cluster, promise: str
) -> None:
    """The control comes first: without the door, the same scheduler puts the same pods side by side.

    Behind it no pod stands too close, and every pod runs; both counted, whichever tenant comes first.
    """
    in_rack = promise == "dedicated-rack"
    await furnished(cluster)
    assert await _deployed(cluster, (ONE, OTHER), in_rack=in_rack, replicas=len(NODES)) > 0
    await guarded(cluster, PROMISES[promise])
    assert await _deployed(cluster, (ONE, OTHER), in_rack=in_rack) == 0
    assert await _deployed(cluster, (OTHER, ONE), in_rack=in_rack) == 0


async def _deployed(cluster: Cluster, order: Iterable[str], *, in_rack: bool, replicas: int = REPLICAS) -> int:
    name = named("work")
    for tenant in order:
        await run(cluster, tenant, name, replicas)
    found = await running(cluster)
    assert {t: len(where) for t, where in found.items()} == dict.fromkeys((ONE, OTHER), replicas)
    await cleared(cluster, name)
    return too_close(found, in_rack=in_rack)


async def test_what_ran_before_the_door_stood_is_kept_away_from_too(cluster: Cluster) -> None:
    """Its pods carry nothing; those that come later do."""
    await furnished(cluster)
    await run(cluster, ONE, "old", REPLICAS)
    await guarded(cluster, PROMISES["dedicated-rack"])
    await run(cluster, OTHER, "new", REPLICAS)
    found = await running(cluster)
    assert Counter({t: len(where) for t, where in found.items()}) == {ONE: REPLICAS, OTHER: REPLICAS}
    assert too_close(found, in_rack=True) == 0


async def test_nothing_goes_past_the_scheduler_that_keeps_tenants_apart(cluster: Cluster) -> None:
    """A node that the pod names, a binding by somebody else, an affinity of the pod's own that weakens ours."""
    await furnished(cluster)
    await guarded(cluster, PROMISES["dedicated-rack"])
    said = await cluster.refused(cluster.ask("POST", PODS, pod("direct", nodeName="eu-a1")))
    assert "tenant-a/direct: tenant-isolation (tenant): needed a scheduler that keeps tenant-a off" in said
    assert "found one that names its node itself" in said
    await cluster.ask("POST", PODS, pod("waiting", schedulerName="nobody"))
    target = {"kind": "Node", "name": "eu-a1"}
    bound = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "waiting"}, "target": target}
    for path in (f"{PODS}/waiting/binding", f"/api/v1/namespaces/{ONE}/bindings"):
        assert "found a binding by admin" in await cluster.refused(cluster.ask("POST", path, bound))
    for affinity in _affinities():
        made = await cluster.ask("POST", DRY, pod("any", affinity=affinity))
        assert {t["topologyKey"] for t in _terms(made) if _ours(t)} == {labels.HOST, labels.RACK}
        kept = affinity.get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
        assert [t for t in kept if t not in _terms(made)] == []
    again = await cluster.ask("POST", DRY, pod("any", affinity=made["spec"]["affinity"]))
    assert again["spec"]["affinity"] == made["spec"]["affinity"]
    await _unsteered(cluster)


async def _unsteered(cluster: Cluster) -> None:
    """Without the policy that writes it, a pod without distance is refused: the door does not fail open."""
    where = f"/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/placet-apart-{ONE}"
    await cluster.ask("DELETE", where)

    async def refused() -> bool:
        try:
            await cluster.ask("POST", DRY, pod("any"))
        except clients.ApiException as error:
            return error.status in {403, 422} and "no anti-affinity against them" in str(error.body)
        return False

    await until(refused)


def _affinities() -> Iterable[Body]:
    """What a pod may bring: at each depth, and terms that look like ours and select less."""
    near = {"topologyKey": labels.RACK, "labelSelector": {"matchLabels": {"app": "x"}}, "namespaces": [OTHER]}
    nobody = {"topologyKey": labels.HOST, "namespaces": [OTHER]}
    narrow = {"topologyKey": labels.HOST, "labelSelector": {}, "namespaces": [OTHER], "mismatchLabelKeys": ["app"]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    yield {}
    yield {"nodeAffinity": {required: {"nodeSelectorTerms": [{"matchExpressions": [_exists("disk")]}]}}}
    yield {"podAntiAffinity": {}}
    yield from ({"podAntiAffinity": {required: [t]}} for t in (near, nobody, narrow))
    yield {"podAntiAffinity": {required: [near, nobody]}}


def _exists(key: str) -> Body:
    return {"key": key, "operator": "Exists"}


def _terms(made: Body) -> list[Body]:
    return list(made["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"])


def _ours(term: Body) -> bool:
    return term.get("labelSelector") == {} and set(term) == {"topologyKey", "labelSelector", "namespaces"}
