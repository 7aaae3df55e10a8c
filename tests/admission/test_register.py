"""The register on a real API server: what the gate did not register there opens nothing, wherever its mark is from."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest

from estate import canonical
from estate.changes import ApplyManifest, CordonNode, DrainNode
from estate.ids import ClusterId, Digest, NodeId
from policies.admission import identities, registering
from policies.admission.annotations import WARRANT
from policies.admission.manifests import binding
from tests import builders
from tests.admission.clusters import (
    DRY,
    GUARDED,
    LAWFUL,
    Body,
    Cluster,
    Probe,
    collection,
    deployment,
    named,
    pod,
    refusing,
    until,
)
from tools.controlplane import clients
from tools.kubernetes import faults
from tools.kubernetes.connecting import Access, Connection
from tools.kubernetes.registers import PATH, Register

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]
NODE, OTHER = (f"/api/v1/nodes/{name}" for name in LAWFUL)
APPS = f"/apis/apps/v1/namespaces/{GUARDED}/deployments"
FENCE = {"spec": {"unschedulable": True}}


def issued(stem: str) -> tuple[Digest, str]:
    """A proposal's digest, and the mark of the first write under its warrant."""
    proposal = canonical.digest(named(stem).encode())
    return proposal, f"{proposal}:1:do"


def marked(mark: str, **body: object) -> Body:
    """A patch under that mark."""
    return {"metadata": {"annotations": {WARRANT: mark}}, **body}


@pytest.fixture
async def registrar(guarded: Cluster) -> AsyncIterator[Connection]:
    """The cluster as the gate's own account sees it."""
    account = await guarded.plane.service_account(identities.NAMESPACE, identities.REGISTRAR)
    async with await Connection.open(Access(account.kubeconfig)) as connection:
        yield connection


@pytest.fixture
async def register(guarded: Cluster, writer: Cluster, registrar: Connection) -> AsyncIterator[Register]:
    """The cluster's register, and in force the rule that asks it."""
    policy = registering.register_policy()
    made: tuple[Body, ...] = (policy, binding(policy))
    for found in made:
        await clients.create(guarded.api, collection(found), found)
    await until(refusing(writer.patch(OTHER, marked(issued("probe")[1])) for _ in range(600)))
    yield Register(registrar)
    for path in (NODE, OTHER):  # others' tests find nodes that bear no mark
        await guarded.patch(path, {"metadata": {"annotations": {WARRANT: None}}, "spec": {"unschedulable": None}})
    for found in made:
        await clients.delete(guarded.api, f"{collection(found)}/{found['metadata']['name']}")


def passing(asked: Iterator[Awaitable[Body]]) -> Probe:
    """Whether the next of these is let through: the role that says so is on its way."""
    refused = refusing(asked)

    async def holds() -> bool:
        return not await refused()

    return holds


def again(writer: Cluster, path: str, mark: str, **body: object) -> Iterator[Awaitable[Body]]:
    """The same write, each time under a mark of its own of the same warrant."""
    return (writer.patch(path, marked(f"{mark}+{n}", **body)) for n in itertools.count(2))


async def test_a_mark_opens_what_its_warrant_is_about_from_its_registration_to_its_end(
    guarded: Cluster, writer: Cluster, register: Register
) -> None:
    (one, mark), (other, inside) = issued("fence"), issued("scale")
    said = await writer.refused(writer.patch(NODE, marked(mark, **FENCE)))
    assert f"no warrant of nodes {LAWFUL[0]} is registered here for nodes/{LAWFUL[0]}" in said
    assert (await writer.patch(f"{NODE}{DRY}", marked(mark, **FENCE)))["spec"]["unschedulable"], "a rehearsal"
    await register.put(one, {f"nodes/{LAWFUL[0]}"})
    await until(passing(again(writer, NODE, mark, **FENCE)))
    for wrong in (writer.patch(OTHER, marked(mark, **FENCE)), writer.patch(NODE, marked("made-up", **FENCE))):
        assert "placet-register: " in await writer.refused(wrong)
    await register.put(other, {f"{GUARDED}/"})
    name = named("scaled")
    await guarded.ask("POST", APPS, deployment(name, 0))
    await until(passing(again(writer, f"{APPS}/{name}", inside)))
    await writer.refused(writer.patch(OTHER, marked(inside, **FENCE)))
    await register.keep(lambda: {other})
    ended = again(writer, NODE, f"{mark}-", **{"spec": {"unschedulable": False}})
    await until(refusing(ended))
    await writer.patch(f"{APPS}/{name}", marked(f"{inside}+99"))
    await register.keep(lambda: ())
    assert not (await guarded.ask("GET", PATH)).get("rules"), "and no rule is left that would name every warrant"


