"""Somebody's cluster for tests of first contact: lawful work, unlawful work, work of nobody, and what broke."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import ApiClient

from console.contact.grounds import LawBase
from console.contact.meeting import Meeting, meet
from estate.ids import ClusterId, Country, Uid
from estate.law import Facts
from estate.worlds import World
from policies.admission import identities
from policies.admission.roles import rbac
from tests import builders, prompts, surroundings
from tools.controlplane import clients, faults, populating
from tools.controlplane.credentials import Identity
from tools.controlplane.launching import ControlPlane
from tools.kubernetes.connecting import Access

type Form = dict[str, Any]

EU = ClusterId("eu-1")
REPOSITORY = Path(__file__).resolve().parents[2]
COLD = (sys.executable, "-W", "error", "-m", "console.cli.main")
"""The program as it starts from nothing."""
ZONE, RACK = "topology.kubernetes.io/zone", "example.com/rack"
_ROLES = "/apis/rbac.authorization.k8s.io/v1"
_NODES = ("eu-a1", "eu-a2", "eu-a3", "eu-a4", "eu-b1", "eu-b2", "stranger")


@dataclass(frozen=True, slots=True)
class Somebodys:
    """A cluster that is not ours."""

    plane: ControlPlane
    api: ApiClient
    uid: Uid
    reader: Identity

    def facts(self, *, uid: Uid | None = None) -> Facts:
        """The small estate's, in which tenant-b lets nobody but France have power over it."""
        plain = builders.facts()
        french = builders.residency("DE", "FR").model_copy(update={"legal": (Country("FR"),)})
        tenants = tuple(t.model_copy(update={"residency": french}) if t.id == "tenant-b" else t for t in plain.tenants)
        clusters = tuple(c.model_copy(update={"uid": uid or self.uid}) if c.id == EU else c for c in plain.clusters)
        return builders.facts(tenants=tenants, clusters=clusters)

    async def told(self, law: Facts | LawBase | None) -> Form:
        """What a program is told, under these facts."""
        return (await self.met(law)).report.json_form()

    async def met(self, law: Facts | LawBase | None, visitor: Identity | None = None) -> Meeting:
        """First contact as the reader or another visitor, under these facts."""
        base = law if isinstance(law, LawBase) else LawBase(law, "facts of a test")
        return await meet(Access((visitor or self.reader).kubeconfig), base, datetime.now(UTC), lambda *_: None)


def world() -> World:
    """Named as the facts name it: `a-serve` lawful, `b-train` unlawful, `stray` nobody's."""
    nodes = tuple(builders.node(n, cluster=EU).model_copy(update={"name": n}) for n in _NODES)
    stray = builders.workload(
        "stray",
        tenant="nobodys",
        contract=builders.contract(4),
        replicas=1,
        bindings=(builders.binding(0, "stranger"),),
    )
    here = tuple(w for w in builders.default_workloads() if w.cluster == EU)
    return World(nodes=nodes, workloads=(*(w.model_copy(update={"datasets": ()}) for w in here), stray))


@asynccontextmanager
async def furnished(plane: ControlPlane) -> AsyncIterator[Somebodys]:
    """The cluster, populated; `eu-a2` not ready, two accelerators of `eu-b2` lost, a pod that nobody can read."""
    async with plane.client() as api:
        await populating.populate(api, world(), EU)
        await _label(api, {"eu-a1": "a", "eu-a2": "a", "eu-b1": "b"})
        await _odd_node(api)
        await faults.fail_node(api, "eu-a2")
        await faults.lose_accelerators(api, "eu-b2", 6)
        for found in rbac():
            await clients.create(api, _collection(found), found)
        reader = await plane.service_account(identities.NAMESPACE, identities.READER)
        yield Somebodys(plane, api, await populating.cluster_uid(api), reader)


