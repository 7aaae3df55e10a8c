"""Objects on a real cluster: every kind, other managers, finalizers, and whole executions that fail and are undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from estate.changes import Change
from estate.effects import Step
from estate.errors import RetryLater
from estate.ids import Uid
from estate.manifests import KINDS, Address, form_of
from estate.objects import Sighting
from estate.outcomes import Ending
from estate.results import Refusal, RefusalCode
from tests import builders
from tests.execution.clusters import CLUSTER, QUICK, SHORT, ClusterWorld, bare, cluster_world, until
from tests.execution.rig import LiveReader, Rig, key, sealed, warrant
from tests.objects import PODS, PORT, Manifest, apply, delete, manifest
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import APPLY, MERGE, Access, Connection, Object, Query

pytestmark = pytest.mark.kubernetes

CHANGED: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"rate": "9", "burst": "20"}, "binaryData": {"blob": "AAE="}},
    "LimitRange": {"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "9Gi"}}]}},
    "NetworkPolicy": {"spec": PODS | {"policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}},
    "PodDisruptionBudget": {"spec": {"maxUnavailable": "25%", "selector": {"matchLabels": {"app": "serve"}}}},
    "ResourceQuota": {"spec": {"hard": {"pods": "10", "requests.nvidia.com/gpu": "8"}}},
    "Service": {
        "spec": {
            "selector": {"app": "serve"},
            "ports": [PORT | {"name": "web"}, {"name": "admin", "port": 443, "protocol": "TCP", "targetPort": "admin"}],
        }
    },
}


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    """A namespace of this test's own."""
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


def of(world: ClusterWorld, kind: str = "ConfigMap", **content: Any) -> Manifest:
    """A manifest in the test's namespace."""
    return manifest(kind, namespace=world.namespace, **content)


def path(address: Address) -> str:
    """Where the API has it."""
    return resources.APPLIED[address.kind].path(address.namespace, address.name)


async def raw(world: ClusterWorld, made: Manifest) -> Object:
    """The object as the API server gives it."""
    return await world.ask("GET", path(apply(made).address))


async def seen(world: ClusterWorld, made: Manifest) -> Sighting:
    """The object as the estate sees it."""
    return await world.object(apply(made).address)


async def write(target: KubernetesTarget, number: int, change: Change) -> tuple[Step, Refusal | None]:
    """One step, rehearsed and written as the executor does."""
    (step,) = builders.steps(change)
    refusal = await target.rehearse((step,))
    return step, refusal or await target.apply(key(number), step.change, step.preconditions, step.postconditions)


async def done(world: ClusterWorld, number: int, change: Change) -> Step:
    """The step, written and verified."""
    step, refusal = await write(world.target(), number, change)
    assert refusal is None, refusal
    assert await world.target().check(step.postconditions) == ()
    return step


async def undo(world: ClusterWorld, number: int, step: Step) -> Refusal | None:
    """The inverse of a step, under its own key."""
    assert step.inverse.kind != "NoInverse"
    back = key(number, undo=True)
    return await world.target().apply(back, step.inverse, step.postconditions, step.preconditions)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_made_changed_deleted_and_undone(world: ClusterWorld, kind: str) -> None:
    """What the manifest states is what Placet holds, so that verification and every undo compare the same."""
    labels = {"team": "a"}
    first = of(world, kind, labels=labels)
    second = of(world, kind, labels=labels, annotations={"note": "more"}, **CHANGED[kind])
    made = await done(world, 1, apply(first))
    before = bare(await raw(world, first) | {"spec": {}})
    content = {k: v for k, v in (await raw(world, first)).items() if k not in ("metadata", "status")}
    uid = (await seen(world, first)).uid
    changed = await done(world, 2, apply(second, before=first, uid=uid))
    assert (await seen(world, first)).form == form_of(second)
    assert (await raw(world, first))["metadata"]["labels"] == labels
    assert await undo(world, 2, changed) is None
    after = {k: v for k, v in (await raw(world, first)).items() if k not in ("metadata", "status")}
    assert after == content
    assert bare(await raw(world, first) | {"spec": {}}) == before
    assert await undo(world, 1, made) is None
    assert not (await seen(world, first)).there


