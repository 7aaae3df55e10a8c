"""The warrant rule on a real API server: our own writer writes nothing without a new warrant, and nobody forges one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from policies.admission import identities
from policies.admission.annotations import GATE, WARRANT
from tests.admission.clusters import GUARDED, LAWFUL, Body, Cluster, deployment, gone, named, pod, run, until
from tools.controlplane import clients

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]
APPS = "/apis/apps/v1/namespaces/tenant-a/deployments"
PODS = "/api/v1/namespaces/tenant-a/pods"


@pytest.fixture
async def overpowered(guarded: Cluster, writer: Cluster) -> AsyncIterator[Cluster]:
    """The writer with every right that RBAC can give: what is refused now, the policy alone refuses."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    subject = {"kind": "ServiceAccount", "name": identities.WRITER, "namespace": identities.NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await guarded.ask("POST", path, {"metadata": {"name": "too-much"}, "roleRef": role, "subjects": [subject]})
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "tenant-a"}}}

    async def granted() -> bool:
        said = await writer.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(said["status"]["allowed"])

    await until(granted)  # its authorizer hears of a binding a moment later
    yield writer
    await guarded.ask("DELETE", f"{path}/too-much")


def under(warrant: str | None, **body: object) -> Body:
    """A patch under a warrant, or without one."""
    about = {"metadata": {"annotations": {WARRANT: warrant}}} if warrant is not None else {}
    return {**about, **body}


async def test_a_cordon_needs_a_warrant_that_the_node_has_not_seen(writer: Cluster) -> None:
    """Bare: refused. New: done. The same again, or an older one of those that the node remembers: refused."""
    path = f"/api/v1/nodes/{LAWFUL[1]}"
    first, second = named("cordon"), named("uncordon")
    fence, lift = {"spec": {"unschedulable": True}}, {"spec": {"unschedulable": False}}
    said = await writer.refused(writer.patch(path, fence))
    assert f"nodes {LAWFUL[1]} carries no placet.dev/warrant; nothing changes without a warrant" in said
    done = await writer.patch(path, under(first, **fence))
    assert done["spec"]["unschedulable"] is True
    for replayed in (first, ""):
        await writer.refused(writer.patch(path, under(replayed, **lift)))
    await writer.patch(path, under(f"{second},{first}", **lift))
    said = await writer.refused(writer.patch(path, under(first, **fence)))
    assert "carries the placet.dev/warrant of an earlier write" in said


async def test_a_workload_is_scaled_through_itself_and_never_through_its_subresource(
    guarded: Cluster, overpowered: Cluster
) -> None:
    """`scale` carries no annotations of the workload, so nothing could be compared there."""
    name, warrant = named("scaled"), named("scale")
    await guarded.ask("POST", APPS, deployment(name, 1))
    for body in (under(None, spec={"replicas": 2}), under(warrant, spec={"replicas": 2})):
        said = await overpowered.refused(overpowered.patch(f"{APPS}/{name}/scale", body))
        assert "by writing the workload, never through deployments/scale" in said
    await overpowered.refused(overpowered.patch(f"{APPS}/{name}", under(None, spec={"replicas": 2})))
    done = await overpowered.patch(f"{APPS}/{name}", under(warrant, spec={"replicas": 2}))
    assert done["spec"]["replicas"] == 2
    await overpowered.refused(overpowered.patch(f"{APPS}/{name}", under(warrant, spec={"replicas": 1})))


@pytest.mark.parametrize(
    "stolen",
    [
        {"containers": [{"name": "main", "image": "example.org/shell"}]},
        {"hostPID": True},
        {"serviceAccountName": "somebody-else"},
        {"nodeName": LAWFUL[0]},
    ],
    ids=lambda s: next(iter(s)),
)
async def test_a_stolen_writer_runs_nothing_of_its_own(guarded: Cluster, overpowered: Cluster, stolen: Body) -> None:
    """A warrant in an annotation is anybody's to make up; RBAC knows no fields."""
    name = named("kept")
    await guarded.ask("POST", APPS, deployment(name, 1))
    body = under(named("steal"), spec={"template": {"spec": stolen}})
    said = await overpowered.refused(overpowered.patch(f"{APPS}/{name}", body))
    assert f"placet says where deployments {name} runs, never what runs in it" in said
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [LAWFUL[0]]}]}
    required = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    placed = under(named("place"), spec={"template": {"spec": {"affinity": required}}})
    done = await overpowered.patch(f"{APPS}/{name}", placed)
    assert done["spec"]["template"]["spec"]["affinity"] == required
    await overpowered.patch(f"{APPS}/{name}", under(named("lift"), spec={"template": {"spec": {"affinity": None}}}))