async def placet(root: Path, *arguments: str | Path, program: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The program as people run it, in a directory without an installation."""
    program = program or (str(prompts.shell() / "placet"),)
    environment = surroundings.plain() | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    return await asyncio.to_thread(
        subprocess.run,
        [*program, "--state-dir", str(root / "state"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=root,
        timeout=120,
        check=False,
    )


def written(facts: Facts, root: Path) -> Path:
    """Facts as a person writes them."""
    file = root / "facts.yaml"
    file.write_text(yaml.safe_dump(facts.json_form(), sort_keys=False))
    return file


async def account(of: Somebodys, name: str, **verbs: str) -> Identity:
    """A service account that may look who the cluster is, and what else is named: core resources, verbs by commas."""
    rules = [
        {"apiGroups": [""], "resources": [r], "verbs": v.split(",")} for r, v in ({"namespaces": "get"} | verbs).items()
    ]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": identities.NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    bound = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
    await clients.create(of.api, f"{_ROLES}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    await clients.create(of.api, f"{_ROLES}/clusterrolebindings", bound)
    return await of.plane.service_account(identities.NAMESPACE, name)


async def second_reader(of: Somebodys, name: str) -> Identity:
    """Another account with a reader's role."""
    subject = {"kind": "ServiceAccount", "name": name, "namespace": identities.NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": identities.READER}
    bound = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
    await clients.create(of.api, f"{_ROLES}/clusterrolebindings", bound)
    return await of.plane.service_account(identities.NAMESPACE, name)


@asynccontextmanager
async def bound(of: Somebodys, space: str, who: Identity, **verbs: str) -> AsyncIterator[None]:
    """While inside, this account may do that in one namespace: core resources, verbs by commas."""
    name, path = who.user.rpartition(":")[2], f"{_ROLES}/namespaces/{space}"
    rules = [{"apiGroups": [""], "resources": [r], "verbs": v.split(",")} for r, v in verbs.items()]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": identities.NAMESPACE}
    await clients.create(of.api, f"{path}/roles", {"metadata": {"name": name}, "rules": rules})
    await clients.create(
        of.api, f"{path}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    )
    yield
    await clients.ask(of.api, "DELETE", f"{path}/rolebindings/{name}")


async def _label(api: ApiClient, racks: dict[str, str]) -> None:
    for node, rack in racks.items():
        labels = {"metadata": {"labels": {ZONE: "zone-1", RACK: rack}}}
        await clients.ask(api, "PATCH", f"/api/v1/nodes/{node}", labels, content_type=clients.MERGE_PATCH)


async def _odd_node(api: ApiClient) -> None:
    """One that says of itself what cannot be."""
    await clients.create(api, "/api/v1/nodes", {"metadata": {"name": "odd"}, "spec": {"unschedulable": True}})
    status = {"status": {"capacity": {"nvidia.com/gpu": "513"}}}
    await clients.ask(api, "PATCH", "/api/v1/nodes/odd/status", status, content_type=clients.MERGE_PATCH)


def _collection(of: dict[str, Any]) -> str:
    group, _, version = of["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    space = of["metadata"].get("namespace")
    plural = f"{of['kind'].lower()}s"
    return f"{root}/namespaces/{space}/{plural}" if space else f"{root}/{plural}"


def unreachable(of: Identity, root: Path) -> Identity:
    """The same credentials for an API server that is not there."""
    return Identity(of.user, edited(of, root, server="https://127.0.0.1:9"), of.token)


def edited(of: Identity, root: Path, *, token: str = "", server: str = "") -> Path:
    """A kubeconfig with another token or another server."""
    form = yaml.safe_load(of.kubeconfig.read_text())
    form["users"][0]["user"]["token"] = token or form["users"][0]["user"]["token"]
    form["clusters"][0]["cluster"]["server"] = server or form["clusters"][0]["cluster"]["server"]
    file = root / "edited.kubeconfig"
    file.write_text(yaml.safe_dump(form))
    return file
