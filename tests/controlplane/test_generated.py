"""A made-up estate in a real cluster is read back as the estate that was made; somebody's own cluster is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from kubernetes.aio.client import ApiClient

from estate.devices import Vendor
from estate.ids import ClusterId
from estate.law import Facts
from estate.worlds import World
from tests import spawning, surroundings
from tools.controlplane import clients, objects
from tools.controlplane.launching import ControlPlane, controlplane
from tools.inventory import files
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.port import Observed
from tools.kubernetes.connecting import Access, Connection

pytestmark = pytest.mark.kubernetes

CLUSTER = ClusterId("s1-k1")
SIZE = ("--sites", "1", "--racks", "3", "--seed", "11")
OTHER = ("--sites", "1", "--racks", "1", "--seed", "12")


async def generate(plane: ControlPlane, out: Path, *size: str) -> tuple[int, str]:
    """`placet estate generate` into that control plane: the exit code, and what it said."""
    command = ("estate", "generate", *size, "--out", str(out), "--kubeconfig", str(plane.kubeconfig))
    ran = await spawning.run("console.cli.main", *command, environment=surroundings.plain())
    return ran.returncode, ran.stderr


async def read_back(plane: ControlPlane, facts: Facts) -> Observed:
    """Everything that the inventory sees of it."""
    async with await Connection.open(Access(plane.kubeconfig)) as connection:
        source = KubernetesSource(connection, CLUSTER, lambda: facts)
        await source.recognise()
        async with aclosing(source.watch()) as watching:
            return await anext(watching)


def devices(world: World) -> Counter[tuple[str, int]]:
    return Counter((a.model, a.memory_mebibytes) for n in world.nodes for a in n.accelerators)


@pytest.mark.kubernetes(shared=False)
async def test_a_made_up_estate_is_read_back_from_a_real_cluster_as_it_was_made(tmp_path: Path) -> None:
    async with controlplane() as plane:
        code, said = await generate(plane, tmp_path, *SIZE)
        assert code == 0, said
        facts, world = files.load_facts(tmp_path / "facts.yaml"), files.load_world(tmp_path / "world.yaml")
        found = await read_back(plane, facts)
        seen = World(nodes=found.nodes, workloads=found.workloads)
        assert {n.id for n in seen.nodes} == {n.id for n in world.nodes}
        assert _but_unlabelled(devices(seen)) == _but_unlabelled(devices(world))
        vendors = {objects.resource(n) for n in world.nodes}
        assert len(vendors) > 1, "the seed must make more than one vendor"
        assert _seats(seen) == _seats(world)
        assert {w.id: w.tenant for w in seen.workloads} == {w.id: w.tenant for w in world.workloads}
        assert _requests(seen) == _requests(world)
        assert {n.id: n.millicores for n in seen.nodes} == {n.id: n.millicores for n in world.nodes}
        again, said = await generate(plane, tmp_path, *SIZE)
        assert again == 0, said
        other, said = await generate(plane, tmp_path / "other", *OTHER)
        assert (other, "holds another made-up world" in said) == (3, True)
        assert not (tmp_path / "other").exists()


def _but_unlabelled(found: Counter[tuple[str, int]]) -> Counter[tuple[str, int]]:
    """Gaudi's and Google's plugins label no memory."""
    return Counter({(m, 0 if m.startswith(("Gaudi", "tpu")) else size): n for (m, size), n in found.items()})


def _requests(world: World) -> dict[str, tuple[int, int]]:
    return {w.id: (w.contract.millicores, w.contract.host_mebibytes) for w in world.workloads}


def _seats(world: World) -> dict[str, Counter[tuple[str, int]]]:
    return {w.id: Counter((b.node, len(b.accelerators)) for b in w.bindings) for w in world.workloads}


async def test_a_cluster_that_is_somebodys_is_refused_and_nothing_is_written(
    control_plane: ControlPlane, kubernetes_api: ApiClient, cluster_names: Callable[[str], str], tmp_path: Path
) -> None:
    name = cluster_names("somebodys")
    await clients.create(kubernetes_api, "/api/v1/namespaces", {"metadata": {"name": name}})
    before = await _everything(kubernetes_api)
    code, said = await generate(control_plane, tmp_path / "out", *SIZE)
    assert (code, "the cluster is not empty" in said, "name an empty one" in said) == (3, True, True), said
    assert await _everything(kubernetes_api) == before
    assert not (tmp_path / "out").exists()


async def _everything(api: ApiClient) -> set[str]:
    paths = (
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces/kube-system/configmaps",
    )
    return {i["metadata"]["uid"] for p in paths for i in (await clients.ask(api, "GET", p))["items"]}


def test_every_vendor_that_is_made_up_has_a_name_for_its_devices() -> None:
    assert {Vendor.NVIDIA, Vendor.AMD, Vendor.INTEL, Vendor.GOOGLE} == set(objects.RESOURCES)