async def test_what_another_manager_holds_is_neither_changed_nor_deleted(world: ClusterWorld) -> None:
    """Not by force, and not beside it: a port more would open somebody else's service."""
    mine = of(world, "Service")
    address = apply(mine).address
    await world.apply(path(address), mine, "tenant")
    held = (await seen(world, mine)).others
    assert held == ("tenant",)
    uid = (await seen(world, mine)).uid
    for change in (apply(mine), apply(of(world, "Service", **CHANGED["Service"]), mine, uid), delete(mine, uid)):
        _, refusal = await write(world.target(), 1, change)
        assert refusal is not None
        assert refusal.code is RefusalCode.OTHER_MANAGER
        assert "`tenant`" in refusal.message
    assert (await raw(world, mine))["metadata"]["uid"] == uid


async def test_somebody_who_changes_what_placet_applied_is_named_and_kept(world: ClusterWorld) -> None:
    first = of(world)
    made = await done(world, 1, apply(first))
    uid = (await seen(world, first)).uid
    theirs = {"data": {"rate": "1"}}
    await world.connection.request(
        "PATCH", path(apply(first).address), {"fieldManager": "kubectl-edit"}, theirs, content_type=MERGE
    )
    assert await world.target().check(made.postconditions), "verification sees it"
    for refusal in (
        await undo(world, 1, made),
        (await write(world.target(), 2, apply(of(world, data={"rate": "9"}), first, uid)))[1],
    ):
        assert refusal is not None
        assert refusal.code is RefusalCode.OTHER_MANAGER
        assert "`kubectl-edit`" in refusal.message
    assert (await raw(world, first))["data"] == {"rate": "1"}


async def test_labels_of_others_are_no_content(world: ClusterWorld) -> None:
    """Whoever labels an object does not take it away from Placet, and keeps the label."""
    first = of(world)
    await done(world, 1, apply(first))
    label = {"metadata": {"labels": {"theirs": "yes"}}}
    await world.connection.request("PATCH", path(apply(first).address), None, label, content_type=MERGE)
    uid = (await seen(world, first)).uid
    await done(world, 2, apply(of(world, data={"rate": "9"}), before=first, uid=uid))
    assert (await raw(world, first))["metadata"]["labels"] == {"theirs": "yes"}


async def test_what_the_server_would_write_otherwise_is_refused_by_the_dry_run(world: ClusterWorld) -> None:
    """It could never be verified; the refusal names the fields."""
    quota = of(world, "ResourceQuota", spec={"hard": {"requests.cpu": "1000m", "pods": "20"}})
    _, refusal = await write(world.target(), 1, apply(quota))
    assert refusal is not None
    assert refusal.code is RefusalCode.NOT_SUPPORTED
    assert "spec.hard.requests.cpu" in refusal.message
    assert not (await seen(world, quota)).there


async def test_a_namespace_that_is_not_there_is_refused(world: ClusterWorld) -> None:
    _, refusal = await write(world.target(), 1, apply(manifest(namespace="nowhere-at-all")))
    assert refusal is not None


async def test_a_deletion_says_which_object_is_meant(world: ClusterWorld) -> None:
    """Only the undo of a creation may leave the uid out: it finds what its own step made, by the mark."""
    first = of(world)
    await done(world, 1, apply(first))
    _, refusal = await write(world.target(), 2, delete(first))
    assert refusal is not None
    assert refusal.code is RefusalCode.NOT_SUPPORTED


