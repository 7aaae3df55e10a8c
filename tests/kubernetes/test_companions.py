"""Kinds that a cluster may serve or not, on a real API server: followed when they appear, forgotten when they go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from estate.facilities.machines import Machine, Stage
from estate.hardware import Health
from estate.ids import NodeId, WorkloadId
from estate.itemkinds import State
from estate.references import Ref
from estate.uses.clusters import ClusterState, HealthCheck, MachineGroup, Template, VirtualMachine
from tests.kubernetes import companions, raws
from tests.kubernetes.clusters import EU, QUICK, Cluster, Watched, watched
from tests.kubernetes.raws import Raw
from tools.controlplane import clients, definitions
from tools.inventory.kubernetes.source import KubernetesSource
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import Access, Connection

pytestmark = pytest.mark.kubernetes

_FIELDS = ("domain", "cpu", "cores", "sockets", "memory", "guest", "devices", "gpus", "name", "deviceName")
CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
K0RDENT = CASES / "k0rdent" / "crds"
FLEET = "fleet"


def anything(kind: str, plural: str) -> Raw:
    """KubeVirt's definition of a kind as far as it holds here: its operator's own lets a spec hold anything too."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": "kubevirt.io", "scope": "Namespaced", "names": names, "versions": [version]}
    about = {"name": f"{plural}.kubevirt.io"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": about,
        "spec": spec,
    }


VIRTUAL = (
    anything("VirtualMachine", "virtualmachines"),
    anything("VirtualMachineInstance", "virtualmachineinstances"),
)


async def made(cluster: Cluster, resource: resources.Resource, raw: Raw) -> Raw:
    """Created, and its status written where it has one."""
    named = raw | {"apiVersion": resource.api_version, "kind": resource.kind}
    found = await cluster.create(resource, named)
    if raw.get("status") and "kubevirt" not in resource.group:
        found = await cluster.patch(resource, raw, {"status": raw["status"]}, "status")
    return found


async def until(sight: Watched, holds: Any) -> None:
    """As `Watched.until`, of a question that may ask for what is not there yet."""

    def asked() -> bool:
        try:
            return bool(holds())
        except (KeyError, IndexError, StopIteration):
            return False

    await sight.until(asked)


def held(sight: Watched, pod: str) -> list[int]:
    """The devices that a bare pod holds."""
    return [i for b in sight.bindings[WorkloadId(f"eu-1.tenant-a.pod.{pod}")] for i in b.accelerators]


def machine(sight: Watched) -> list[int]:
    """The devices that the one virtual machine holds."""
    return [device.index for device in one(sight, VirtualMachine).accelerators]


class TestDevicesByName:
    async def test_a_pod_holds_the_devices_that_its_claim_names_and_no_others(self, cluster: Cluster) -> None:
        """By number, the book would give the first pod the first device, whoever really holds it."""
        await made(cluster, resources.NODES, raws.node("eu-a1", gpus=0))
        offered = companions.resource_slice("eu-a1", *(companions.device(n) for n in range(3)))
        await made(cluster, resources.SLICES, offered)
        selects = [{"cel": {"expression": f"device.driver == '{companions.NVIDIA}'"}}]
        await made(
            cluster, resources.CLASSES, {"metadata": {"name": companions.NVIDIA}, "spec": {"selectors": selects}}
        )
        async with watched(cluster.hands, cluster.facts) as sight:
            (node,) = (n for n in sight.now.values() if getattr(n, "name", "") == "eu-a1")
            assert [(a.uuid, a.pci_address, a.memory_mebibytes) for a in node.accelerators][2] == (
                "GPU-00000002",
                "0000:03:00.0",
                81_920,
            )
            assert {(a.vendor, a.model, a.generation) for a in node.accelerators} == {
                ("nvidia", "NVIDIA-H100-80GB-HBM3", "hopper")
            }
            await made(cluster, resources.CLAIMS, companions.claim("two", "eu-a1", "gpu-2", "gpu-1", pods=("p",)))
            await made(cluster, resources.PODS, companions.claiming("p", "two", on="eu-a1"))
            await until(sight, lambda: held(sight, "p") == [1, 2])
            assert sight.now[WorkloadId("eu-1.tenant-a.pod.p")][0].contract.accelerators_per_replica == 2
            await made(cluster, resources.PODS, raws.pod("counted", on="eu-a1", gpus=1))
            await until(sight, lambda: held(sight, "counted") == [0])
            async with cluster.plane.client() as api:
                await definitions.install(api, VIRTUAL)
                claimed = {"name": "gpu-2", "resourceClaimName": "two"}
                passed = {"name": "gpu-0", "attributes": {"pciAddress": "0000:01:00.0"}}
                vm = companions.instance("vm", on="eu-a1", holds=(claimed, passed))
                await made(cluster, resources.INSTANCES, vm)
                await until(sight, lambda: machine(sight) == [0, 1, 2])
                await definitions.remove(api, VIRTUAL)
            taint = {"key": "gpu.nvidia.com/xid", "value": "79", "effect": "NoExecute"}
            devices = [companions.device(n, **({"taints": [taint]} if n == 1 else {})) for n in range(3)]
            await cluster.patch(resources.SLICES, offered, {"spec": {"devices": devices}})
            place = NodeId("eu-a1")
            await until(sight, lambda: sight.now[place].accelerators[1].health is Health.FAILED)
            assert {a.health for i, a in enumerate(sight.now[place].accelerators) if i != 1} == {Health.HEALTHY}
            await cluster.delete(resources.CLAIMS, companions.claim("two", "eu-a1"))
            await until(sight, lambda: held(sight, "p") == [])
            await cluster.delete(resources.SLICES, offered)
            await until(sight, lambda: not sight.now[place].accelerators)
            assert sight.now == await cluster.fresh()