async def test_the_writer_takes_placets_gate_off_a_pod_and_no_gate_of_others(
    guarded: Cluster, overpowered: Cluster
) -> None:
    name = named("held")
    gates = [{"name": GATE}, {"name": "example.org/others"}]
    await guarded.ask("POST", PODS, pod(name, schedulingGates=gates))
    opened = {"schedulingGates": None}
    said = await overpowered.refused(overpowered.patch(f"{PODS}/{name}", under(named("open"), spec=opened)))
    assert f"placet says where pods {name} runs, never what runs in it" in said
    await guarded.patch(f"{PODS}/{name}", {"spec": {"schedulingGates": [{"name": GATE}]}})
    done = await overpowered.patch(f"{PODS}/{name}", under(named("open"), spec=opened))
    assert "schedulingGates" not in done["spec"]
    await guarded.ask("DELETE", f"{PODS}/{name}")


@pytest.mark.parametrize(
    "handed",
    [
        {"hostNetwork": True},
        {"nodeName": LAWFUL[0]},
        {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "main", "image": "x", "securityContext": {"privileged": True}}]},
    ],
    ids=lambda s: next(iter(s)),
)
async def test_what_the_writer_makes_never_hands_its_pods_their_node(overpowered: Cluster, handed: Body) -> None:
    """A copy is announced like any other write; of what it runs, nothing reaches beyond its pod."""
    name = named("made")
    bare = deployment(name, 0)
    said = await overpowered.refused(overpowered.ask("POST", APPS, bare))
    assert "carries no placet.dev/warrant" in said
    marked = bare | {"metadata": bare["metadata"] | {"annotations": {WARRANT: named("copy")}}}
    template = marked["spec"]["template"]
    wide = marked["spec"] | {"template": template | {"spec": template["spec"] | handed}}
    said = await overpowered.refused(overpowered.ask("POST", APPS, marked | {"spec": wide}))
    assert "would hand its pods their node" in said
    await overpowered.ask("POST", APPS, marked)
    system = APPS.replace("tenant-a", "kube-public")
    said = await overpowered.refused(overpowered.ask("POST", system, marked))
    assert "in kube-public" in said


async def test_the_writer_makes_no_pod_of_its_own(overpowered: Cluster) -> None:
    """Copies are controllers: who makes a pod could give it any image, and no template would ever say so."""
    bare = pod(named("bare"))
    marked = bare | {"metadata": bare["metadata"] | {"annotations": {WARRANT: named("make")}}}
    said = await overpowered.refused(overpowered.ask("POST", PODS, marked))
    assert "placet makes no pods" in said


async def test_nor_in_a_pod_that_runs_already(guarded: Cluster, overpowered: Cluster) -> None:
    """The image of a container is the one thing of a running pod that an API server lets anybody change."""
    name = named("running")
    made = await guarded.ask("POST", PODS, pod(name, schedulerName="nobody"))
    containers = [{"name": made["spec"]["containers"][0]["name"], "image": "example.org/shell"}]
    body = under(named("steal"), spec={"containers": containers})
    path, form = f"{PODS}/{name}", "application/strategic-merge-patch+json"
    said = await overpowered.refused(overpowered.ask("PATCH", path, body, form))
    assert "never what runs in it" in said
    await overpowered.patch(path, under(named("mark")))


async def test_server_side_apply_is_bound_like_any_other_write(guarded: Cluster, writer: Cluster) -> None:
    """A dry run too: what is rehearsed is the very write that will be made."""
    name, form = named("applied"), "application/apply-patch+yaml"
    await guarded.ask("POST", APPS, deployment(name, 1))
    path = f"{APPS}/{name}?fieldManager=placet&force=true"
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 3}}
    for query in ("", "&dryRun=All"):
        await writer.refused(writer.ask("PATCH", path + query, body, form))
    held = body | {"metadata": {"name": name, "annotations": {WARRANT: named("apply")}}}
    done = await writer.ask("PATCH", path, held, form)
    assert done["spec"]["replicas"] == 3


