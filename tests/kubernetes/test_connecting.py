"""The connection on a real API server, and before one that misbehaves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from tests.kubernetes import raws
from tests.kubernetes.clusters import Cluster
from tests.kubernetes.proxies import Proxy
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import APPLY, Access, Connection

pytestmark = pytest.mark.kubernetes

_MAPS = "/api/v1/namespaces/tenant-a/configmaps"


async def apply(cluster: Cluster, manager: str, name: str, **query: Any) -> dict[str, Any]:
    """Server-side apply of one config map."""
    form = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"by": manager}}
    query = {"fieldManager": manager, "force": False} | query
    return await cluster.hands.request("PATCH", f"{_MAPS}/{name}", query, form, content_type=APPLY)


async def test_errors_are_told_apart_by_a_real_server(cluster: Cluster) -> None:
    hands = cluster.hands
    with pytest.raises(faults.NotFound):
        await hands.request("GET", f"{_MAPS}/nobody")
    with pytest.raises(faults.AlreadyExists):
        await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": "tenant-a"}})
    with pytest.raises(faults.Rejected, match="422"):
        await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": "No Name"}})
    with pytest.raises(faults.Rejected, match="405"):
        await hands.request("POST", "/version", body={})
    node = await cluster.create(resources.NODES, raws.node("eu-a1"))
    stale = node | {"metadata": node["metadata"] | {"resourceVersion": "1"}}
    with pytest.raises(faults.Conflicted):
        await hands.request("PUT", resources.NODES.path(name="eu-a1"), body=stale)


async def test_another_manager_is_named_and_a_dry_run_changes_nothing(cluster: Cluster) -> None:
    name = cluster.number("map")
    await apply(cluster, "first", name)
    with pytest.raises(faults.OtherManager) as caught:
        await apply(cluster, "second", name)
    assert caught.value.managers == ("first",)
    await apply(cluster, "first", name)
    await apply(cluster, "third", name, force=True, dryRun="All")
    assert (await cluster.hands.request("GET", f"{_MAPS}/{name}"))["data"] == {"by": "first"}


async def test_a_list_comes_in_pages_of_one_version(cluster: Cluster) -> None:
    for number in range(5):
        await cluster.create(resources.NODES, raws.node(f"gpu-{number}"))
    pages = [page async for page in cluster.hands.pages(resources.NODES.path(), size=2)]
    assert [len(p.items) for p in pages] == [2, 2, 1]
    assert len({p.version for p in pages}) == 1


async def test_a_selector_with_signs_in_it_reaches_the_server_whole(cluster: Cluster) -> None:
    await cluster.create(resources.NODES, raws.node("gpu-1", labels={"a/b": "x", "c": "y"}))
    await cluster.create(resources.NODES, raws.node("gpu-2"))
    query = {"labelSelector": "a/b in (x,z),c=y"}
    pages = [page async for page in cluster.hands.pages(resources.NODES.path(), query)]
    assert [raw["metadata"]["name"] for page in pages for raw in page.items] == ["gpu-1"]


async def test_expired_credentials_are_read_again_once(cluster: Cluster, tmp_path: Path) -> None:
    """Tokens of service accounts live an hour; whoever renews the file must not have to restart Placet."""
    good = json.loads(await asyncio.to_thread(cluster.plane.kubeconfig.read_text))
    bad = json.loads(json.dumps(good))
    bad["users"][0]["user"] = {"token": "expired"}
    file = tmp_path / "kubeconfig"
    await asyncio.to_thread(file.write_text, json.dumps(bad))
    async with await Connection.open(Access(file)) as connection:
        with pytest.raises(faults.Unauthenticated):
            await connection.request("GET", resources.IDENTITY)
        await asyncio.to_thread(file.write_text, json.dumps(good))
        found = await asyncio.gather(*(connection.request("GET", resources.IDENTITY) for _ in range(8)))
        assert {form["metadata"]["uid"] for form in found} == {cluster.uid}


async def test_no_answer_is_always_a_passing_fault(cluster: Cluster, tmp_path: Path) -> None:
    """Refused, cut in the middle, or swallowed: each may be over a moment later."""
    plane = cluster.plane
    async with (
        Proxy.before(plane.server, plane.kubeconfig, tmp_path) as proxy,
        await Connection.open(Access(proxy.kubeconfig)) as connection,
    ):
        await connection.request("GET", resources.IDENTITY)
        proxy.swallows = True
        with pytest.raises(faults.Unreachable):
            await connection.request("GET", resources.IDENTITY, timeout=0.5)
        proxy.swallows = False
        watching = connection.watch(resources.NAMESPACES.path(), {"resourceVersion": "0"}, seconds=60)
        assert (await anext(watching)).type == "ADDED"
        await proxy.cut()
        with pytest.raises(faults.Unreachable):
            async for _ in watching:
                pass
        proxy.refuses = True
        with pytest.raises(faults.Unreachable):
            await connection.request("GET", resources.IDENTITY)


async def test_an_object_larger_than_any_buffer_comes_through_a_watch(cluster: Cluster) -> None:
    """A config map may hold a megabyte; the client's own line reader would end the watch at it."""
    name = cluster.number("large")
    body = {"metadata": {"name": name}, "data": {"text": "x" * 1_000_000}}
    made = await cluster.hands.request("POST", _MAPS, body=body)
    before = str(int(made["metadata"]["resourceVersion"]) - 1)
    async for event in cluster.hands.watch(_MAPS, {"resourceVersion": before}, seconds=30):
        if event.object["metadata"].get("name") == name:
            assert len(event.object["data"]["text"]) == 1_000_000
            break


@pytest.mark.parametrize("text", ["", "not: [yaml", "[]", "kind: Config", "contexts: 7\ncurrent-context: x"])
async def test_a_kubeconfig_that_cannot_be_read_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    await asyncio.to_thread(file.write_text, text)
    with pytest.raises(BadInput, match="kubeconfig"):
        await Connection.open(Access(file))


async def test_a_kubeconfig_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not there"):
        await Connection.open(Access(tmp_path / "none"))
    with pytest.raises(BadInput, match="service account"):
        await Connection.open(Access())
