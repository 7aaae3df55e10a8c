"""A device of AMD's and one of Intel's fail on a real API server: fenced, and the work moved to devices of their maker.
Then pods behind Placet's own gate: seen, asked for, placed under a warrant, and bound there by the real scheduler.

The same act as the demo's first, on a cluster of mixed machines in which NVIDIA's have just as many free devices as are
looked for, which is where work goes first. No template says a model; what the pods ask for by resource is all that says
on whose devices they run.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.door.commands import Get, Kind
from estate.devices import Vendor
from estate.hardware import Node
from estate.ids import NodeId
from estate.incidents import CaseState
from estate.proposals import Lane
from estate.units import Mebibytes
from estate.workloads import Workload, WorkloadContract
from estate.worlds import World
from policies.admission.annotations import GATE
from tests.crash import grounds
from tests.crash.accounting import ledger_is_right
from tests.crash.grounds import Ground, path_of, settled
from tests.crash.sightings import sighted
from tests.crash.supervision import SELDOM, Child, Outside, until
from tools.controlplane import faults, objects
from tools.execution.kubernetes.enacting.places import PLACED
from tools.kubernetes import resources

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.processes,
    pytest.mark.xdist_group("siege"),
    pytest.mark.timeout(600),
]
MACHINES = {
    "eu-a1": (Vendor.AMD, "AMD_Instinct_MI300X_OAM", 196_608),
    "eu-a2": (Vendor.AMD, "AMD_Instinct_MI300X_OAM", 196_608),
    "eu-b1": (Vendor.INTEL, "HL-325L-GAUDI3", 131_072),
    "eu-b2": (Vendor.INTEL, "HL-325L-GAUDI3", 131_072),
}
HOMES = {"a-chat": ("eu-a1", "eu-a2"), "c-planner": ("eu-b1", "eu-b2"), "c-render": ("eu-a3", "eu-b3")}
EACH = {"a-chat": 2, "c-planner": 2, "c-render": 6}
"""Devices of one replica: of eight on each machine."""
FAILING = {"eu-a1": "a-chat", "eu-b1": "c-planner"}
LEFT = 7
GATED = "c-gated"


@dataclass(frozen=True, slots=True)
class Mixed(Ground):
    """The cluster with machines of three makers."""

    @property
    def world(self) -> World:
        whole = grounds.world()
        return World(
            nodes=tuple(_machine(n) for n in whole.nodes if n.cluster == self.id),
            workloads=tuple(_work(w) for w in whole.workloads if w.name in HOMES),
        )


def _machine(node: Node) -> Node:
    if node.name not in MACHINES:
        return node
    vendor, model, memory = MACHINES[node.name]
    made = {"vendor": vendor, "model": model, "memory_mebibytes": Mebibytes(memory), "nvlink_domain": ""}
    return node.model_copy(update={"accelerators": tuple(a.model_copy(update=made) for a in node.accelerators)})


def _work(workload: Workload) -> Workload:
    """Two replicas on devices of any model, of which one must always run."""
    devices = tuple(range(EACH[workload.name]))
    first = workload.bindings[0].model_copy(update={"accelerators": devices})
    seats = [first.model_copy(update={"node": NodeId(n), "replica": i}) for i, n in enumerate(HOMES[workload.name])]
    contract = WorkloadContract(accelerators_per_replica=len(devices), min_available=1)
    return workload.model_copy(update={"contract": contract, "replicas": 2, "bindings": tuple(seats)})


async def test_what_fails_is_fenced_and_the_work_goes_to_devices_of_the_same_maker(eu: Ground, tmp_path: Path) -> None:
    mixed = Mixed(eu.id, eu.plane, eu.api, eu.uid, eu.reader, eu.writer, eu.registrar)
    async with settled(mixed), sighted(mixed) as seen:
        outside = await grounds.founded(tmp_path / "state", "mixed", mixed)
        child = await Child.placet(outside, tmp_path / "log", "run", "--http-port", "0")
        try:
            await child.reachable(outside)
            await asyncio.gather(*(lose(outside, mixed, name) for name in FAILING), hold_back(mixed))
            rows = await until(lambda: verified(outside), "all incidents to be verified")
            assert {str(r["state"]) for r in rows} == {CaseState.VERIFIED.value}, rows
            await until(seen.caught_up, "the watch to have seen everything", every=SELDOM)
            for failed, name in FAILING.items():
                other = HOMES[name][1]
                node = await mixed.ask("GET", resources.NODES.path(name=failed))
                assert node["spec"]["unschedulable"] is True
                assert seen.nodes_of(name) == [other, other], f"`{name}` runs on {seen.nodes_of(name)}"
                assert seen.lowest[name] >= 1, "its budget was kept at every moment"
                controller = await mixed.ask("GET", path_of(work(mixed, name)))
                assert ":do" in controller["metadata"]["annotations"]["placet.dev/warrant"]
            placed = await waiting(mixed)
            assert [p["spec"].get("schedulingGates") for p in placed] == [None, None]
            assert [p["status"]["phase"] for p in placed] == ["Running", "Running"]
            told = [p["metadata"]["annotations"][PLACED].partition(":")[0] for p in placed]
            assert told == [p["spec"]["nodeName"] for p in placed]
            assert sorted(told) == ["eu-a3", "eu-b3"]
        finally:
            await child.end()
        await ledger_is_right(outside, *Lane, *Lane, Lane.CASE, approvals=0)


async def hold_back(at: Mixed) -> None:
    """A tenant's pods behind Placet's gate: four devices of NVIDIA's, of which two nodes have two each left."""
    container = {"name": "main", "image": "example", "resources": {"limits": {"nvidia.com/gpu": 2}}}
    spec = {"containers": [container], "schedulingGates": [{"name": GATE}], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": GATED}}, "spec": spec}
    body = {
        "metadata": {"name": GATED},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": GATED}}, "template": template},
    }
    await at.ask("POST", resources.DEPLOYMENTS.path(work(at, "c-render").namespace), body)


async def waiting(at: Mixed) -> list[dict[str, Any]]:
    pods = await at.ask("GET", f"{resources.PODS.path(work(at, 'c-render').namespace)}?labelSelector=app={GATED}")
    return list(pods["items"])


def work(at: Mixed, name: str) -> Workload:
    return next(w for w in at.world.workloads if w.name == name)


async def lose(outside: Outside, at: Mixed, name: str) -> None:
    """The device plugin can allot one device less, and the node's exporter says that one is lost."""
    node = next(n for n in at.world.nodes if n.name == name)
    await faults.lose_accelerators(at.api, name, LEFT, objects.resource(node))
    where = {"cluster": at.id, "node_name": name, "gpu_index": LEFT}
    vendor = node.accelerators[0].vendor
    body: dict[str, Any] = {
        "specversion": "1.0",
        "type": "placet.accelerator.failed.v1",
        "source": f"exporter/{name}",
        "id": f"lost-{name}",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"severity": "fatal", "code": f"{vendor}-device-lost", "message": "lost", "whereabouts": where},
    }
    await outside.post("cloudevents", json.dumps(body).encode())


async def verified(outside: Outside) -> list[dict[str, Any]] | None:
    """All incidents, once each has ended."""
    rows = (await outside.ask("admin", Get(what=Kind.INCIDENT))).result
    assert isinstance(rows, list)
    found = [r for r in rows if isinstance(r, dict)]
    ended = [r for r in found if CaseState(str(r["state"])).ended]
    return found if len(ended) == len(FAILING) + 1 else None
