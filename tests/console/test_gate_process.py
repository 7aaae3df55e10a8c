"""The gate process on a bus: what it refuses before the gate sees it."""

from __future__ import annotations

from typing import cast

import pytest

from console.processes.gate import GateProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from estate.changes import Change, DrainNode, EvictPod, UncordonNode
from estate.errors import BadInput
from estate.ids import NodeId, WorkloadId
from estate.proposals import Lane
from estate.subjects import Subjects
from policies.gate import Gate
from tests import builders
from tools.bus.memory import MemoryBroker
from tools.bus.port import Delivery
from tools.inventory.follower import Follower

NODE = NodeId("eu-a1")


@pytest.mark.parametrize(
    "change",
    [DrainNode(node=NODE), EvictPod(workload=WorkloadId("a-serve"), replica=0, node=NODE), UncordonNode(node=NODE)],
    ids=lambda c: c.kind,
)
async def test_the_lane_of_fences_carries_nothing_but_fences(
    memory_broker: MemoryBroker, subjects: Subjects, change: Change
) -> None:
    """A drain waits for budgets of tenants: eight of them on that lane would hold up every fence."""
    proposal = builders.proposal(lane=Lane.CONTAINMENT)
    step = proposal.steps[0].model_copy(update={"change": change})
    sent = proposal.model_copy(update={"steps": (step,)})
    subject = subjects.proposal(Lane.CONTAINMENT, sent.site)
    process = GateProcess(
        cast("Gate", None),
        memory_broker.connect(subjects),
        subjects,
        cast("Standing", None),
        cast("Follower", None),
        cast("Leasing", None),
    )
    with pytest.raises(BadInput, match="containment is one fence"):
        await process.on_proposal(Delivery(subject, sent.canonical(), {}, "id", "S", 1, 1))
