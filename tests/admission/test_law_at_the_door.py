"""The law at the door, on a real API server with the real scheduler: what others do is governed too."""

from __future__ import annotations

import pytest

from estate.ids import ClusterId
from policies.admission import labels
from policies.admission.exporting import admission
from tests import builders
from tests.admission.clusters import (
    ABROAD,
    BARRED,
    FREE,
    LAWFUL,
    STRANGER,
    TENANTS,
    UNLAWFUL,
    Cluster,
    at_its_door,
    collection,
    deployment,
    furnish,
    law,
    named,
    pod,
    refusing,
    run,
    until,
    where,
)

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]
REPLICAS = 12


async def test_unguarded_the_scheduler_breaks_the_law_and_guarded_it_keeps_it(cluster: Cluster) -> None:
    """The control comes first: on this very cluster the real scheduler did bind tenants' pods to unlawful nodes.

    Then the same work is deployed behind the door: no unlawful binding, and every pod runs; both counted.
    """
    await furnish(cluster)
    unguarded = await _deployed(cluster, "before")
    assert sum(unguarded.values()) == REPLICAS * len(TENANTS)
    assert sum(unguarded[n] for n in UNLAWFUL) > 0
    await at_its_door(cluster)
    guarded = await _deployed(cluster, "after")
    assert sum(guarded[n] for n in UNLAWFUL) == 0
    assert sum(guarded[n] for n in LAWFUL) == REPLICAS * len(TENANTS)


async def _deployed(cluster: Cluster, name: str) -> dict[str, int]:
    found = dict.fromkeys((*LAWFUL, *UNLAWFUL), 0)
    for tenant in TENANTS:
        await run(cluster, tenant, name, REPLICAS)
        for node, count in (await where(cluster, tenant, name)).items():
            found[node] += count
    return found


@pytest.mark.parametrize("node", UNLAWFUL)
async def test_a_pod_that_names_an_unlawful_node_itself_is_refused_in_our_words(guarded: Cluster, node: str) -> None:
    """`spec.nodeName` goes past the scheduler and past `pods/binding`."""
    name = named("direct")
    said = await guarded.refused(guarded.ask("POST", "/api/v1/namespaces/tenant-a/pods", pod(name, nodeName=node)))
    assert f"tenant-a/{name} may not run on {node}: facts-complete-workload (facts): needed a node" in said
    assert "signed facts (version 1) place at eu-de" in said
    assert "choose one of the 8 that they place" in said


async def test_a_pod_that_names_a_lawful_node_itself_runs_there(guarded: Cluster) -> None:
    name = named("direct")
    path = "/api/v1/namespaces/tenant-a/pods"
    made = await guarded.ask("POST", path, pod(name, nodeName=LAWFUL[0]))
    assert "nodeSelector" not in made["spec"]
    await until(lambda: _runs(guarded, f"{path}/{name}"))


@pytest.mark.parametrize("form", ["/pods/{name}/binding", "/bindings"])
async def test_no_scheduler_binds_a_pod_to_an_unlawful_node(guarded: Cluster, form: str) -> None:
    """Whoever binds, and by the old `bindings` resource too."""
    name = await _waiting(guarded)
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": ABROAD},
    }
    path = f"/api/v1/namespaces/tenant-a{form.format(name=name)}"
    said = await guarded.refused(guarded.ask("POST", path, body))
    assert f"tenant-a/{name} may not run on {ABROAD}" in said
    await guarded.ask("POST", path, body | {"target": {"kind": "Node", "name": LAWFUL[0]}})


async def _waiting(cluster: Cluster) -> str:
    """A pod that no scheduler takes."""
    name = named("waiting")
    await cluster.ask("POST", "/api/v1/namespaces/tenant-a/pods", pod(name, schedulerName="nobody"))
    return name


async def test_a_forged_node_label_is_taken_away_again(guarded: Cluster) -> None:
    """Written to the node it does not stay, written to its status it is refused, and a node cannot be born with it."""
    forged = {"metadata": {"labels": {labels.SITE: "eu-de", "kept": "yes"}}}
    written = await guarded.patch(f"/api/v1/nodes/{ABROAD}", forged)
    assert written["metadata"]["labels"].get(labels.SITE) is None
    assert written["metadata"]["labels"]["kept"] == "yes"
    said = await guarded.refused(guarded.patch(f"/api/v1/nodes/{ABROAD}/status", forged))
    assert f"{ABROAD} may not be labelled placet.dev/site=eu-de" in said
    born = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": named("born"), **forged["metadata"]}}
    made = await guarded.ask("POST", "/api/v1/nodes?dryRun=All", born)
    assert labels.SITE not in made["metadata"]["labels"]


