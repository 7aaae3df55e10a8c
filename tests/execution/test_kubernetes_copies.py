"""A move between two real clusters: copied, seen to run, then removed; and every way in which it is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from estate.changes import MoveWorkload, RemoveWorkload, ReplicaMove
from estate.effects import Step
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.results import Refusal, RefusalCode
from tests.execution.clusters import QUICK, SHORT, bare, until
from tests.execution.pairs import THERE, Pair
from tests.execution.rig import key
from tests.execution.test_kubernetes_target import KINDS
from tools.execution.kubernetes.target import KubernetesTarget
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import MERGE, Object

pytestmark = pytest.mark.kubernetes

ROLLS = {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}


async def serving(pair: Pair, kind: str = "Deployment", **spec: Any) -> tuple[WorkloadId, NodeId, NodeId]:
    """`serve` with two pods in `eu-1`, and two nodes with room in `us-1`."""
    for name in ("a1", "a2"):
        await pair.eu.node(name, accelerators=2)
    serve = await pair.eu.workload(kind, "serve", **spec)
    return serve, await pair.us.node("a1"), await pair.us.node("a2")


async def apply(target: KubernetesTarget, step: Step) -> Refusal | None:
    """Write a step as the executor does."""
    return await target.apply(key(step.number), step.change, step.preconditions, step.postconditions)


async def undo(target: KubernetesTarget, step: Step) -> Refusal | None:
    """Undo a step as the executor does."""
    assert step.inverse.kind != "NoInverse"
    back = key(step.number, undo=True)
    return await target.apply(back, step.inverse, step.postconditions, step.preconditions)


async def controller(pair: Pair, there: bool = True, kind: str = "Deployment", name: str = "serve") -> Object | None:
    """The controller as it is now."""
    world = pair.us if there else pair.eu
    resource = next(r for r in resources.OWNERS if r.kind == kind)
    try:
        return await world.ask("GET", resource.path(world.namespace, name))
    except faults.NotFound:
        return None


@pytest.mark.parametrize(("kind", "spec"), KINDS)
async def test_a_move_between_clusters_runs_there_before_it_ends_here(
    pair: Pair, kind: str, spec: dict[str, object]
) -> None:
    serve, one, two = await serving(pair, kind, **spec)
    copy, removal = await pair.across(serve, one, two)
    target = pair.target()
    assert await target.rehearse((copy, removal)) is None
    assert await controller(pair, kind=kind) is None, "a dry run makes nothing"
    assert await apply(target, copy) is None
    assert await target.check((*copy.postconditions, *removal.preconditions)) == ()
    assert await pair.us.on("serve") == sorted((one, two))
    made = await controller(pair, kind=kind)
    assert made is not None
    for _ in range(2):
        assert await apply(target, copy) is None, "once per key"
        assert await apply(target, removal) is None
    assert await target.check((*copy.postconditions, *removal.postconditions)) == ()
    assert await controller(pair, False, kind) is None
    assert await pair.eu.pods("serve") == []
    kept = await controller(pair, kind=kind)
    assert kept is not None
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
    assert await pair.us.on("serve") == sorted((one, two))


async def test_a_copy_is_undone_by_whoever_made_it_and_the_first_one_goes_on(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    before, pods = await controller(pair, False), [p["metadata"]["uid"] for p in await pair.eu.pods("serve")]
    copy, _ = await pair.across(serve, one, two)
    target = pair.target()
    assert await apply(target, copy) is None
    for _ in range(2):
        assert await undo(target, copy) is None
    assert await controller(pair) is None
    assert await target.check(copy.preconditions) == ()
    after = await controller(pair, False)
    assert before is not None
    assert after is not None
    assert bare(after) == bare(before)
    assert [p["metadata"]["uid"] for p in await pair.eu.pods("serve")] == pods


async def test_an_undo_removes_nothing_that_another_made(pair: Pair) -> None:
    """The uid of a copy is no decision's: its mark tells it from what somebody put in its place."""
    serve, one, two = await serving(pair, **ROLLS)
    copy, _ = await pair.across(serve, one, two)
    target = pair.target()
    assert await apply(target, copy) is None
    path = resources.DEPLOYMENTS.path(pair.us.namespace, "serve")
    await pair.us.ask("DELETE", path)
    await until(lambda: pair.us.pods("serve"), lambda pods: not pods)
    await pair.us.workload("Deployment", "serve", replicas=2, **ROLLS)
    refusal = await undo(target, copy)
    assert refusal is not None
    assert refusal.code in {RefusalCode.UID_CHANGED, RefusalCode.PRECONDITION_FAILED}
    assert (await controller(pair)) is not None