async def test_an_eviction_carries_a_warrant_and_names_the_pod_by_its_uid(guarded: Cluster, writer: Cluster) -> None:
    """A repeated eviction then meets no other pod that took the name."""
    name, warrant = named("evicted"), named("evict")
    made = await guarded.ask("POST", PODS, pod(name))
    path, kind = f"{PODS}/{name}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction"}
    bare = {**kind, "metadata": {"name": name}}
    warranted = {**kind, "metadata": {"name": name, "annotations": {WARRANT: warrant}}}
    meant = {"deleteOptions": {"preconditions": {"uid": made["metadata"]["uid"]}}}
    assert "carries no placet.dev/warrant" in await writer.refused(writer.ask("POST", path, {**bare, **meant}))
    assert "names no uid" in await writer.refused(writer.ask("POST", path, warranted))
    answer = await writer.ask("POST", path, {**warranted, **meant})
    assert answer["status"] == "Success"
    await until(lambda: gone(guarded, f"{PODS}/{name}"))
    await guarded.ask("POST", PODS, pod(name, schedulerName="nobody"))
    with pytest.raises(clients.ApiException) as raised:
        await writer.ask("POST", path, {**warranted, **meant})
    assert raised.value.status == 409


async def test_the_writer_binds_no_pod_and_reaches_into_none(guarded: Cluster, overpowered: Cluster) -> None:
    """Placement goes into the owner's template; a binding has no old object to compare with."""
    name = named("bound")
    await guarded.ask("POST", PODS, pod(name, schedulerName="nobody"))
    about = {"name": name, "annotations": {WARRANT: named("bind")}}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": {"kind": "Node", "name": LAWFUL[0]}}
    for path in (f"{PODS}/{name}/binding", "/api/v1/namespaces/tenant-a/bindings"):
        await overpowered.refused(overpowered.ask("POST", path, body))
    said = await overpowered.refused(overpowered.ask("POST", f"{PODS}/{name}/exec?command=ls&stdout=true"))
    assert "never through pods/exec" in said


async def test_what_is_created_carries_a_warrant_and_what_is_deleted_carried_one(
    guarded: Cluster, overpowered: Cluster
) -> None:
    name = named("made")
    bare = deployment(name, 1)
    await overpowered.refused(overpowered.ask("POST", APPS, bare))
    held = {**bare, "metadata": {"name": name, "annotations": {WARRANT: named("create")}}}
    await overpowered.ask("POST", APPS, held)
    await overpowered.ask("DELETE", f"{APPS}/{name}")
    other = named("others")
    await guarded.ask("POST", APPS, deployment(other, 1))
    said = await overpowered.refused(overpowered.ask("DELETE", f"{APPS}/{other}"))
    assert f"deployments {other} carries no placet.dev/warrant; annotate it, then delete it" in said
    await overpowered.refused(overpowered.ask("DELETE", APPS))


@pytest.mark.parametrize("space", ["kube-system", identities.NAMESPACE])
async def test_the_writer_applies_no_object_in_a_namespace_of_the_cluster_itself(
    overpowered: Cluster, space: str
) -> None:
    """Whatever a fact or a role gave it there."""
    form, name = "application/apply-patch+yaml", named("settings")
    about = {"name": name, "annotations": {WARRANT: named("apply")}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"a": "b"}}
    path = f"/api/v1/namespaces/{{}}/configmaps/{name}?fieldManager=placet"

    async def by_the_policy() -> bool:
        """The rights take a moment to arrive; until then RBAC refuses."""
        said = await overpowered.refused(overpowered.ask("PATCH", path.format(space), body, form))
        return f"is in {space}, a namespace of the cluster" in said

    await until(by_the_policy)
    await overpowered.ask("PATCH", path.format("tenant-a"), body, form)