async def test_a_label_that_was_forged_before_the_door_stood_helps_nobody(cluster: Cluster) -> None:
    """The scheduler is steered to the unlawful node by its label, and its binding is refused by the node's name."""
    await furnish(cluster)
    for lawful in LAWFUL:
        await cluster.ask("DELETE", f"/api/v1/nodes/{lawful}")
    await cluster.patch(f"/api/v1/nodes/{STRANGER}", {"metadata": {"labels": {labels.SITE: "eu-de"}}})
    await at_its_door(cluster, touch=False)
    name, path = named("steered"), "/api/v1/namespaces/tenant-a/pods"
    await cluster.ask("POST", path, pod(name))
    await until(lambda: _told(cluster, name, f"may not run on {STRANGER}"))
    assert "nodeName" not in (await cluster.ask("GET", f"{path}/{name}"))["spec"]


async def test_a_pod_cannot_choose_its_site_but_keeps_its_own_selector(guarded: Cluster) -> None:
    wanted = {labels.SITE: "us-east", "disk": "fast"}
    path = "/api/v1/namespaces/tenant-a/pods?dryRun=All"
    made = await guarded.ask("POST", path, pod("any", nodeSelector=wanted))
    assert made["spec"]["nodeSelector"] == {labels.SITE: "eu-de", "disk": "fast"}


async def test_a_dataset_that_may_not_be_used_here_is_refused(guarded: Cluster) -> None:
    """The annotation can only narrow: lawful ones pass, one that no fact knows denies."""
    path = "/api/v1/namespaces/tenant-a/pods?dryRun=All"
    await guarded.ask("POST", path, pod("any", annotations={"placet.dev/datasets": "a-records"}))
    asked = pod("any", annotations={"placet.dev/datasets": "a-records, weights"})
    said = await guarded.refused(guarded.ask("POST", path, asked))
    assert "tenant-a/any names datasets that may not be used in eu-1: weights" in said


async def test_a_tenant_that_may_run_nowhere_here_is_told_which_law_says_so(guarded: Cluster) -> None:
    """Its owner reads the reason where people look first: at the pod, and in the events of the ReplicaSet."""
    reason = "may run nowhere in eu-1: sovereignty-legal (legal): needed only FR, found reaches DE"
    said = await guarded.refused(guarded.ask("POST", f"/api/v1/namespaces/{BARRED}/pods", pod("any")))
    assert f"tenant-b/any of tenant-b {reason}" in said
    name = named("unlawful")
    await guarded.ask("POST", f"/apis/apps/v1/namespaces/{BARRED}/deployments", deployment(name, 1))
    await until(lambda: _told(guarded, name, reason, namespace=BARRED))
    assert not (await guarded.ask("GET", f"/api/v1/namespaces/{BARRED}/pods"))["items"]


async def test_namespaces_of_no_tenant_are_not_touched(guarded: Cluster) -> None:
    made = await guarded.ask("POST", f"/api/v1/namespaces/{FREE}/pods?dryRun=All", pod("any", nodeName=ABROAD))
    assert "nodeSelector" not in made["spec"]


async def test_a_door_that_is_taken_down_and_put_up_again_goes_by_the_new_facts(cluster: Cluster) -> None:
    """Parameters would be read from a stopped cache then, and the door would silently go by the old law."""
    await furnish(cluster)
    await at_its_door(cluster)
    tenant, pods = TENANTS[1], f"/api/v1/namespaces/{TENANTS[1]}/pods?dryRun=All"
    for found in reversed(admission(law(), ClusterId("eu-1"), registered=False)):
        await cluster.ask("DELETE", f"{collection(found)}/{found['metadata']['name']}")
    await until(lambda: _accepted(cluster, pods, ABROAD))
    narrowed = builders.tenant(tenant, residency=builders.residency("US"))
    tenants = tuple(narrowed if t.id == tenant else t for t in law().tenants)
    for found in admission(builders.facts(version=2, tenants=tenants), ClusterId("eu-1"), registered=False):
        await cluster.ask("POST", collection(found), found)
    await until(refusing(cluster.ask("POST", pods, pod("any")) for _ in iter(int, 1)))
    said = await cluster.refused(cluster.ask("POST", pods, pod("any")))
    assert f"{tenant} may run nowhere in eu-1: sovereignty-geographic (geographic): needed only US" in said


async def _accepted(cluster: Cluster, path: str, node: str) -> bool:
    return not await refusing(cluster.ask("POST", path, pod("any", nodeName=node)) for _ in range(1))()


async def _runs(cluster: Cluster, path: str) -> bool:
    return bool((await cluster.ask("GET", path))["status"]["phase"] == "Running")


async def _told(cluster: Cluster, name: str, words: str, namespace: str = "tenant-a") -> bool:
    events = await cluster.ask("GET", f"/api/v1/namespaces/{namespace}/events")
    return any(e["involvedObject"]["name"].startswith(name) and words in e["message"] for e in events["items"])