async def test_only_what_is_listed_comes_along(pair: Pair) -> None:
    """What Placet itself, the cluster or a deployment tool wrote into the first one is not the tenant's."""
    serve, one, two = await serving(pair, **ROLLS, minReadySeconds=0, revisionHistoryLimit=3)
    about = {
        "labels": {"team": "chat", "placet.dev/kind": "inference", "placet.dev/other": "x"},
        "annotations": {"placet.dev/datasets": "a-records", "note": "kept", "meta.helm.sh/release-name": "chat"},
    }
    inner = {"metadata": {"annotations": {"scrape": "true"}}, "spec": {"dnsPolicy": "Default"}}
    path = resources.DEPLOYMENTS.path(pair.eu.namespace, "serve")
    await pair.eu.ask("PATCH", path, {"metadata": about, "spec": {"template": inner}}, content_type=MERGE)
    await until(lambda: controller(pair, False), _rolled)
    await pair.eu.running("serve", 2)  # none of the old ones is left, which would keep their seats for a moment
    three = await pair.eu.node("a3")
    found = (await pair.sight()).workload(serve)
    assert found is not None
    left = found.bindings[0]
    moves = (ReplicaMove(replica=left.replica, source=left.node, target=three, accelerators=(0, 1)),)
    (placed,) = await pair.steps(MoveWorkload(workload=serve, moves=moves))
    target = pair.target()
    assert await apply(target, placed) is None, "it carries a placement of ours from now on"
    copy, _ = await pair.across(serve, one, two)
    assert await target.apply(key(2), copy.change, copy.preconditions, copy.postconditions) is None
    original, made = await controller(pair, False), await controller(pair)
    assert original is not None
    assert made is not None
    assert made["metadata"]["labels"] == {"team": "chat", "placet.dev/kind": "inference"}
    assert {k: v for k, v in made["metadata"]["annotations"].items() if not k.startswith("deployment.")} == {
        "placet.dev/datasets": "a-records",
        "note": "kept",
        "placet.dev/warrant": str(key(2)),
    }
    assert "ownerReferences" not in made["metadata"]
    assert {e["manager"] for e in made["metadata"]["managedFields"]} == {"placet", "kube-controller-manager"}
    assert _unplaced(made) == _unplaced(original)
    assert _allowed(made) == sorted((one, two))
    assert (await pair.sight()).workload(serve) is not None


def _rolled(raw: Object | None) -> bool:
    assert raw is not None
    status = raw.get("status", {})
    seen = status.get("observedGeneration", 0) >= raw["metadata"]["generation"]
    return bool(seen and status.get("updatedReplicas") == status.get("availableReplicas") == status["replicas"] == 2)


def _unplaced(raw: Object) -> Object:
    """Its spec without where it runs."""
    template = raw["spec"]["template"]
    inner = {k: v for k, v in template["spec"].items() if k not in ("affinity", "topologySpreadConstraints")}
    labels = {k: v for k, v in template["metadata"].items() if k != "creationTimestamp"}
    return raw["spec"] | {"template": {"metadata": labels, "spec": inner}}


def _allowed(raw: Object) -> list[str]:
    affinity = raw["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return sorted(v for e in term["matchExpressions"] for v in e["values"])


NEEDS: dict[str, tuple[Object, str]] = {
    "ConfigMap": (
        {"volumes": [{"name": "v", "configMap": {"name": "missing"}}]},
        "it needs ConfigMap `missing`, which is not there",
    ),
    "projected ConfigMap": (
        {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "missing"}}]}}]},
        "it needs ConfigMap `missing`, which is not there",
    ),
    "Secret": (
        {"volumes": [{"name": "v", "secret": {"secretName": "missing"}}]},
        "it needs Secret `missing`, which is not there",
    ),
    "pull secret": ({"imagePullSecrets": [{"name": "missing"}]}, "it needs Secret `missing`, which is not there"),
    "ServiceAccount": ({"serviceAccountName": "missing"}, "it needs ServiceAccount `missing`, which is not there"),
    "claim": (
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}]},
        "it needs PersistentVolumeClaim `missing`, which is not there",
    ),
    "host path": ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "its volume `v` is a `hostPath`"),
    "host network": ({"hostNetwork": True}, "nobody decided whether `spec.template.spec.hostNetwork` may come"),
    "node affinity": (
        {
            "affinity": {
                "nodeAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 1,
                            "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
                        }
                    ]
                }
            }
        },
        "its owner's own node affinity speaks of the nodes here",
    ),
}


