"""An executor of several clusters has hands for each: one that never answers holds up nobody's fences but its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from console.processes.executor import ExecutorProcess, consumers
from console.processes.gate import GateProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from estate.changes import CordonNode
from estate.ids import ClusterId, ExecutorId, NodeId
from estate.proposals import Lane
from estate.subjects import Subjects
from estate.warrants import Warrant
from policies.gate import Gate
from policies.ledger.port import EntryKind
from tests import builders
from tests.execution.clusters import CLUSTER, QUICK, ClusterWorld, cluster_world, until
from tests.execution.rig import AUDIENCE, LiveReader, Rig, sealed, warrant
from tests.kubernetes.proxies import Proxy
from tools.bus import streams
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.memory import MemoryTarget
from tools.inventory.follower import Follower
from tools.kubernetes import resources
from tools.kubernetes.connecting import Access, Connection

US = ClusterId("us-1")
BOTH = (CLUSTER, US)
SEVERAL = 12
"""More fences than there are hands."""


def fence(rig: Rig, node: str, number: int) -> Warrant:
    """A warrant for a fence, by a proposal of its own."""
    proposed = builders.proposal(attempt=number).digest
    changes = CordonNode(node=NodeId(node))
    given = warrant(changes, on=rig.world.estate, lane=Lane.CONTAINMENT, proposal=proposed, nonce=f"{number:032x}")
    assert isinstance(given, Warrant)
    return given


def process(bus: Bus, subjects: Subjects, rig: Rig, target: KubernetesTarget) -> ExecutorProcess:
    return ExecutorProcess(
        AUDIENCE,
        lambda fence: rig.executor("one", fence() + 1, target=target),
        bus,
        subjects,
        cast("Standing", None),
        cast("Follower", None),
        rig.ledger,
        Leasing(bus, "executor", "one"),
        BOTH,
    )


def sender(bus: Bus, subjects: Subjects, rig: Rig) -> GateProcess:
    """The gate's process as far as it sends warrants."""
    return GateProcess(
        cast("Gate", None),
        bus,
        subjects,
        cast("Standing", None),
        cast("Follower", LiveReader(rig.world)),
        cast("Leasing", None),
        lambda executor: BOTH,
    )


@pytest.fixture
async def world(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[ClusterWorld]:
    async with cluster_world(control_plane, cluster_names) as made:
        yield made


@pytest.mark.kubernetes
async def test_a_black_holed_api_server_holds_up_no_fence_of_another(
    world: ClusterWorld,
    control_plane: ControlPlane,
    memory_broker: MemoryBroker,
    subjects: Subjects,
    tmp_path: Path,
) -> None:
    node = await world.node("a1")
    there = [n for n in builders.default_nodes() if n.cluster == US]
    seen = (await world.sight()).with_facts(_with_the_other(world))
    for other in there:
        seen = seen.with_node(other)
    rig = Rig(world=MemoryTarget(seen))
    bus = memory_broker.connect(subjects)
    await bus.declare(*streams.streams(subjects))
    async with (
        Proxy.before(control_plane.server, control_plane.kubeconfig, tmp_path) as hole,
        await Connection.open(Access(hole.kubeconfig)) as lost,
    ):
        hole.swallows = True
        target = KubernetesTarget({US: lost, CLUSTER: world.connection}, lambda: seen.facts, QUICK)
        running = asyncio.create_task(_held(process(bus, subjects, rig, target)))
        gate = sender(bus, subjects, rig)
        try:
            for number in range(SEVERAL):
                await gate._send(sealed(fence(rig, str(there[number % len(there)].id), number)))
            await until(lambda: rig.count(EntryKind.CONSUMED), lambda count: count == 8)
            began = time.monotonic()
            await gate._send(sealed(fence(rig, str(node), SEVERAL)))
            await until(lambda: rig.count(EntryKind.OUTCOME), lambda count: count == 1, seconds=10.0)
            took = time.monotonic() - began
            fenced = await world.ask("GET", resources.NODES.path(name=node))
            assert fenced["spec"]["unschedulable"] is True
            assert took < 5.0, "its usual time, on a machine that does other things too"
            assert await rig.count(EntryKind.CONSUMED) == 9, "eight hands are at the other cluster, and no more"
        finally:
            running.cancel()
            await asyncio.wait([running])


async def _held(executor: ExecutorProcess) -> None:
    await executor.lease.hold(executor.obey)


def _with_the_other(world: ClusterWorld):  # type: ignore[no-untyped-def]
    """The facts that place the test's nodes at eu-1 and the small estate's at us-1."""
    facts = world.facts()
    usual = {r.id: r for r in builders.facts().racks}
    racks = tuple(r if r.id == "eu-a" else usual[r.id] for r in facts.racks)
    return facts.model_copy(update={"racks": tuple(r for r in racks if r.id == "eu-a" or r.id.startswith("us"))})


def test_an_executor_of_one_cluster_has_no_hands_but_its_own(subjects: Subjects) -> None:
    assert len(consumers(subjects, AUDIENCE, (CLUSTER,))) == len(consumers(subjects, AUDIENCE)) == 2
    several = consumers(subjects, AUDIENCE, BOTH)
    assert len(several) == 4
    filters = [s for spec in several for s in spec.subjects]
    assert len(set(filters)) == len(filters), "a work queue takes no two consumers of one subject"


@pytest.mark.parametrize(
    ("node", "lane", "subject"),
    [
        ("eu-a1", Lane.CONTAINMENT, "issued-eu-1"),
        ("us-a1", Lane.CONTAINMENT, "issued-us-1"),
        ("eu-a1", Lane.CASE, "issued"),
    ],
)
async def test_a_fence_goes_to_the_hands_of_its_cluster(
    memory_broker: MemoryBroker, subjects: Subjects, node: str, lane: Lane, subject: str
) -> None:
    rig = Rig()
    gate = sender(memory_broker.connect(subjects), subjects, rig)
    given = fence(rig, node, 1).model_copy(update={"lane": lane})
    assert subjects.warrant(lane, ExecutorId(given.audience), gate._hands(given)).endswith(f".{subject}")
    gone = rig.world.estate.without_node(NodeId(node))
    rig.world.estate = gone
    assert gate._hands(given) is None, "nobody knows whose it is: the hands of all take it"
