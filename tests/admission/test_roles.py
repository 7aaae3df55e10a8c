"""Reader and writer on a real API server: each can what the table says, the API server itself says so, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest

from estate.changes import Change
from estate.ids import ClusterId
from estate.law import Namespace
from policies.admission import grants, identities
from policies.admission.grants import Access
from policies.admission.roles import rbac, tenancies
from tests import builders
from tests.admission.clusters import LAWFUL, Cluster, named, pod
from tools.kubernetes import resources, reviewing
from tools.kubernetes.connecting import Access as KubeAccess
from tools.kubernetes.connecting import Connection
from tools.kubernetes.reviewing import Part, reader_can_write, review

EU = ClusterId("eu-1")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
on_a_cluster = [pytest.mark.kubernetes, pytest.mark.xdist_group("door")]


def test_every_kind_of_change_has_its_row_in_the_table() -> None:
    """A kind without a row would reach the cluster as a refusal of RBAC, in the middle of an execution."""
    union: Any = Change.__value__
    kinds = {k.model_fields["kind"].default for k in get_args(get_args(union)[0])}
    assert kinds <= set(grants.BY_CHANGE)


def test_the_reader_writes_nothing_and_neither_reads_secrets() -> None:
    reader, writer = grants.allowed(grants.reader()), grants.allowed(grants.writer())
    assert not [a for a in reader if a.writes]
    assert grants.allowed(grants.LOOKED_AT) <= reader & writer
    assert not writer & set(grants.DENIED)
    assert not [a for a in writer if "*" in (a.verb, a.group, a.resource) or a.resource == "secrets"]


def test_the_reader_looks_at_exactly_what_the_source_reads() -> None:
    """One verb less, and the source fails on a real cluster; one more is a right that nobody needs."""
    followed = (*resources.WATCHED, *resources.COMPANIONS)
    watched = {Access(v, r.group, r.plural) for r in followed for v in ("get", "list", "watch")}
    identity = Access("get", "", resources.NAMESPACES.plural, resources.IDENTITY.rpartition("/")[2])
    assert grants.allowed(grants.reader()) == {*watched, identity, grants.NAMESPACES}


@pytest.mark.parametrize("account", [identities.READER, identities.WRITER])
def test_the_generated_roles_say_what_the_table_says(account: str) -> None:
    """Read back from the objects that are applied, independently of how they were written."""
    role: Any = next(o for o in rbac() if o["kind"] == "ClusterRole" and o["metadata"]["name"] == account)
    written = {
        Access(verb, group, resource, name)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }
    granted = grants.reader() if account == identities.READER else grants.writer()
    assert written == grants.allowed(granted)


def test_objects_are_written_in_the_namespaces_of_tenants_only() -> None:
    """Nothing of it is granted cluster-wide, and a system namespace is left out whatever a fact says."""
    assert not grants.allowed(grants.in_tenants()) & {a for a in grants.allowed(grants.writer()) if a.writes}
    facts = builders.facts()
    wrong = facts.tenants[0].model_copy(
        update={"namespaces": (*facts.tenants[0].namespaces, Namespace(cluster=EU, name="kube-system"))}
    )
    bound: Any = tenancies(facts.model_copy(update={"tenants": (wrong, *facts.tenants[1:])}), EU)
    assert [o["metadata"]["namespace"] for o in bound] == ["tenant-a", "tenant-b", "tenant-c"]
    role: Any = next(o for o in rbac() if o["metadata"]["name"] == identities.OBJECTS)
    assert {o["roleRef"]["name"] for o in bound} == {role["metadata"]["name"]}
    needed = {"persistentvolumeclaims", "serviceaccounts", *grants.OWNERS}
    needed |= {"jobs", "resourceclaims", "workloads", "workloads/status"}  # what a placement is written into
    written = {r for rule in role["rules"] for r in rule["resources"]}
    assert written == {r.plural for r in resources.APPLIED.values()} | needed


class TestOnACluster:
    """The same on the real API server."""

    pytestmark = on_a_cluster

    async def test_reader_and_writer_can_exactly_what_the_table_says(self, reader: Cluster, writer: Cluster) -> None:
        """Every row by SelfSubjectAccessReview: what each should have it has, what it should not it has not."""
        for connection, part in ((reader, Part.READER), (writer, Part.WRITER)):
            rows = await review(connection, part)
            assert [str(r.access) for r in rows if not r.well] == []
            assert {r.who for r in rows} == {identities.username(f"placet-{part}")}
            assert {r.found for r in rows} == {True, False}
            assert reader_can_write(rows) == ()

    async def test_a_reader_that_can_write_is_found_out(self, guarded: Cluster) -> None:
        """Whoever points Placet's reader at an administrator's kubeconfig is told what it could do."""
        async with await Connection.open(KubeAccess(guarded.plane.kubeconfig)) as connection:
            found = {r.access for r in reader_can_write(await review(connection, Part.READER))}
        assert {
            Access("patch", "", "nodes"),
            Access("create", "", "pods/eviction"),
            Access("get", "", "secrets"),
        } <= found
        assert Access("*", "*", "*") in found

    @pytest.mark.parametrize(
        "odd",
        [
            Access("update", "apps", "controllerrevisions"),
            Access("get", "", "nodes/proxy"),
            Access("get", "", "pods/exec"),
        ],
        ids=str,
    )
    async def test_a_right_that_nobody_thought_of_is_found_too(
        self, guarded: Cluster, reader: Cluster, odd: Access
    ) -> None:
        """It is in no table, so no review asks for it by name; the API server lists it. Of some a `get` is a shell."""
        name = named("odd")
        rules = [{"apiGroups": [odd.group], "resources": [odd.resource], "verbs": [odd.verb]}]
        path = "/apis/rbac.authorization.k8s.io/v1"
        await guarded.ask("POST", f"{path}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": identities.READER, "namespace": identities.NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        bound = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        await guarded.ask("POST", f"{path}/clusterrolebindings", bound)
        try:
            rows = reader_can_write(await review(reader, Part.READER))
            assert [r.access for r in rows] == [odd]
        finally:
            await guarded.ask("DELETE", f"{path}/clusterrolebindings/{name}")

    @pytest.mark.parametrize(
        "odd",
        [
            Access("patch", "", "configmaps"),
            Access("get", "", "secrets"),
            Access("get", "", "pods/exec"),
            Access("*", "*", "*"),
        ],
        ids=str,
    )
    async def test_a_right_in_one_namespace_only_is_found_with_its_place(
        self, guarded: Cluster, reader: Cluster, odd: Access
    ) -> None:
        """A RoleBinding gives nothing cluster-wide, so that no cluster-wide question shows it."""
        async with _bound_in(guarded, "tenant-c", odd, identities.READER):
            rows = reader_can_write(await review(reader, Part.READER))
            assert {(r.access, r.where) for r in rows} == {(odd, ("tenant-c",))}
            assert [str(r) for r in rows] == [f"{odd} in tenant-c"]

    async def test_the_writers_objects_are_expected_in_the_namespaces_of_tenants_and_nowhere_else(
        self, guarded: Cluster, writer: Cluster
    ) -> None:
        """What facts say decides, where they are known; a system namespace is never one."""
        odd = Access("patch", "", "configmaps")
        tenants = {n for (c, n) in builders.facts().tenant_of if c == EU}
        for space, known, unknown in (("free", ("free",), ()), ("kube-system", ("kube-system",), ("kube-system",))):
            async with _bound_in(guarded, space, odd, identities.WRITER):
                for spaces, where in ((tenants, known), (None, unknown)):
                    beyond = [r for r in await review(writer, Part.WRITER, spaces) if not r.well]
                    assert [(r.access, r.where) for r in beyond] == ([(odd, where)] if where else [])

    async def test_every_namespace_is_asked_about_and_progress_is_told(self, reader: Cluster) -> None:
        """Whoever waits for a cluster of thousands sees that something happens."""
        told: list[tuple[int, int]] = []
        before = (await reader.ask("GET", "/api/v1/namespaces"))["items"]
        await review(reader, Part.READER, told=lambda done, of: told.append((done, of)))
        after = (await reader.ask("GET", "/api/v1/namespaces"))["items"]
        (total,) = {of for _, of in told}
        assert [done for done, _ in told] == list(range(1, total + 1))
        assert len(after) <= total <= len(before), "other tests' namespaces may end meanwhile, none begins"

    async def test_the_reader_really_reads_what_it_should_and_is_really_refused_the_rest(
        self, guarded: Cluster, reader: Cluster
    ) -> None:
        """A review is the API server's word; these are its deeds."""
        for path in (
            "/api/v1/nodes",
            "/api/v1/pods",
            "/apis/policy/v1/poddisruptionbudgets",
            "/apis/apps/v1/deployments",
        ):
            assert "items" in await reader.ask("GET", path)
        assert (await reader.ask("GET", "/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        secrets, name = "/api/v1/namespaces/tenant-a/secrets", named("hidden")
        await guarded.ask("POST", secrets, {"metadata": {"name": name}})
        for asked in (
            reader.ask("GET", f"{secrets}/{name}"),
            reader.ask("GET", "/api/v1/secrets"),
            reader.ask("GET", "/api/v1/namespaces/default"),
            reader.ask("POST", "/api/v1/namespaces/tenant-a/pods", pod("any")),
            reader.patch(f"/api/v1/nodes/{LAWFUL[0]}", {"spec": {"unschedulable": True}}),
        ):
            assert identities.username(identities.READER) in await reader.refused(asked)

    async def test_the_writer_is_really_refused_secrets_and_the_policies_that_bind_it(self, writer: Cluster) -> None:
        bound = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/placet-warrant"
        for asked in (writer.ask("GET", "/api/v1/secrets"), writer.ask("DELETE", bound)):
            assert identities.username(identities.WRITER) in await writer.refused(asked)

    async def test_who_one_is_comes_from_the_api_server(self, writer: Cluster) -> None:
        assert await reviewing.whoami(writer) == identities.username(identities.WRITER)


@asynccontextmanager
async def _bound_in(cluster: Cluster, space: str, access: Access, account: str) -> AsyncIterator[None]:
    """While inside, one of Placet's accounts holds a right in one namespace; seen in force before."""
    name, path = named("odd"), f"{RBAC}/namespaces/{space}"
    rules = [{"apiGroups": [access.group], "resources": [access.resource], "verbs": [access.verb]}]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": identities.NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    await cluster.ask("POST", f"{path}/roles", {"metadata": {"name": name}, "rules": rules})
    bound = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    await cluster.ask("POST", f"{path}/rolebindings", bound)
    try:
        yield
    finally:
        await cluster.ask("DELETE", f"{path}/rolebindings/{name}")
        await cluster.ask("DELETE", f"{path}/roles/{name}")
