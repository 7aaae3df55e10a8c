"""The demo on clusters: the three acts against real API servers, claimed from what these hold.

They are played once, by the program that people start, on two clusters of its own; a given one is opened and left.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from console.demo import estate, grounds
from console.demo.narrator import Narrator
from console.systems import System
from estate.errors import Denied
from estate.workloads import Workload
from tests import spawning, surroundings
from tools.controlplane import clients
from tools.controlplane.launching import ControlPlane, controlplane
from tools.kubernetes.connecting import Access

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.processes,
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(300),
]

CLAIMED = (
    "the door of eu-1 refuses placet-writer what carries no warrant",
    "the node was fenced first, gated and logged",
    "the gate forbade the stale plan for power",
    "eu-a1: its API server says unschedulable: True",
    "a-chat: its API server has ready pods on eu-d1×4, eu-d1×4, eu-d2×4, and no others",
    "every failed dimension is named, legal too",
    "the estate is as before",
    "us-d2: its API server says unschedulable: True",
    "c-pilot: its API server has ready pods on us-a1×4, us-a2×4, us-c1×4, and no others",
    "one flipped byte is found, and its entry named",
)
"""A claim of each kind; what the demo prints has them all."""


KINDS = (
    *("/api/v1/nodes", "/api/v1/namespaces", "/api/v1/pods", "/apis/apps/v1/deployments", "/apis/batch/v1/jobs"),
    *(f"/apis/rbac.authorization.k8s.io/v1/{kind}" for kind in ("clusterroles", "clusterrolebindings")),
    *(
        f"/apis/admissionregistration.k8s.io/v1/{kind}admissionpolic{end}"
        for kind in ("validating", "mutating")
        for end in ("ies", "ybindings")
    ),
)
"""What a guest might leave behind."""


async def test_the_program_plays_the_three_acts_on_two_clusters_of_its_own(tmp_path: Path) -> None:
    """`placet demo --cluster local`: both service accounts, the doors, the whole system; every claim must hold."""
    arguments = ("demo", "--cluster", "local", "--out", str(tmp_path / "out"))
    ran = await spawning.run("console.cli.main", *arguments, environment=surroundings.plain() | {"NO_COLOR": "1"})
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}{ran.stderr}"
    checks = json.loads((tmp_path / "out" / "summary.json").read_text())["checks"]
    assert {c["claim"] for c in checks if not c["holds"]} == set()
    made = [c["claim"] for c in checks]
    assert [c for c in CLAIMED if c not in made] == []
    assert sum(c.startswith("no disruption budget broke at any moment") for c in made) == 3
    assert f"{len(made)} claims made, all of them held." in ran.stdout


async def test_a_guest_leaves_an_empty_cluster_as_it_was_and_touches_no_other(
    tmp_path: Path,
) -> None:
    """Each cluster has a reader and a writer and its part of the estate, running; what the acts add goes too."""
    narrator = Narrator(Console(file=io.StringIO(), width=132))
    async with controlplane() as plane:
        empty = await everything(plane)
        async with grounds.given(Access(plane.kubeconfig, "local"))(narrator, tmp_path) as ground:
            doors = [f"the door of {c} refuses placet-writer what carries no warrant" for c in grounds.CLUSTERS]
            assert narrator.checks == [(claim, True) for claim in doors]
            assert [c.id for c in ground.clusters] == [c for e in ground.executors for c in e.clusters]
            assert len({a for c in ground.clusters for a in (c.reader, c.writer)}) == 4
            scenery = ground.scenery(cast("System", None))
            seen, world = await scenery.look(), estate.world()
            assert {n.id for n in seen.nodes()} == {n.id for n in world.nodes}
            assert _seats(seen.workloads()) == _seats(world.workloads)
            await scenery.start_job(estate.power_hungry_job())
        assert await everything(plane) == empty
        async with plane.client() as api:
            await clients.create(api, "/api/v1/namespaces", {"metadata": {"name": "somebodys"}})
        inhabited = await everything(plane)
        with pytest.raises(Denied, match="namespace `somebodys`"):
            async with grounds.given(Access(plane.kubeconfig))(narrator, tmp_path):
                pytest.fail("an inhabited cluster was opened")
        assert await everything(plane) == inhabited


def _seats(workloads: Iterable[Workload]) -> dict[str, Counter[tuple[str, int]]]:
    return {w.name: Counter((b.node, len(b.accelerators)) for b in w.bindings) for w in workloads}


async def everything(plane: ControlPlane) -> set[str]:
    """The names of all objects of these kinds."""
    async with plane.client() as api:
        found = [(kind, await clients.ask(api, "GET", kind)) for kind in KINDS]
    return {f"{kind} {item['metadata']['name']}" for kind, listed in found for item in listed["items"]}