@pytest.fixture
async def fleet(cluster: Cluster) -> AsyncIterator[Cluster]:
    """With a namespace for what manages clusters; every definition that a test installed goes with its objects."""
    with contextlib.suppress(faults.AlreadyExists):
        await cluster.hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": FLEET}})
    yield cluster
    async with cluster.plane.client() as api:
        found = await clients.ask(api, "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        await definitions.remove(api, found["items"])


async def test_kinds_are_followed_when_they_appear_and_forgotten_when_they_go(fleet: Cluster) -> None:
    """Cluster API by its own definitions, k0rdent by its recorded ones, KubeVirt by one that admits anything."""
    kinds = ("clusters", "machines", "machinedeployments", "machinehealthchecks")
    capi = [definitions.find() / f"cluster.x-k8s.io_{kind}.yaml" for kind in kinds]
    capi.append(definitions.find() / "controlplane.cluster.x-k8s.io_kubeadmcontrolplanes.yaml")
    installed = [*definitions.forms(*capi), *VIRTUAL]
    if K0RDENT.exists():
        installed += definitions.forms(*sorted(K0RDENT.glob("*.yaml")))
    node = raws.node("eu-a1")
    node["spec"] = {"providerID": "aws:///eu-central-1a/i-0abc"}
    await made(fleet, resources.NODES, node)
    async with watched(fleet.hands, fleet.facts) as sight, fleet.plane.client() as api:
        await definitions.install(api, installed)
        await made(fleet, resources.CAPI_CLUSTERS, companions.cluster("prod"))
        machine = companions.machine("m-0", node="eu-a1", provider="aws:///eu-central-1a/i-0abc")
        await made(fleet, resources.CAPI_MACHINES, machine)
        await made(fleet, resources.CAPI_MACHINES, companions.machine("m-1", phase="Provisioning"))
        await grouped(fleet, sight)
        await made(fleet, resources.INSTANCES, companions.instance("vm", on="eu-a1"))
        await until(sight, lambda: one(sight, VirtualMachine).state is State.OK)
        await until(sight, lambda: one(sight, Machine, "eu-1.fleet.m-0").node == "eu-a1")
        assert one(sight, Machine, "eu-1.fleet.m-0").stage is Stage.IN_SERVICE
        assert one(sight, Machine, "eu-1.fleet.m-1").stage is Stage.ORDERED
        vm = one(sight, VirtualMachine)
        assert (vm.node, vm.cpus, vm.memory_mebibytes) == ("eu-a1", 8, 16_384)
        if K0RDENT.exists():
            await laid_out(fleet, sight)
        await until(sight, lambda: one(sight, ClusterState).state is State.OK)
        assert sight.now == await fleet.fresh()
        await definitions.remove(api, installed)
        await until(sight, lambda: not [k for k in sight.now if isinstance(k, Ref)])


async def grouped(fleet: Cluster, sight: Watched) -> None:
    """The cluster's control plane and workers of one name, and who replaces its machines: recorded by Cluster API."""
    await made(fleet, resources.CAPI_CONTROL_PLANES, companions.control_plane("gpu"))
    workers = companions.group("gpu", ready=2)
    await made(fleet, resources.CAPI_GROUPS, workers)
    await until(sight, lambda: one(sight, MachineGroup, "eu-1.fleet.workers.gpu").state is State.DEGRADED)
    found = one(sight, MachineGroup, "eu-1.fleet.workers.gpu")
    assert (found.wanted, found.ready, found.updated, found.version) == (3, 2, 2, "v1.36.3")
    assert found.cluster == one(sight, ClusterState).id
    await until(sight, lambda: one(sight, MachineGroup, "eu-1.fleet.control-plane.gpu").state is State.OK)
    assert one(sight, MachineGroup, "eu-1.fleet.control-plane.gpu").cluster == found.cluster
    await fleet.patch(resources.CAPI_GROUPS, workers, {"spec": {"template": {"spec": {"version": "v1.37.0"}}}})
    await until(sight, lambda: one(sight, MachineGroup, "eu-1.fleet.workers.gpu").version == "v1.37.0")
    if CASES.exists():
        recorded = yaml.safe_load((CASES / "cluster_api" / "machinehealthcheck_worker_v1beta2.yaml").read_text())
        recorded["metadata"] = raws.metadata("unhealthy", FLEET)
        recorded["spec"]["clusterName"] = "prod"
        await made(fleet, resources.CAPI_HEALTH_CHECKS, recorded)
        await until(sight, lambda: one(sight, HealthCheck).cluster == found.cluster)
        check = one(sight, HealthCheck)
        assert ("Ready", "False", "300s") in {(t.condition, t.status, t.after) for t in check.triggers}
        assert (len(check.triggers), check.stops_above) == (2, "40%")


async def laid_out(fleet: Cluster, sight: Watched) -> None:
    """A deployment of the cluster that Cluster API has too, its template, and a service laid on it by its labels."""
    template = companions.template("aws-1-0-43", "aws-standalone-cp", "1.0.43")
    await made(fleet, resources.CLUSTER_TEMPLATES, template)
    await made(fleet, resources.SERVICE_TEMPLATES, companions.template("cni-1", "cilium", "1.18.0"))
    await made(fleet, resources.SERVICE_TEMPLATES, companions.template("gpu-1", "gpu-operator", "26.1.0"))
    await made(
        fleet, resources.DEPLOYED_CLUSTERS, companions.deployed("prod", "aws-1-0-43", "cni-1", labels={"gpu": "yes"})
    )
    await made(fleet, resources.CLUSTER_SERVICES, companions.laid_on("gpus", "gpu-1", gpu="yes"))
    await until(sight, lambda: len(one(sight, ClusterState).services) == 2)
    found = one(sight, ClusterState)
    assert found.made_from is not None
    status = {"availableUpgrades": ["aws-1-0-44"]}
    await fleet.patch(resources.DEPLOYED_CLUSTERS, companions.deployed("prod", ""), {"status": status}, "status")
    await until(sight, lambda: one(sight, ClusterState).made_from.upgrades_to == ("aws-1-0-44",))
    cut = one(sight, Template, "eu-1.fleet.cluster.aws-1-0-43").revisions
    assert [(r.version, r.at is not None) for r in cut] == [("1.0.43", True)]
    assert (found.made_from.template, found.made_from.version) == ("eu-1.fleet.cluster.aws-1-0-43", "1.0.43")
    assert sorted(s.version for s in found.services) == ["1.18.0", "26.1.0"]
    assert {s.template for s in found.services} <= {i.id for i in sight.now.values() if isinstance(i, Template)}


def one[T](sight: Watched, kind: type[T], name: str = "") -> T:
    """The only item of that kind, or the one of that name."""
    found = [i for i in sight.now.values() if isinstance(i, kind) and (not name or getattr(i, "id", "") == name)]
    if len(found) != 1:
        raise KeyError(kind)
    return found[0]


async def test_what_a_reader_may_not_read_is_told_once_and_blinds_nobody(fleet: Cluster) -> None:
    """A role of an older Placet lets it read nodes and pods; the estate must not vanish with the upgrade."""
    account = await fleet.plane.service_account("tenant-a", "older")
    rules = [{"apiGroups": [r.group], "resources": [r.plural], "verbs": ["list", "watch"]} for r in resources.WATCHED]
    rules.append({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]})
    async with fleet.plane.client() as api:
        root = "/apis/rbac.authorization.k8s.io/v1"
        await clients.create(api, f"{root}/clusterroles", {"metadata": {"name": "older"}, "rules": rules})
        subject = {"kind": "ServiceAccount", "namespace": "tenant-a", "name": "older"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "older"}
        bound = {"metadata": {"name": "older"}, "subjects": [subject], "roleRef": role}
        await clients.create(api, f"{root}/clusterrolebindings", bound)
    await made(fleet, resources.NODES, raws.node("eu-a1"))
    async with await Connection.open(Access(account.kubeconfig)) as connection:
        with capture_logs() as logs:
            async with watched(connection, fleet.facts) as sight:
                assert NodeId("eu-a1") in sight.now
                await asyncio.sleep(3 * QUICK.discovery)
        told = [line["kind"] for line in logs if line["event"] == "kind not followed"]
        assert sorted(told) == sorted({r.name for r in (resources.EVENTS, resources.LEASES, *resources.DEVICES)})


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=4),
    max_leaves=8,
)


