"""A source on a real API server must end where a fresh list begins, whatever happens to server, wire and versions."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from estate.errors import Denied
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, Uid
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.clusters import EU, QUICK, Churn, Cluster, Watched, made, meaning, watched
from tests.kubernetes.conftest import BARE
from tests.kubernetes.proxies import Proxy
from tools.controlplane.components import Part
from tools.controlplane.launching import controlplane
from tools.inventory.folding import Folded, fold
from tools.inventory.kubernetes.source import KubernetesSource
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import Access, Connection

pytestmark = pytest.mark.kubernetes


async def agrees(cluster: Cluster, sight: Watched) -> None:
    """The followed estate reaches what a fresh list shows."""
    wanted = await cluster.fresh()
    await sight.until(lambda: sight.now == wanted)
    assert sight.now == await cluster.fresh()


@contextlib.asynccontextmanager
async def through(cluster: Cluster, folder: Path) -> Any:
    """A connection that leads through a proxy, and the proxy."""
    plane = cluster.plane
    async with (
        Proxy.before(plane.server, plane.kubeconfig, folder) as proxy,
        await Connection.open(Access(proxy.kubeconfig)) as connection,
    ):
        yield proxy, connection


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_churned_cluster_equals_a_fresh_list(cluster: Cluster, seed: int) -> None:
    async with watched(cluster.hands, cluster.facts) as sight:
        await Churn(cluster, seed).run(120)
        await agrees(cluster, sight)
        assert sight.wholes == 1


async def test_a_change_is_one_batch_of_the_things_it_touches(cluster: Cluster) -> None:
    """What is told to every follower must not grow with the cluster."""
    await cluster.create(resources.NODES, raws.node("eu-a1"))
    second = await cluster.create(resources.NODES, raws.node("eu-a2"))
    async with contextlib.aclosing(KubernetesSource(cluster.hands, EU, cluster.facts, QUICK).watch()) as watching:
        assert {n.id for n in (await anext(watching)).nodes} == {"eu-a1", "eu-a2"}
        await cluster.patch(resources.NODES, second, {"spec": {"unschedulable": True}})
        batch = await anext(watching)
        assert [(n.id, n.cordoned) for n in batch.nodes] == [("eu-a2", True)]
        assert (batch.whole, batch.workloads, batch.removed_nodes) == (False, (), ())


async def test_an_api_server_killed_and_started_again_leaves_no_drift(cluster: Cluster) -> None:
    churn = Churn(cluster, 3)
    async with watched(cluster.hands, cluster.facts) as sight:
        await churn.run(40)
        await cluster.plane.kill(Part.API_SERVER)
        with pytest.raises(faults.Unreachable):  # a fault that passes
            await cluster.hands.request("GET", resources.IDENTITY)
        await cluster.plane.start(Part.API_SERVER)
        assert (await cluster.hands.request("GET", resources.IDENTITY))["metadata"]["uid"] == cluster.uid
        await churn.run(40)
        await agrees(cluster, sight)


async def test_cut_watches_are_resumed_and_lose_nothing(cluster: Cluster, tmp_path: Path) -> None:
    churn = Churn(cluster, 4)
    async with through(cluster, tmp_path) as (proxy, connection), watched(connection, cluster.facts) as sight:
        for _ in range(8):
            await churn.run(10)
            await proxy.cut()
        await agrees(cluster, sight)
        assert sight.wholes == 1


async def test_versions_that_are_gone_are_listed_anew(cluster: Cluster, tmp_path: Path) -> None:
    """Away for longer than the server remembers: what was deleted meanwhile is in no watch any more."""
    churn = Churn(cluster, 5)
    async with through(cluster, tmp_path) as (proxy, connection), watched(connection, cluster.facts) as sight:
        await churn.run(40)
        await agrees(cluster, sight)
        proxy.refuses = True
        await proxy.cut()
        await churn.run(40)
        await compact(cluster)
        await cluster.plane.restart(Part.API_SERVER)
        with capture_logs() as logs:
            proxy.refuses = False
            await agrees(cluster, sight)
        assert any(line["event"] == "watch expired" for line in logs)
    with pytest.raises(faults.Gone):
        async for _ in cluster.hands.watch(resources.NODES.path(), {"resourceVersion": "1"}, seconds=5):
            pass


async def compact(cluster: Cluster) -> None:
    """Make etcd forget every version but the newest."""
    socket = cluster.plane.component(Part.ETCD).log.parent / "client:1"
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as etcd:
        async with etcd.post("http://etcd/v3/kv/range", json={"key": "AA=="}) as answer:
            revision = (await answer.json(content_type=None))["header"]["revision"]
        async with etcd.post("http://etcd/v3/kv/compaction", json={"revision": revision, "physical": True}) as answer:
            assert answer.status == 200, await answer.text()


async def test_other_facts_come_into_force_while_it_runs(cluster: Cluster) -> None:
    await cluster.create(resources.PODS, raws.pod("p", "nobodys", on="eu-a1"))
    facts = [cluster.facts()]
    async with watched(cluster.hands, lambda: facts[0]) as sight:
        workload = next(w for w, _ in sight.now.values())
        assert workload.tenant == "unassigned"
        spaces = tuple(s.model_copy(update={"name": "nobodys"}) for s in builders.tenant("tenant-c").namespaces)
        facts[0] = cluster.facts(tenants=(builders.tenant("tenant-c", namespaces=spaces),), datasets=())
        await sight.until(lambda: [w.tenant for w, _ in sight.now.values()] == ["tenant-c"])


async def test_another_cluster_than_facts_name_is_refused(cluster: Cluster) -> None:
    """A kubeconfig that leads to the wrong place must not fill the estate with somebody else's nodes."""
    stranger = builders.facts()
    with pytest.raises(Denied, match=cluster.uid):
        await anext(KubernetesSource(cluster.hands, EU, lambda: stranger, QUICK).watch())