async def test_everybody_else_writes_as_before(guarded: Cluster) -> None:
    """The rule binds our own account, and no one who did not ask for it."""
    name = named("others")
    await run(guarded, "tenant-a", name, 1)
    scaled = await guarded.patch(f"{APPS}/{name}/scale", {"spec": {"replicas": 2}})
    assert scaled["spec"]["replicas"] == 2


@pytest.mark.parametrize("key", [WARRANT, "placet.dev/anything"])
async def test_in_a_protected_namespace_nobody_else_touches_our_annotations(
    guarded: Cluster, writer: Cluster, key: str
) -> None:
    """Neither forged, nor changed, nor removed; every other write goes on, and break-glass is a group."""
    apps, name = f"/apis/apps/v1/namespaces/{GUARDED}/deployments", named("kept")
    forged = deployment(name, 1)
    forged["metadata"]["annotations"] = {key: "forged"}
    said = await guarded.refused(guarded.ask("POST", apps, forged))
    assert f"{GUARDED} is protected: only placet may change {key}" in said
    await guarded.ask("POST", apps, deployment(name, 1))
    await writer.patch(f"{apps}/{name}", {"metadata": {"annotations": {WARRANT: named("own"), key: named("own")}}})
    for value in ("forged", None):
        await guarded.refused(guarded.patch(f"{apps}/{name}", {"metadata": {"annotations": {key: value}}}))
    await guarded.patch(f"{apps}/{name}", {"metadata": {"annotations": {"theirs": "yes"}}, "spec": {"replicas": 2}})
    fireman = guarded.plane.identity("fireman", ("system:masters", identities.BREAK_GLASS))
    async with guarded.plane.client(fireman) as api:
        await Cluster(guarded.plane, api).patch(f"{apps}/{name}", {"metadata": {"annotations": {key: None}}})


async def test_in_a_protected_namespace_templates_with_our_annotation_still_make_pods(
    guarded: Cluster, writer: Cluster
) -> None:
    """The controllers copy what a template says; they are no forgers."""
    apps, name = f"/apis/apps/v1/namespaces/{GUARDED}/deployments", named("templated")
    await run(guarded, GUARDED, name, 1)
    template = {"metadata": {"annotations": {WARRANT: named("rolled")}}}
    change = {"metadata": {"annotations": {WARRANT: named("own")}}, "spec": {"template": template}}
    done = await writer.patch(f"{apps}/{name}", change)
    generation = done["metadata"]["generation"]

    async def rolled_out() -> bool:
        now = (await guarded.ask("GET", f"{apps}/{name}"))["status"]
        return bool(now.get("observedGeneration") == generation and now.get("updatedReplicas") == 1)

    await until(rolled_out)


async def test_datasets_may_be_named_once_and_not_taken_back(guarded: Cluster) -> None:
    """They can only narrow where something runs; in a protected namespace nobody widens it again."""
    apps, name = f"/apis/apps/v1/namespaces/{GUARDED}/deployments", named("narrowed")
    await guarded.ask("POST", apps, deployment(name, 1))
    await guarded.patch(f"{apps}/{name}", {"metadata": {"annotations": {"placet.dev/datasets": "a-records"}}})
    for value in ("other", None):
        taken = {"metadata": {"annotations": {"placet.dev/datasets": value}}}
        said = await guarded.refused(guarded.patch(f"{apps}/{name}", taken))
        assert "only placet may change placet.dev/datasets" in said


async def test_the_agents_own_identity_writes_nothing_under_any_warrant(writer: Cluster, reader: Cluster) -> None:
    """Whatever an agent runs with is the reader's: bare, under a mark that the node has seen, or under one made up."""
    path, seen = f"/api/v1/nodes/{LAWFUL[1]}", named("once")
    await writer.patch(path, under(seen, spec={"unschedulable": False}))
    for mark in (None, seen, named("made-up")):
        said = await reader.refused(reader.patch(path, under(mark, spec={"unschedulable": True})))
        assert f'"{identities.username(identities.READER)}" cannot patch resource "nodes"' in said
    made = {"metadata": {"name": named("stray"), "annotations": {WARRANT: named("made-up")}}}
    said = await reader.refused(reader.ask("POST", "/api/v1/namespaces/tenant-a/configmaps", made))
    assert "cannot create" in said