async def test_an_undo_does_not_delete_what_somebody_made_in_its_place(world: ClusterWorld) -> None:
    """The same name, the same content, even by Placet itself: another step made it."""
    first = of(world)
    made = await done(world, 1, apply(first))
    await done(world, 2, delete(first, (await seen(world, first)).uid))
    await done(world, 3, apply(first))
    refusal = await undo(world, 1, made)
    assert refusal is not None
    assert refusal.code is RefusalCode.UID_CHANGED
    assert (await seen(world, first)).there


async def test_a_finalizer_that_never_ends_is_told(world: ClusterWorld) -> None:
    first = of(world)
    await done(world, 1, apply(first))
    address = apply(first).address
    hold = {"metadata": {"finalizers": ["example.org/never"]}}
    await world.connection.request("PATCH", path(address), None, hold, content_type=MERGE)
    change = delete(first, (await seen(world, first)).uid)
    (step,) = builders.steps(change)
    with pytest.raises(Unfinished, match=r"its finalizers: example\.org/never"):
        await world.target(SHORT).apply(key(2), change, step.preconditions)
    assert await world.target().check(step.preconditions), "what is being deleted is not as it was"
    other = await world.target().apply(key(3), change, step.preconditions)
    assert other is not None, "somebody else's deletion is not this step's"
    await world.connection.request("PATCH", path(address), None, {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert await world.target().apply(key(2), change, step.preconditions) is None
    assert not (await seen(world, first)).there


class Losing(Connection):
    """A real connection that loses the answer of one write after the server has done it."""

    losing = ""

    async def request(
        self, method: str, path: str, query: Query | None = None, body: Any = None, **more: Any
    ) -> Object:
        answer = await super().request(method, path, query, body, **more)
        if method == self.losing and "dryRun" not in (query or {}):
            type(self).losing = ""
            raise faults.unreachable(f"{method} {path}", ConnectionResetError("cut"))
        return answer


class Racing(Connection):
    """A real connection before whose first write somebody else makes the same object."""

    theirs: Object | None = None

    async def request(
        self, method: str, path: str, query: Query | None = None, body: Any = None, **more: Any
    ) -> Object:
        if method == "PATCH" and (made := self.theirs) is not None:
            self.theirs = None
            await super().request("PATCH", path, {"fieldManager": "tenant"}, made, content_type=APPLY)
        return await super().request(method, path, query, body, **more)


async def test_what_somebody_makes_in_the_same_moment_stays_theirs(
    world: ClusterWorld, control_plane: ControlPlane
) -> None:
    """No write of an object that is not there can be compared with a version; what was added is taken back."""
    first, theirs = of(world), of(world, data={"other": "1"})
    change = apply(first)
    (step,) = builders.steps(change)
    async with await Racing.open(Access(control_plane.kubeconfig)) as racing:
        racing.theirs = theirs
        target = KubernetesTarget({CLUSTER: racing}, world.facts, QUICK)
        refusal = await target.apply(key(1), change, step.preconditions, step.postconditions)
    assert refusal is not None
    assert refusal.code is RefusalCode.OTHER_MANAGER
    assert (await raw(world, first))["data"] == {"other": "1"}


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_write_whose_answer_was_lost_is_done_once(
    world: ClusterWorld, control_plane: ControlPlane, method: str
) -> None:
    """The repeated step finds its own mark, or nothing left to delete."""
    first = of(world)
    if method == "DELETE":
        await done(world, 1, apply(first))
    change = apply(first) if method == "PATCH" else delete(first, (await seen(world, first)).uid)
    (step,) = builders.steps(change)
    async with await Losing.open(Access(control_plane.kubeconfig)) as lossy:
        target = KubernetesTarget({CLUSTER: lossy}, world.facts, QUICK)
        Losing.losing = method
        with pytest.raises(RetryLater):
            await target.apply(key(2), change, step.preconditions, step.postconditions)
        assert await target.apply(key(2), change, step.preconditions, step.postconditions) is None
    assert await world.target().check(step.postconditions) == ()


@asynccontextmanager
async def refusing(world: ClusterWorld, plural: str, step: StepKey) -> AsyncIterator[None]:
    """While inside, the cluster refuses objects of that kind that carry the mark of that step."""
    root, name = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic", world.stem("no-objects")
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [plural]}]
    mark = f"!object.metadata.?annotations[?'placet.dev/warrant'].orValue('').contains('{step}')"
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [{"name": "mine", "expression": f"request.namespace == '{world.namespace}'"}],
        "validations": [
            {"expression": mark, "message": "broken on purpose"},
            {"expression": "object.metadata.name != 'probe'"},
        ],
    }
    await world.ask("POST", f"{root}ies", {"metadata": {"name": name}, "spec": spec})
    bound = {"policyName": name, "validationActions": ["Deny"]}
    await world.ask("POST", f"{root}ybindings", {"metadata": {"name": name}, "spec": bound})
    await until(lambda: _probed(world), lambda refused: refused)
    yield
    await world.ask("DELETE", f"{root}ybindings/{name}")
    await world.ask("DELETE", f"{root}ies/{name}")