async def test_whatever_is_evicted_made_or_deleted_goes_by_the_register_too(
    guarded: Cluster, writer: Cluster, register: Register
) -> None:
    proposal, mark = issued("drain")
    name, space, settings = named("pod"), f"/api/v1/namespaces/{GUARDED}", "/api/v1/namespaces/tenant-a/configmaps"
    made = await guarded.ask("POST", f"{space}/pods", pod(name))
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "annotations": {WARRANT: mark}},
        "deleteOptions": {"preconditions": {"uid": made["metadata"]["uid"]}},
    }
    evict, kept = f"{space}/pods/{name}/eviction", named("settings")
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": kept, "annotations": {WARRANT: mark}}}
    for refused in (writer.ask("POST", evict, eviction), writer.ask("POST", settings, held)):
        assert "placet-register: " in await writer.refused(refused)
    await register.put(proposal, {registering.ANYWHERE})
    await until(passing(writer.ask("POST", evict, eviction) for _ in itertools.count()))
    await writer.ask("POST", settings, held)
    await register.keep(lambda: ())
    await until(refusing(again(writer, f"{settings}/{kept}", mark)))
    assert "placet-register: " in await writer.refused(writer.ask("DELETE", f"{settings}/{kept}"))
    await guarded.ask("DELETE", f"{settings}/{kept}")


async def test_others_write_as_before_and_the_registrar_nothing_but_warrants(
    guarded: Cluster, registrar: Connection, register: Register
) -> None:
    await guarded.patch(NODE, {"metadata": {"annotations": {"example.org/note": named("n")}}})
    await register.put(issued("any")[0], {"nodes/x"})
    role = {"rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]}
    with pytest.raises(faults.Forbidden, match="attempting to grant RBAC permissions not currently held"):
        await registrar.request("PATCH", PATH, None, role, content_type="application/merge-patch+json")
    with pytest.raises(faults.Forbidden):
        await registrar.request("PATCH", NODE, None, FENCE, content_type="application/merge-patch+json")


async def test_another_writer_of_the_register_is_seen(guarded: Cluster, register: Register) -> None:
    one, two = issued("one")[0], issued("two")[0]
    await register.put(one, {"nodes/a"})
    await guarded.patch(PATH, {"metadata": {"annotations": {"example.org/applied": "again"}}, "rules": []})
    await register.put(two, {"nodes/b"})
    (rule,) = (await guarded.ask("GET", PATH))["rules"]
    assert rule["resourceNames"] == sorted(registering.names(two, {"nodes/b"}))
    await register.keep(lambda: ())


def test_the_places_of_a_warrant_are_read_off_its_steps() -> None:
    on = builders.estate()
    eu, first = ClusterId("eu-1"), on.nodes().__iter__().__next__()
    cordon, drain = CordonNode(node=first.id, reason="x"), DrainNode(node=NodeId("eu-a1"))
    assert registering.places(builders.steps(cordon, on=on), on) == {eu: {f"nodes/{first.name}"}}
    reached = registering.places(builders.steps(drain, on=on), on)[eu]
    spaces = {f"{w.namespace}/" for w in on.workloads_on(NodeId("eu-a1"))}
    assert reached >= spaces | {"nodes/eu-a1.eu.example", registering.ANYWHERE}
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "s", "namespace": "tenant-a"},
        "data": {"a": "b"},
    }
    made = ApplyManifest.model_validate({"cluster": eu, "manifest": manifest})
    assert registering.places(builders.steps(made, on=on), on) == {eu: {"tenant-a/"}}
