"""A whole system, as it ships, on two real clusters: work moves from one to the other, and not where the law forbids.

What is asserted is what the two API servers have, and what Placet's writer asked of them.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiException

from console.config import ExecutorSpec
from console.door.commands import Get, Kind, Propose
from estate.changes import ApplyManifest, Change, CopyWorkload, RemoveWorkload
from estate.ids import ClusterId, ExecutorId, NodeId, WorkloadId
from estate.incidents import CaseState
from estate.proposals import Lane
from estate.workloads import Binding
from policies.admission.roles import bound_in
from tests.admission.clusters import collection
from tests.crash import grounds
from tests.crash.accounting import ledger_is_right
from tests.crash.grounds import Ground, settled
from tests.crash.supervision import SELDOM, Child, Outside, until
from tools.controlplane import clients, objects
from tools.kubernetes import resources

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.processes,
    pytest.mark.xdist_group("siege"),
    pytest.mark.timeout(900),
]
SPACE = "tenant-c"
PATH = resources.DEPLOYMENTS.path(SPACE, "c-pilot")
PILOT = WorkloadId("us-1.tenant-c.deployment.c-pilot")
PILOT_THERE = WorkloadId("eu-1.tenant-c.deployment.c-pilot")
CHAT = WorkloadId("eu-1.tenant-a.deployment.a-chat")
LOW = (0, 1, 2, 3)


@dataclass(slots=True)
class System:
    """An installation on both clusters, and the process that runs all of it."""

    outside: Outside
    log: Path
    child: Child
    eu: Ground
    us: Ground

    async def propose(self, *changes: Change) -> str:
        """The name of the case that these changes open."""
        reply = await self.outside.tell("admin", Propose(summary="move it", changes=changes))
        assert isinstance(reply.result, dict), reply.message
        return str(reply.result["incident"])

    async def ended(self, name: str) -> dict[str, Any]:
        """The case, once it has ended."""
        return await until(lambda: self._ended(name), f"the case {name} to end", every=SELDOM)

    async def _ended(self, name: str) -> dict[str, Any] | None:
        rows = (await self.outside.ask("admin", Get(what=Kind.INCIDENT, name=name))).result
        found = rows[0] if isinstance(rows, list) and rows else None
        return found if isinstance(found, dict) and CaseState(str(found["state"])).ended else None

    async def restart(self) -> None:
        """It dies at once, and is started again."""
        assert await self.child.end() == -signal.SIGKILL
        self.child = await running(self.outside, self.log)


async def running(outside: Outside, log: Path) -> Child:
    """`placet run`, with its doors open."""
    child = await Child.placet(outside, log, "run", "--http-port", "0")
    await child.reachable(outside)
    return child


@pytest.fixture
async def system(eu: Ground, us: Ground, tmp_path: Path) -> AsyncIterator[System]:
    """One executor that writes both clusters; the writer may make workloads in the tenants' namespaces."""
    both = (ExecutorSpec(id=ExecutorId("both"), clusters=(eu.id, us.id)),)
    async with AsyncExitStack() as stack:
        for cluster in (eu, us):
            await stack.enter_async_context(settled(cluster))
            for space in (SPACE, "tenant-a"):
                await made(cluster, resources.NAMESPACES.path(), {"metadata": {"name": space}})
                granted = bound_in(space)
                await made(cluster, collection(granted), granted)
        for kind in (resources.BUDGETS, resources.DEPLOYMENTS):
            stack.push_async_callback(eu.delete, kind.path(SPACE, "c-pilot"))  # what a move brought is gone again too
        outside = await grounds.founded(tmp_path / "state", "across", eu, us, executors=both)
        found = System(outside, tmp_path / "log", await running(outside, tmp_path / "log"), eu, us)
        try:
            yield found
        finally:
            await found.child.end()


async def made(at: Ground, path: str, body: Any) -> None:
    """The administrator makes it, where it is not there."""
    try:
        await clients.create(at.api, path, body)
    except ApiException as error:
        if error.status != 409:
            raise


def to_europe(eu: Ground) -> tuple[Change, ...]:
    """The pilot's budget, the pilot, and the end of the one in the United States: a move in one proposal."""
    pilot = next(w for w in grounds.world().workloads if w.name == "c-pilot")
    budget = objects.disruption_budget(pilot)
    assert budget is not None
    seats = tuple(Binding(replica=r, node=NodeId(f"eu-b{r + 3}"), accelerators=LOW) for r in range(2))
    return (
        ApplyManifest(cluster=eu.id, manifest=budget),
        CopyWorkload(workload=PILOT, to_cluster=eu.id, bindings=seats),
        RemoveWorkload(workload=PILOT, replaced_by=PILOT_THERE),
    )


async def is_there(at: Ground) -> clients.Object | None:
    """The pilot's controller in that cluster."""
    try:
        return await at.ask("GET", PATH)
    except ApiException as error:
        if error.status != 404:
            raise
        return None


async def pods(at: Ground) -> list[clients.Object]:
    """The pilot's pods in that cluster."""
    found = await at.ask("GET", f"{resources.PODS.path(SPACE)}?labelSelector={objects.APP}%3Dc-pilot")
    return list(found["items"])


async def test_work_moves_to_another_cluster_by_proposal_gate_warrant_and_executor(system: System) -> None:
    case = await system.ended(await system.propose(*to_europe(system.eu)))
    assert case["state"] == CaseState.VERIFIED, case["summary"]
    controller = await is_there(system.eu)
    assert controller is not None
    assert controller["status"]["availableReplicas"] == 2
    assert sorted(p["spec"]["nodeName"] for p in await pods(system.eu)) == ["eu-b3", "eu-b4"]
    assert await is_there(system.us) is None
    assert await pods(system.us) == []
    await system.child.end()
    await ledger_is_right(system.outside, Lane.CASE, approvals=0)


async def test_a_system_killed_while_the_copy_starts_moves_it_once(system: System) -> None:
    """The case says so too, and it is the only one: nothing was drafted anew."""
    name = await system.propose(*to_europe(system.eu))
    first = await until(lambda: is_there(system.eu), "the copy to be made")
    await system.restart()
    case = await system.ended(name)
    assert (case["state"], case["attempt"]) == (CaseState.VERIFIED, 1), case["summary"]
    controller = await is_there(system.eu)
    assert controller is not None
    assert controller["metadata"]["uid"] == first["metadata"]["uid"]
    assert len(await pods(system.eu)) == 2
    assert await is_there(system.us) is None
    await system.child.end()
    await ledger_is_right(system.outside, Lane.CASE, approvals=0)


async def test_what_may_not_leave_stays_whatever_is_proposed(system: System) -> None:
    """Every axis of sovereignty is named, and no request of it reaches the other cluster."""
    seats = tuple(Binding(replica=r, node=NodeId(f"us-b{r + 1}"), accelerators=LOW) for r in range(3))
    away = CopyWorkload(workload=CHAT, to_cluster=ClusterId("us-1"), bindings=seats)
    gone = RemoveWorkload(workload=CHAT, replaced_by=WorkloadId("us-1.tenant-a.deployment.a-chat"))
    case = await system.ended(await system.propose(away, gone))
    assert case["state"] == CaseState.FORBIDDEN
    for axis in ("sovereignty-geographic", "sovereignty-legal", "sovereignty-operational"):
        assert axis in case["summary"]
    found = await system.us.ask("GET", resources.DEPLOYMENTS.path("tenant-a"))
    assert found["items"] == []