async def test_what_its_pods_could_not_do_there_refuses_the_copy_before_anything_is_made(pair: Pair) -> None:
    one, target = await pair.us.node("a1"), pair.target()
    for number, (what, (pod, why)) in enumerate(NEEDS.items()):
        name = f"serve-{number}"
        written = pair.eu.manifest("Deployment", name, pod=pod, replicas=2)
        await pair.eu.ask("POST", resources.DEPLOYMENTS.path(pair.eu.namespace), written)
        pair.eu.workloads.append(WorkloadId(f"{pair.eu.id}.{pair.eu.namespace}.deployment.{name}"))
        copy, removal = await pair.across(pair.eu.workloads[-1], one, one)
        for refusal in (await target.rehearse((copy, removal)), await apply(target, copy)):
            assert refusal is not None, what
            assert refusal.code is RefusalCode.NOT_SUPPORTED, what
            assert why in refusal.message, what
        assert await controller(pair, name=name) is None


async def test_what_is_there_under_its_name_lets_it_come(pair: Pair) -> None:
    """Of a Secret its name alone is looked at: the answer of the API server carries no data."""
    config = {"volumes": [{"name": "v", "configMap": {"name": "settings"}}], "serviceAccountName": "runner"}
    config |= {"imagePullSecrets": [{"name": "pull"}], "priorityClassName": "system-cluster-critical"}
    for world in (pair.eu, pair.us):
        about = {"metadata": {"name": "settings"}}
        await world.ask("POST", resources.CONFIG_MAPS.path(world.namespace), about)
        space = f"/api/v1/namespaces/{world.namespace}"
        await world.ask("POST", f"{space}/serviceaccounts", {"metadata": {"name": "runner"}})
        await world.ask("POST", f"{space}/secrets", {"metadata": {"name": "pull"}})
    serve, one, two = await serving(pair, pod=config, **ROLLS)
    copy, removal = await pair.across(serve, one, two)
    assert await pair.target().rehearse((copy, removal)) is None
    seen = await pair.us.connection.metadata(f"/api/v1/namespaces/{pair.us.namespace}/secrets/pull")
    assert seen["kind"] == "PartialObjectMetadata"
    assert not seen.keys() & {"data", "stringData", "type"}


async def test_what_scales_or_protects_it_here_does_not_come_along_unsaid(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    await pair.eu.budget("serve", minAvailable=1)
    copy, removal = await pair.across(serve, one, two)
    refusal = await pair.target().rehearse((copy, removal))
    assert refusal is not None
    assert "promised 1 available replicas by a disruption budget, and none there promises as many" in refusal.message
    path = resources.BUDGETS.path(pair.us.namespace)
    selector = {"matchLabels": {"app": "serve"}}
    await pair.us.ask("POST", path, {"metadata": {"name": "x"}, "spec": {"selector": selector, "minAvailable": 1}})
    assert await pair.target().rehearse((copy, removal)) is None
    for world in (pair.us, pair.eu):
        scalers = f"/apis/autoscaling/v2/namespaces/{world.namespace}/horizontalpodautoscalers"
        wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "serve"}
        spec = {"scaleTargetRef": wanted, "minReplicas": 2, "maxReplicas": 2}
        await world.ask("POST", scalers, {"metadata": {"name": "auto"}, "spec": spec})
        refusal = await pair.target().rehearse((copy, removal))
        assert refusal is not None
        assert "is scaled by the HorizontalPodAutoscaler `auto`" in refusal.message
        await world.ask("DELETE", f"{scalers}/auto")


@pytest.mark.parametrize("kind", ["Pod", "Job"])
async def test_what_has_no_controller_of_ours_is_not_copied(pair: Pair, kind: str) -> None:
    node, one = await pair.eu.node("a1"), await pair.us.node("a1")
    lone = await pair.eu.alone(kind, "lone", node)
    copy, removal = await pair.across(lone, one)
    for refusal in (await pair.target().rehearse((copy, removal)), await apply(pair.target(), removal)):
        assert refusal is not None
        assert refusal.code is RefusalCode.NOT_SUPPORTED
        assert "is a bare pod" in refusal.message or "is a Job" in refusal.message