async def _probed(world: ClusterWorld) -> bool:
    probe = {"metadata": {"name": "probe"}, "spec": {"hard": {"pods": "1"}}}
    try:
        await world.connection.request("POST", resources.QUOTAS.path(world.namespace), {"dryRun": "All"}, probe)
    except faults.Rejected:
        return True
    return False


async def execution(world: ClusterWorld, *changes: Change) -> tuple[Ending, str]:
    """A whole execution by the executor, with its journal, dry run, verification and undo."""
    blind = MemoryTarget(builders.estate(law_base=world.facts()))
    given = warrant(*changes, on=builders.estate(law_base=world.facts()))
    surroundings = Rig(world=blind, reader=LiveReader(blind))
    outcome = await surroundings.executor(target=world.target()).execute(sealed(given))
    return outcome.ending, outcome.reason


async def test_an_execution_of_several_objects_is_verified(world: ClusterWorld) -> None:
    made = [of(world, kind) for kind in KINDS]
    assert await execution(world, *[apply(m) for m in made]) == (Ending.VERIFIED, "")
    for each in made:
        assert (await seen(world, each)).form == form_of(each)


async def test_an_execution_that_fails_half_way_leaves_everything_as_it_was(world: ClusterWorld) -> None:
    """The last step meets a rule of the cluster that its dry run does not."""
    first, service, quota = of(world), of(world, "Service"), of(world, "ResourceQuota")
    await done(world, 1, apply(first))
    before = await raw(world, first)
    changes = [
        apply(of(world, data={"rate": "9"}), before=first, uid=before["metadata"]["uid"]),
        apply(service),
        apply(quota),
    ]
    async with refusing(world, "resourcequotas", key(3)):
        ending, reason = await execution(world, *changes)
    assert ending is Ending.ROLLED_BACK
    assert "broken on purpose" in reason
    assert bare(await raw(world, first) | {"spec": {}}) == bare(before | {"spec": {}})
    assert (await raw(world, first))["data"] == before["data"]
    assert not (await seen(world, service)).there
    assert not (await seen(world, quota)).there


async def test_a_deletion_taken_back_is_another_object_and_handed_over(world: ClusterWorld) -> None:
    """What is made anew is like what was there, under a uid that nobody knew: a person is told."""
    first, quota = of(world), of(world, "ResourceQuota")
    await done(world, 1, apply(first))
    uid = (await seen(world, first)).uid
    async with refusing(world, "resourcequotas", key(2)):
        ending, reason = await execution(world, delete(first, uid), apply(quota))
    assert ending is Ending.HANDED_OVER, reason
    assert "undone, and the estate is not as it was" in reason
    now = await seen(world, first)
    assert now.form == form_of(first)
    assert now.uid != Uid(uid)
