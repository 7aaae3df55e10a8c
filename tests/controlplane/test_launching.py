"""A control plane of one's own: it starts, survives kill -9 of its API server, and tells who may do what."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.client.exceptions import ForbiddenException

from tests.controlplane.test_ending import alive
from tools.controlplane import auditing, clients
from tools.controlplane.components import ComponentFailed, Part
from tools.controlplane.finding import BinariesMissing
from tools.controlplane.flags import Options
from tools.controlplane.folders import FolderTaken
from tools.controlplane.launching import ControlPlane, controlplane

pytestmark = pytest.mark.kubernetes

NAMESPACES = "/api/v1/namespaces"
BARE = Options(controller_manager=False, scheduler=False, kwok=False)
"""etcd and the API server alone: enough for a test of objects, and up soonest."""


async def make_namespace(api: ApiClient, name: str) -> str:
    return str((await clients.ask(api, "POST", NAMESPACES, {"metadata": {"name": name}}))["metadata"]["uid"])


async def uid_of(api: ApiClient, name: str) -> str:
    return str((await clients.ask(api, "GET", f"{NAMESPACES}/{name}"))["metadata"]["uid"])


async def test_a_new_identity_may_do_only_what_rbac_grants_it(
    control_plane: ControlPlane, kubernetes_api: ApiClient, cluster_names: Callable[[str], str]
):
    """Authorization is on: whoever is minted starts with nothing, and a grant is what changes that."""
    account, namespace = await control_plane.service_account(cluster_names("rbac"), "reader"), cluster_names("rbac")
    async with control_plane.client(account) as api:
        with pytest.raises(ApiException) as refused:
            await clients.ask(api, "GET", "/api/v1/nodes")
        assert refused.value.status == 403
        assert account.user in str(refused.value.body)
        await grant_view(kubernetes_api, cluster_names("view"), namespace)
        async with asyncio.timeout(10):
            while not await may_read_pods(api, namespace):  # noqa: ASYNC110 - RBAC answers from a watch
                await asyncio.sleep(0.05)


async def grant_view(api: ApiClient, name: str, namespace: str) -> None:
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    await clients.ask(api, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body)


async def may_read_pods(api: ApiClient, namespace: str) -> bool:
    try:
        return (await clients.ask(api, "GET", f"{NAMESPACES}/{namespace}/pods"))["kind"] == "PodList"
    except ForbiddenException:
        return False


async def test_a_certificate_says_user_and_groups(control_plane: ControlPlane):
    """People of any name and group can be minted while the API server runs."""
    identity = control_plane.identity("ada", ("system:masters",))
    async with control_plane.client(identity) as api:
        review = await clients.ask(api, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    told = review["status"]["userInfo"]
    assert (told["username"], "system:masters" in told["groups"]) == ("ada", True)


async def test_credentials_are_for_their_owner_only(control_plane: ControlPlane):
    """A kubeconfig of an administrator lies in a folder that nobody else may enter."""
    control_plane.identity("grace")
    assert stat.S_IMODE(control_plane.directory.stat().st_mode) == 0o700
    files = list(control_plane.authority.folder.iterdir())
    assert {"admin.kubeconfig", "grace.key", "sa.key", "tokens.csv"} <= {f.name for f in files}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert control_plane.admin.token not in repr(control_plane)


async def test_both_kinds_of_admission_policy_are_served(kubernetes_api: ApiClient):
    """The law at the door is compiled into both."""
    served = await clients.ask(kubernetes_api, "GET", "/apis/admissionregistration.k8s.io/v1")
    kinds = {resource["kind"] for resource in served["resources"]}
    assert {"ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"} <= kinds


async def test_the_audit_log_tells_who_wrote(control_plane: ControlPlane, cluster_names: Callable[[str], str]):
    """A demonstration that nothing was written needs a log in which a write would have been seen."""
    name = cluster_names("audited")
    writer = control_plane.identity(cluster_names("writer"), ("system:masters",))
    async with control_plane.client(writer) as api:
        await clients.ask(api, "GET", NAMESPACES)
        assert not auditing.writes(control_plane.audit_log, writer.user)
        await make_namespace(api, name)
    (write,) = auditing.writes(control_plane.audit_log, writer.user)
    assert (write.verb, write.resource, write.name, write.status) == ("create", "namespaces", name, 201)


@pytest.mark.kubernetes(shared=False)
async def test_a_given_folder_keeps_its_objects_whatever_is_killed_and_is_used_by_one(tmp_path: Path):
    """Same port, same data: what a client holds on to is still true, whoever was killed and started again."""
    async with controlplane(tmp_path, options=BARE) as plane, plane.client() as api:
        uid = await make_namespace(api, "kept")
        with pytest.raises(FolderTaken, match="another control plane runs in"):
            async with controlplane(tmp_path, options=BARE):
                pytest.fail("two servers on one folder would ruin it")
        assert await uid_of(api, "kept") == uid
        before = plane.component(Part.API_SERVER).pid
        await plane.kill()
        assert plane.component(Part.API_SERVER).pid is None
        with pytest.raises(OSError, match=r"refused|connect|reset|disconnected"):
            await uid_of(api, "kept")
        await plane.start()
        assert await uid_of(api, "kept") == uid
        await plane.kill(Part.ETCD)
        await plane.start(Part.ETCD)
        await plane.restart()
        assert await uid_of(api, "kept") == uid
        assert plane.component(Part.API_SERVER).pid != before
    async with controlplane(tmp_path, options=BARE) as plane, plane.client() as api:
        assert await uid_of(api, "kept") == uid


async def test_two_at_once_know_nothing_of_each_other_and_the_ended_one_leaves_nothing(control_plane: ControlPlane):
    """Two clusters are two control planes, each with a port, an authority and an etcd of its own.

    A temporary folder holds keys; it goes with the processes.
    """
    one = control_plane
    async with controlplane(options=BARE) as two:
        pids = [component.pid for component in two.components.values()]
        assert all(pid and alive(pid) for pid in pids)
        async with one.client() as api, two.client() as other:
            await clients.create(api, NAMESPACES, {"metadata": {"name": "only-in-one"}})
            with pytest.raises(ApiException) as absent:
                await uid_of(other, "only-in-one")
            assert absent.value.status == 404
            assert await uid_of(api, "kube-system") != await uid_of(other, "kube-system")
        assert not two.audit_log.samefile(one.audit_log)
        assert one.ca_file.read_bytes() != two.ca_file.read_bytes()
    assert not [pid for pid in pids if pid and alive(pid)]
    assert not two.directory.exists()


@pytest.mark.kubernetes(shared=False)
async def test_a_component_that_dies_at_its_start_is_named_with_its_last_words(tmp_path: Path):
    """Whoever reads the error need not look for a log in a folder that is gone."""
    options = Options(controller_manager=False, scheduler=False, kwok=False, api_server_flags=("--no-such-flag",))
    with pytest.raises(ComponentFailed, match=r"(?s)`kube-apiserver` ended with 1.*unknown flag: --no-such-flag"):
        async with controlplane(tmp_path, options=options):
            pytest.fail("it cannot have started")


@pytest.mark.kubernetes(shared=False)
async def test_missing_binaries_are_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No test is skipped for want of a control plane; who has none is told how to get one."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BinariesMissing, match=r"no etcd, kube-apiserver, .*make controlplane"):
        async with controlplane():
            pytest.fail("there is nothing to start")


async def test_a_scheduler_that_ends_by_itself_is_started_again(control_plane: ControlPlane):
    """As a kubelet does it; what somebody stopped stays stopped."""
    scheduler = control_plane.component(Part.SCHEDULER)
    first = scheduler.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(30):
        while scheduler.pid in (first, None):  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(0.1)
    await control_plane.stop(Part.SCHEDULER)
    await asyncio.sleep(1)
    assert scheduler.pid is None
    await control_plane.start(Part.SCHEDULER)