async def test_a_namespace_there_of_nobody_and_one_that_is_missing_are_refused_in_words(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, _ = await pair.across(serve, one, two)
    elsewhere = copy.change.model_copy(update={"namespace": "default"})
    refusal = await pair.target().apply(key(1), elsewhere, copy.preconditions[:2])
    assert refusal is not None
    assert "nobody's by any signed fact" in refusal.message
    await pair.us.ask("DELETE", resources.NAMESPACES.path(name=pair.us.namespace))
    await until(lambda: _is_gone(pair), lambda gone: gone)
    refusal = await apply(pair.target(), copy)
    assert refusal is not None
    assert f"has no namespace `{pair.us.namespace}` in `us-1`" in refusal.message


async def _is_gone(pair: Pair) -> bool:
    try:
        await pair.us.ask("GET", resources.NAMESPACES.path(name=pair.us.namespace))
    except faults.NotFound:
        return True
    return False


async def test_an_executor_of_one_cluster_says_which_other_it_would_need(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, removal = await pair.across(serve, one, two)
    for held, lacking in ((pair.eu, THERE), (pair.us, ClusterId("eu-1"))):
        target = pair.target(QUICK, held)
        for refusal in (await target.rehearse((copy, removal)), await apply(target, copy)):
            assert refusal is not None
            assert f"this one does not write `{lacking}`" in refusal.message
    refusal = await apply(pair.target(QUICK, pair.us), removal)
    assert refusal is not None
    assert "is in cluster `eu-1`, which this executor does not write" in refusal.message


async def test_a_copy_that_never_serves_is_taken_away_and_told(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, _ = await pair.across(serve, one, two)
    await pair.us.ask("PATCH", resources.NODES.path(name=two), {"spec": {"unschedulable": True}}, content_type=MERGE)
    before = await controller(pair, False)
    refusal = await apply(pair.target(SHORT), copy)
    assert refusal is not None
    assert refusal.code is RefusalCode.NO_CAPACITY
    assert f"its pods are on `{one}`×1, 1 pending" in refusal.message
    assert await controller(pair) is None
    assert await pair.us.pods("serve") == []
    after = await controller(pair, False)
    assert before is not None
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert await pair.target().check(copy.preconditions) == ()


async def test_what_stands_there_under_that_name_is_never_touched(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, _ = await pair.across(serve, one, two)
    theirs = pair.us.manifest("Deployment", "serve", replicas=0)
    await pair.us.ask("POST", resources.DEPLOYMENTS.path(pair.us.namespace), theirs)
    before = await controller(pair)
    for refusal in (await pair.target().rehearse((copy,)), await apply(pair.target(), copy)):
        assert refusal is not None
        assert refusal.code is RefusalCode.PRECONDITION_FAILED
        assert "already" in refusal.message
    after = await controller(pair)
    assert before is not None
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_whoever_is_killed_while_the_copy_starts_is_resumed_and_makes_no_second_one(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, removal = await pair.across(serve, one, two)
    writing = asyncio.create_task(apply(pair.target(), copy))
    made = await until(lambda: controller(pair), lambda raw: raw is not None)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert await apply(pair.target(), copy) is None
    ending = asyncio.create_task(apply(pair.target(), removal))
    await until(lambda: controller(pair, False), _ends)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    assert await apply(pair.target(), removal) is None
    assert await pair.target().check((*copy.postconditions, *removal.postconditions)) == ()
    kept = await controller(pair)
    assert made is not None
    assert kept is not None
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]


def _ends(raw: Object | None) -> bool:
    return raw is None or bool(raw["metadata"].get("deletionTimestamp"))


async def test_nothing_is_removed_while_its_copy_does_not_run_as_decided(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, removal = await pair.across(serve, one, two)
    refusal = await apply(pair.target(), removal)
    assert refusal is not None
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    assert await apply(pair.target(), copy) is None
    path = resources.DEPLOYMENTS.path(pair.us.namespace, "serve")
    await pair.us.ask("PATCH", path, {"spec": {"replicas": 1}}, content_type=MERGE)
    await pair.us.running("serve", 1)
    refusal = await apply(pair.target(), removal)
    assert refusal is not None
    assert "us-1" in refusal.message
    assert await pair.eu.pods("serve") != []


async def test_a_finalizer_that_never_ends_hands_over_and_the_copy_stays(pair: Pair) -> None:
    serve, one, two = await serving(pair, **ROLLS)
    copy, removal = await pair.across(serve, one, two)
    target = pair.target(SHORT)
    assert await apply(pair.target(), copy) is None
    path = resources.DEPLOYMENTS.path(pair.eu.namespace, "serve")
    await pair.eu.ask("PATCH", path, {"metadata": {"finalizers": ["example.org/hold"]}}, content_type=MERGE)
    assert isinstance(removal.change, RemoveWorkload)
    with pytest.raises(Exception, match=r"still there after 1 s; its finalizers: .*example.org/hold"):
        await apply(target, removal)
    assert len(await pair.us.pods("serve")) == 2
    await pair.eu.ask("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert await apply(pair.target(), removal) is None
