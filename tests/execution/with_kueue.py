"""The contract of the admission check against Kueue's own controller, by hand: `python -m tests.execution.with_kueue
BINARY CRDS`.

BINARY is `go build ./cmd/kueue` of its module (v0.17.0 was tried), CRDS its folder `config/components/crd/bases`. It
takes minutes to build, so the suite plays Kueue's part instead (`ways`); this shows that the part is played as Kueue
does. Kueue wants a certificate (any will do) in `/etc/kueue/metrics/certs` and in `serving-certs` of its webhooks.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from estate.changes import Change
from estate.results import Refusal
from tests.execution import ways
from tests.execution.clusters import ClusterWorld, cluster_world, until
from tests.execution.rig import key
from tests.execution.ways import Way
from tools.controlplane.launching import ControlPlane, controlplane
from tools.execution.kubernetes.waiting import Limits
from tools.kubernetes import naming, queueing, resources
from tools.kubernetes.connecting import MERGE, Object

_API, _GROUP = "kueue.x-k8s.io/v1beta2", "/apis/kueue.x-k8s.io/v1beta2"
_CONFIG = """\
apiVersion: config.kueue.x-k8s.io/v1beta2
kind: Configuration
health: {healthProbeBindAddress: "127.0.0.1:0"}
metrics: {bindAddress: "0"}
webhook: {port: 19443}
leaderElection: {leaderElect: false}
internalCertManagement: {enable: false}
integrations: {frameworks: ["batch/job"]}
"""
_PATIENT = Limits(evict=20.0, end=20.0, bind=10.0, between_looks=0.1)


async def main(binary: Path, definitions: list[Object]) -> None:
    """A Job that waits for its turn: refused while its node is full and back in the queue, then bound there."""
    async with controlplane() as plane, cluster_world(plane, lambda stem: f"{stem}-1") as world:
        await _defined(world, definitions)
        async with _running(binary, plane):
            way = await _queued(world)
            home = await world.node("home", accelerators=4)
            path = f"{resources.NODES.path(name=str(home))}/status"
            await world.ask("PATCH", path, _pods("0"), content_type=MERGE)
            refusal = await _enacted(way, way.move(home, home), 1)
            assert isinstance(refusal, Refusal)
            assert "Too many pods" in refusal.message
            again = await until(lambda: _answer(world), lambda check: check.get("state") == "Pending", 60)
            assert "Previously: Retry" in again["message"]
            await world.ask("PATCH", path, _pods("110"), content_type=MERGE)
            assert await _enacted(way, way.move(home, home), 2) is None
            assert await world.on(way.name) == [home, home]
            sys.stdout.write(f"{(await _answer(world))['message']}\n")


async def _defined(world: ClusterWorld, definitions: list[Object]) -> None:
    for form in definitions:
        await world.ask("POST", ways.DEFINITIONS, form)
    await world.ask("POST", resources.NAMESPACES.path(), {"metadata": {"name": "kueue-system"}})
    await asyncio.sleep(12)  # discovery tells of new kinds by and by, and Kueue ends where it does not yet


@asynccontextmanager
async def _running(binary: Path, plane: ControlPlane) -> AsyncIterator[None]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as settings, tempfile.TemporaryFile("w") as log:
        settings.write(_CONFIG)
        settings.flush()
        named = dict(os.environ, KUBECONFIG=str(plane.kubeconfig), POD_NAMESPACE="kueue-system")
        asked = ["--config", settings.name, "--feature-gates=VisibilityOnDemand=false"]
        process = await asyncio.create_subprocess_exec(binary, *asked, env=named, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


async def _queued(world: ClusterWorld) -> Way:
    """A queue with our check and a Job in it whose quota Kueue has reserved."""
    flavor = {"name": "default", "resources": [{"name": "nvidia.com/gpu", "nominalQuota": "8"}]}
    covered = {"coveredResources": ["nvidia.com/gpu"], "flavors": [flavor]}
    checks = {"admissionChecks": [{"name": ways.CHECK}]}
    spec = {"namespaceSelector": {}, "resourceGroups": [covered], "admissionChecksStrategy": checks}
    await _make(world, "resourceflavors", "ResourceFlavor", "default")
    await _make(world, "admissionchecks", "AdmissionCheck", ways.CHECK, {"controllerName": queueing.CONTROLLER})
    active = {"type": "Active", "status": "True", "reason": "Active", "message": "", "lastTransitionTime": ways.NOW}
    status = {"status": {"conditions": [active]}}
    await world.ask("PATCH", f"{_GROUP}/admissionchecks/{ways.CHECK}/status", status, content_type=MERGE)
    await _make(world, "clusterqueues", "ClusterQueue", "all", spec)
    await _make(world, f"namespaces/{world.namespace}/localqueues", "LocalQueue", "research", {"clusterQueue": "all"})
    body = ways.job(world)
    body["metadata"]["labels"], body["spec"]["suspend"] = {queueing.QUEUE: "research"}, True
    await world.ask("POST", resources.JOBS.path(world.namespace), body)
    await until(lambda: _answer(world), lambda check: check.get("state") == "Pending", 60)
    world.workloads.append(naming.workload_id(world.id, world.namespace, "Job", "waits"))
    return Way(world, world.workloads[-1], "waits")


async def _make(world: ClusterWorld, plural: str, kind: str, name: str, spec: Any = None) -> None:
    body = {"apiVersion": _API, "kind": kind, "metadata": {"name": name}} | ({"spec": spec} if spec else {})
    await world.ask("POST", f"{_GROUP}/{plural}", body)


async def _answer(world: ClusterWorld) -> Object:
    found = (await world.ask("GET", queueing.WORKLOADS.path(world.namespace)))["items"]
    checks = found[0].get("status", {}).get("admissionChecks") or [{}] if found else [{}]
    return dict(checks[0])


async def _enacted(way: Way, change: Change, number: int) -> Refusal | None:
    (step,) = await way.world.steps(change)
    target = way.world.target(_PATIENT)
    return await target.apply(key(number), change, step.preconditions, step.postconditions)


def _pods(number: str) -> Object:
    return {"status": {"allocatable": {"pods": number}, "capacity": {"pods": number}}}


if __name__ == "__main__":
    files = sorted(Path(sys.argv[2]).glob("*.yaml"))
    forms = [form for file in files for form in yaml.safe_load_all(file.read_text()) if form]
    asyncio.run(main(Path(sys.argv[1]), forms))
