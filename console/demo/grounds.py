"""Where `placet demo` plays: on the twin, on two control planes of its own, or on somebody's empty cluster and one.

Called by `run`. Each cluster gets the part of the demo's estate that is its own, Placet's law at its door, and a reader
and a writer that are no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubernetes.aio.client import ApiClient, ApiException

from console.config import Cluster, Credentials, ExecutorSpec
from console.demo import estate, guesting, installing
from console.demo.cluster_scenery import ClusterScenery, Hands
from console.demo.installing import Foothold
from console.demo.narrator import Narrator
from console.demo.scenery import Ground
from console.demo.twin_scenery import TWIN
from console.demo.witnessing import Witness
from console.initialising import FACTS_FOR
from estate.errors import NeverRetry
from estate.ids import ClusterId, ExecutorId, Uid
from estate.law import Facts
from policies.admission import identities
from tools.controlplane import building, clients, settling
from tools.controlplane.launching import controlplane
from tools.controlplane.populating import cluster_uid
from tools.kubernetes.connecting import Access, Connection

CLUSTERS = (ClusterId("eu-1"), ClusterId("us-1"))
PATIENCE = timedelta(seconds=120)

type Opened = Callable[[Narrator, Path], AbstractAsyncContextManager[Ground]]


@asynccontextmanager
async def twin(narrator: Narrator, scratch: Path) -> AsyncIterator[Ground]:
    """The twin, which needs nothing."""
    yield TWIN


@asynccontextmanager
async def local(narrator: Narrator, scratch: Path) -> AsyncIterator[Ground]:
    """Two real control planes on loopback, for the length of the block.

    Raises:
        BinariesMissing: they are neither built nor can be built here; the message says what to run.
    """
    await _built(narrator)
    narrator.says("elsewhere", "starts two Kubernetes control planes: etcd, API server, controllers, scheduler, kwok")
    async with AsyncExitStack() as stack:
        planes = await _together([stack.enter_async_context(controlplane()) for _ in CLUSTERS])
        admins = {c: Access(plane.kubeconfig) for c, plane in zip(CLUSTERS, planes, strict=True)}
        apis = {c: await _client(admin, stack) for c, admin in admins.items()}
        yield await _prepared(admins, apis, narrator, scratch, stack)


def given(admin: Access) -> Opened:
    """Somebody's empty cluster as `eu-1`, left as it was; `us-1` is a control plane of the demo's own.

    Raises, once opened:
        Denied: something lives in that cluster; nothing was touched.
        BinariesMissing: as `local`.
    """

    @asynccontextmanager
    async def opened(narrator: Narrator, scratch: Path) -> AsyncIterator[Ground]:
        async with AsyncExitStack() as stack:
            mine, theirs = CLUSTERS[1], CLUSTERS[0]
            await guesting.refuse_inhabited(admin)
            api = await _client(admin, stack)
            await _built(narrator)
            narrator.says("elsewhere", f"finds {admin} empty, and starts one Kubernetes control plane beside it")
            plane = await stack.enter_async_context(controlplane())
            admins = {theirs: admin, mine: Access(plane.kubeconfig)}
            apis = {theirs: api, mine: await _client(admins[mine], stack)}
            stack.push_async_callback(guesting.leave, api, theirs)
            yield await _prepared(admins, apis, narrator, scratch, stack)

    return opened


async def _built(narrator: Narrator) -> None:
    await asyncio.to_thread(building.ensure, lambda words: narrator.says("building", words))


async def _client(admin: Access, stack: AsyncExitStack) -> ApiClient:
    assert admin.kubeconfig is not None, "a demo is given a kubeconfig"
    return await stack.enter_async_context(await clients.connect(admin.kubeconfig, admin.context))


async def _prepared(
    admins: dict[ClusterId, Access],
    apis: dict[ClusterId, ApiClient],
    narrator: Narrator,
    scratch: Path,
    stack: AsyncExitStack,
) -> Ground:
    facts = facts_of({c: await cluster_uid(api) for c, api in apis.items()})
    footholds = await _together([_furnish(apis[c], c, facts, admins[c], scratch) for c in admins])
    hands = {f.cluster: await _hands(f, apis[f.cluster], stack) for f in footholds}
    for foothold in footholds:
        await _told(foothold, facts, narrator)
    return Ground(
        scenery=lambda _: ClusterScenery(hands, facts),
        facts=facts,
        clusters=tuple(_configured(f) for f in footholds),
        executors=tuple(ExecutorSpec(id=ExecutorId(f"executor-{c}"), clusters=(c,)) for c in admins),
        patience=PATIENCE,
    )


async def _together[T](works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All their results; raises the first fault of any, an API server's refusal in words."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as failed:
        fault = _first(failed)
        if isinstance(fault, ApiException):
            raise NeverRetry(f"an API server answered {fault.status}: {fault.body or fault.reason}") from failed
        raise fault from failed
    return [task.result() for task in tasks]


def _first(failed: ExceptionGroup) -> Exception:
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


def facts_of(uids: dict[ClusterId, Uid]) -> Facts:
    """The demo's law base for clusters of these uids."""
    facts = estate.facts(datetime.now(UTC) + FACTS_FOR)
    return facts.model_copy(
        update={"clusters": tuple(c.model_copy(update={"uid": uids[c.id]}) for c in facts.clusters)}
    )


async def _furnish(api: ApiClient, cluster: ClusterId, facts: Facts, admin: Access, scratch: Path) -> Foothold:
    foothold = await installing.identify(api, cluster, admin, scratch)
    await installing.shut(api, facts, cluster)
    await settling.settle(api, estate.world(), cluster)
    return foothold


async def _hands(foothold: Foothold, api: ApiClient, stack: AsyncExitStack) -> Hands:
    connection = await stack.enter_async_context(await Connection.open(foothold.admin))
    witness = Witness(connection)
    await stack.enter_async_context(witness.watching())
    return Hands(connection, api, witness)


async def _told(foothold: Foothold, facts: Facts, narrator: Narrator) -> None:
    nodes = [n for n in estate.world().nodes if n.cluster == foothold.cluster]
    narrator.says(foothold.cluster, f"{len(nodes)} nodes, uid {facts.cluster[foothold.cluster].uid}")
    async with await clients.connect(foothold.writer) as writer:
        said = await installing.refused(writer, nodes[0].name)
    claim = f"the door of {foothold.cluster} refuses {identities.WRITER} what carries no warrant"
    narrator.check(claim, said is not None and "warrant" in said, str(said))


def _configured(foothold: Foothold) -> Cluster:
    return Cluster(
        id=foothold.cluster,
        reader=Credentials(kubeconfig=foothold.reader),
        writer=Credentials(kubeconfig=foothold.writer),
        registrar=Credentials(kubeconfig=foothold.registrar),
    )