async def test_a_reader_that_may_not_list_is_refused_at_once(cluster: Cluster) -> None:
    nobody = await cluster.plane.service_account("tenant-a", "nobody")
    async with await Connection.open(Access(nobody.kubeconfig)) as connection:
        with pytest.raises(faults.Forbidden):
            await anext(KubernetesSource(connection, EU, cluster.facts, QUICK).watch())


async def test_two_clusters_with_equal_node_names_are_never_mixed_up(cluster: Cluster) -> None:
    """One fact places `eu-a1`. Two clusters of that site have one; the second claim is kept out, not merged."""
    async with controlplane(options=BARE) as other_plane, made(other_plane) as other:
        second = ClusterId("eu-2")
        eu, us = cluster.facts().clusters
        facts = cluster.facts(clusters=(eu, eu.model_copy(update={"id": second, "uid": Uid(other.uid)}), us))
        for where, ready in ((cluster, "True"), (other, "False")):
            for name in ("eu-a1", "gpu-9"):
                await where.create(resources.NODES, raws.node(name, ready=ready))
        state = Folded(FrozenEstate(builders.version(), facts))
        conflicts = []
        for where, name in ((cluster, EU), (other, second)):
            source = KubernetesSource(where.hands, name, lambda: facts, QUICK)
            async with contextlib.aclosing(source.watch()) as watching:
                folding = fold(state, await anext(watching))
            state = folding.state
            conflicts += [str(thing) for thing in folding.conflicts]
        assert conflicts == ["node/eu-a1"]
        found = {n.id: (n.cluster, n.health) for n in state.estate.nodes()}
        assert found == {
            NodeId("eu-a1"): (EU, Health.HEALTHY),
            NodeId("eu-1.gpu-9"): (EU, Health.HEALTHY),
            NodeId("eu-2.gpu-9"): (second, Health.FAILED),
        }


async def test_a_consumer_that_stops_leaves_no_task_behind(cluster: Cluster) -> None:
    before = asyncio.all_tasks()
    async with contextlib.aclosing(KubernetesSource(cluster.hands, EU, cluster.facts, QUICK).watch()) as watching:
        assert (await anext(watching)).whole
        assert len(asyncio.all_tasks()) > len(before)
    assert asyncio.all_tasks() == before
    assert meaning(await anext_whole(cluster)) == {}


async def anext_whole(cluster: Cluster) -> Any:
    async with contextlib.aclosing(KubernetesSource(cluster.hands, EU, cluster.facts, QUICK).watch()) as watching:
        return await anext(watching)
