"""`placet demo --cluster local`: the three acts against real API servers, claimed from what these hold."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from console.demo import grounds
from console.demo.run import play
from estate.errors import Denied
from tools.controlplane import clients
from tools.controlplane.launching import ControlPlane, controlplane
from tools.kubernetes.connecting import Access

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.nats,
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(300),
]

CLAIMED = (
    "the door of eu-1 refuses placet-writer what carries no warrant",
    "the node was fenced first, gated and logged",
    "the gate forbade the stale plan for power",
    "eu-a1: its API server says unschedulable: True",
    "a-chat: its API server has ready pods on eu-d1×4, eu-d2×4, eu-d2×4, and no others",
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


async def test_the_three_acts_hold_on_real_control_planes(tmp_path: Path) -> None:
    """Two control planes, both service accounts, the door, the whole system; every claim that is made must hold."""
    made = await claims(tmp_path, grounds.local)
    assert [c for c in CLAIMED if c not in made] == []
    assert sum(c.startswith("no disruption budget broke at any moment") for c in made) == 3


async def test_a_guest_plays_on_an_empty_cluster_and_leaves_it_empty(tmp_path: Path) -> None:
    """And where anything lives it touches nothing: not a node, not a namespace."""
    async with controlplane() as plane:
        empty = await everything(plane)
        made = await claims(tmp_path, grounds.given(Access(plane.kubeconfig, "local")))
        assert [c for c in CLAIMED if c not in made] == []
        assert await everything(plane) == empty
        async with plane.client() as api:
            await clients.create(api, "/api/v1/namespaces", {"metadata": {"name": "somebodys"}})
        inhabited = await everything(plane)
        with pytest.raises(Denied, match="namespace `somebodys`"):
            await claims(tmp_path, grounds.given(Access(plane.kubeconfig)))
        assert await everything(plane) == inhabited


async def claims(out: Path, opened: grounds.Opened) -> list[str]:
    """Play on that ground; what was claimed, all of which held."""
    said = Console(file=io.StringIO(), width=132)
    status = await play(out, False, said, opened)
    story = said.file.getvalue()  # type: ignore[attr-defined] # the file above
    assert status == 0, story[-3000:]
    checks = json.loads((out / "summary.json").read_text())["checks"]
    assert {c["claim"] for c in checks if not c["holds"]} == set()
    return [c["claim"] for c in checks]


async def everything(plane: ControlPlane) -> set[str]:
    """The names of all objects of these kinds."""
    async with plane.client() as api:
        found = [(kind, await clients.ask(api, "GET", kind)) for kind in KINDS]
    return {f"{kind} {item['metadata']['name']}" for kind, listed in found for item in listed["items"]}