def drawn() -> list[Any]:
    """A few dozen specs, odd in other ways in each run."""
    found: list[Any] = []

    @settings(max_examples=30, database=None, deadline=None)
    @given(_ANYTHING)
    def collect(spec: Any) -> None:
        found.append(spec)

    collect()
    return found


async def test_whatever_an_api_server_admits_stops_no_source_and_is_told_once(fleet: Cluster) -> None:
    """A definition that admits anything, and objects that are nothing like a machine; a good one still counts."""
    odd: list[Any] = [None, 7, "\u202e", [], {"domain": "big"}, {"domain": {"cpu": {"cores": -1}}}]
    odd += [{"domain": {"cpu": {"cores": 10**12}}}, {"domain": {"memory": {"guest": "9" * 400}}}]
    odd += [{"domain": {"devices": {"gpus": [{"name": {}}]}}}, {"domain": {"devices": {"gpus": "x" * 100_000}}}]
    odd += drawn()
    async with fleet.plane.client() as api:
        await definitions.install(api, VIRTUAL)
    with capture_logs() as logs:
        async with watched(fleet.hands, fleet.facts) as sight:
            for number, spec in enumerate(odd):
                raw = companions.instance(f"odd-{number}") | {"spec": spec}
                await made(fleet, resources.INSTANCES, raw)
                await fleet.patch(resources.INSTANCES, raw, {"metadata": {"labels": {"again": "1"}}})
            await made(fleet, resources.INSTANCES, companions.instance("well", on="eu-a1"))
            await until(sight, lambda: one(sight, VirtualMachine, "eu-1.tenant-a.well").cpus == 8)
            await until(sight, lambda: sight.now[Ref("virtual-machine", "eu-1.tenant-a.well")])
    refused = [line["object"] for line in logs if line["event"] == "object not readable"]
    assert len(refused) == len(set(refused)) >= 6
    assert not [line for line in logs if "fault of placet" in line.get("reason", "")]


