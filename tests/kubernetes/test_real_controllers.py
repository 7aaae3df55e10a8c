"""What real controllers, a real scheduler and kwok's nodes make of a Deployment and a Job must be read as such."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from estate.ids import ClusterId, TenantId, Uid
from estate.law import Facts, Namespace
from estate.workloads import Workload, WorkloadKind
from tests import builders
from tests.execution.clusters import emptied
from tests.kubernetes import raws
from tests.kubernetes.clusters import EU, Watched, watched
from tools.controlplane.launching import ControlPlane
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import MERGE, Access, Connection

pytestmark = pytest.mark.kubernetes


@pytest.fixture
async def hands(control_plane: ControlPlane) -> AsyncIterator[Connection]:
    async with await Connection.open(Access(control_plane.kubeconfig)) as connection:
        yield connection


@pytest.fixture
async def space(hands: Connection, cluster_names: Callable[[str], str]) -> AsyncIterator[str]:
    """A namespace of this test alone, and two nodes of eight devices that only its pods look for."""
    name = cluster_names("reading")
    await hands.request("POST", resources.NAMESPACES.path(), body={"metadata": {"name": name}})
    for number in (1, 2):
        node = raws.node(f"{name}-{number}", labels={"test": name, "nvidia.com/gpu.product": "Tesla-T4"})
        await hands.request("POST", resources.NODES.path(), body=node | {"metadata": _made(node)})
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(faults.NotFound):
                await hands.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")
                break
            await asyncio.sleep(0.05)
    yield name
    await emptied(hands, name)
    for number in (1, 2):
        await hands.request("DELETE", resources.NODES.path(name=f"{name}-{number}"))


def _made(raw: raws.Raw) -> raws.Raw:
    return {k: v for k, v in raw["metadata"].items() if k not in ("uid", "resourceVersion")}


async def facts_of(hands: Connection, space: str) -> Facts:
    form = await hands.request("GET", resources.IDENTITY)
    uid = Uid(form["metadata"]["uid"])
    known = tuple(c.model_copy(update={"uid": uid}) if c.id == EU else c for c in builders.facts().clusters)
    mine = builders.tenant("tenant-a", namespaces=(Namespace(cluster=ClusterId("eu-1"), name=space),))
    return builders.facts(clusters=known, tenants=(mine,), datasets=())


def owner(kind: str, name: str, space: str, **over: Any) -> raws.Raw:
    """A controller whose pods look for the test's own nodes."""
    labels = {"app": name}
    template = raws.template(4, labels, nodeSelector={"test": space})
    raw = raws.owner(kind, name, space, spec={"template": template}, **over)
    if kind == "Deployment":
        raw["spec"]["selector"] = {"matchLabels": labels}
    else:
        template["spec"]["restartPolicy"] = "Never"
    return raw | {"metadata": _made(raw)}


def found(sight: Watched, name: str) -> tuple[Workload, tuple[str, ...]]:
    """The workload and its written bindings; pending and empty until it is there."""
    nobody = (builders.workload("nobody", replicas=0), ())
    return sight.now.get(name, nobody)  # type: ignore[no-any-return]


async def test_a_deployment_is_one_workload_from_its_rollout_to_its_end(hands: Connection, space: str) -> None:
    law = await facts_of(hands, space)
    name = f"eu-1.{space}.deployment.serve"
    async with watched(hands, lambda: law) as sight:
        budget = raws.budget("serve", space, labels={"app": "serve"}, maxUnavailable=1)
        await hands.request("POST", resources.BUDGETS.path(space), body=budget | {"metadata": _made(budget)})
        await hands.request(
            "POST", resources.DEPLOYMENTS.path(space), body=owner("Deployment", "serve", space, replicas=3)
        )
        await sight.until(lambda: len(found(sight, name)[1]) == 3)
        workload, bindings = found(sight, name)
        assert workload.tenant == TenantId("tenant-a")
        assert (workload.contract.min_available, workload.contract.accelerators_per_replica) == (2, 4)
        assert workload.watts_per_accelerator == 70
        assert {b.rpartition("×")[0] for b in bindings} <= {f"eu-1.{space}-1", f"eu-1.{space}-2"}
        path = resources.DEPLOYMENTS.path(space, "serve")
        await hands.request("PATCH", path, body={"spec": {"replicas": 5}}, content_type=MERGE)
        await sight.until(lambda: found(sight, name)[0].replicas == 5 and len(found(sight, name)[1]) == 4)
        restarted = {"spec": {"template": {"metadata": {"annotations": {"restarted": "once"}}}}}
        await hands.request("PATCH", path, body={"spec": {"replicas": 2}}, content_type=MERGE)
        await sight.until(lambda: len(found(sight, name)[1]) == 2)
        await hands.request("PATCH", path, body=restarted, content_type=MERGE)
        await hands.request("DELETE", path)
        # Its pods outlive it by a moment, and hold their devices: then they are the work of what they still name.
        await sight.until(lambda: not [w for w in sight.now if str(w).startswith(f"eu-1.{space}.")])


async def test_a_job_is_work_until_it_is_done(hands: Connection, space: str) -> None:
    law = await facts_of(hands, space)
    job = owner("Job", "train", space, replicas=2, annotations={"placet.dev/datasets": "a-records"})
    job["spec"] |= {"completions": 2}
    job["spec"]["template"]["metadata"]["annotations"] = {"placet.dev/completes-after": "2s"}
    name = f"eu-1.{space}.job.train"
    async with watched(hands, lambda: law) as sight:
        await hands.request("POST", resources.JOBS.path(space), body=job)
        await sight.until(lambda: len(found(sight, name)[1]) == 2)
        workload, _ = found(sight, name)
        assert (workload.kind, workload.datasets) == (WorkloadKind.BATCH, ("a-records",))
        await sight.until(lambda: name not in sight.now)
        done = await hands.request("GET", resources.JOBS.path(space, "train"))
        assert done["status"]["succeeded"] == 2
