"""`placet demo --cluster local`: the three acts against real API servers, claimed from what these hold."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from console.demo import grounds
from console.demo.run import play

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


async def test_the_three_acts_hold_on_real_control_planes(tmp_path: Path) -> None:
    """Two control planes, both service accounts, the door, the whole system; every claim that is made must hold."""
    said = Console(file=io.StringIO(), width=132)
    status = await play(tmp_path, False, said, grounds.local)
    story = said.file.getvalue()  # type: ignore[attr-defined] # the file above
    assert status == 0, story[-3000:]
    checks = json.loads((tmp_path / "summary.json").read_text())["checks"]
    assert {c["claim"] for c in checks if not c["holds"]} == set()
    made = [c["claim"] for c in checks]
    assert [c for c in CLAIMED if c not in made] == []
    assert sum(c.startswith("no disruption budget broke at any moment") for c in made) == 3