async def test_recorded_slices_are_admitted_and_mean_devices(cluster: Cluster) -> None:
    """As GKE and the example driver wrote them, on today's API server."""
    if not CASES.exists():
        pytest.skip("the recorded payloads are not beside this checkout")
    gke = yaml.safe_load((CASES / "dra" / "resourceslice_gke_a100_80gb.yaml").read_text())
    example = yaml.safe_load((CASES / "dra" / "resourceslice_dra_example_driver.json").read_text())["items"][0]
    for number, raw in enumerate((gke, example)):
        spec = raw["spec"]
        await made(cluster, resources.NODES, raws.node(spec["nodeName"], gpus=0))
        await made(cluster, resources.SLICES, {"metadata": {"name": f"slice-{number}"}, "spec": spec})
    source = KubernetesSource(cluster.hands, EU, cluster.facts, QUICK)
    async with contextlib.aclosing(source.watch()) as watching:
        found = {n.name: n for n in (await anext(watching)).nodes}
    (a100,) = found[gke["spec"]["nodeName"]].accelerators
    assert (a100.model, a100.uuid) == ("NVIDIA-A100-SXM4-80GB", "GPU-e89d84ee-93b4-a63d-ac3f-8c242831ac09")
    devices = found[example["spec"]["nodeName"]].accelerators
    assert len(devices) == len(example["spec"]["devices"])
    assert {a.vendor for a in devices} == {"other"}
    assert [a.index for a in devices] == list(range(len(devices)))
