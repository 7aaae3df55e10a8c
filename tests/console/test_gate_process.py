"""The gate process on a bus: what it refuses before the gate sees it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import cast

import pytest

from console.processes.gate import CASES, GateProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from estate.changes import Change, DrainNode, EvictPod, UncordonNode
from estate.errors import BadInput, NeverRetry, NotYet
from estate.ids import NodeId, WorkloadId
from estate.proposals import Lane
from estate.subjects import Subjects
from policies import approving, skews
from policies.gate import Gate
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests import builders
from tests.execution.rig import LiveReader
from tests.policies.attacks.test_attacks import Place
from tools.bus import dead_letters, streams
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus, Delivery
from tools.execution.memory import MemoryTarget
from tools.inventory.follower import Follower

NODE = NodeId("eu-a1")


def process(bus: Bus, subjects: Subjects, gate: Gate | None = None) -> GateProcess:
    """A gate's process without what these tests do not reach."""
    reader = LiveReader(MemoryTarget(builders.estate()))
    return GateProcess(
        cast("Gate", gate),
        bus,
        subjects,
        cast("Standing", None),
        cast("Follower", reader),
        cast("Leasing", None),
    )


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
    subject = subjects.proposal(Lane.CONTAINMENT, sent.site, "agent-1")
    with pytest.raises(BadInput, match="containment is one fence"):
        await process(memory_broker.connect(subjects), subjects).on_proposal(
            Delivery(subject, sent.canonical(), {}, "id", "S", 1, 1)
        )


async def test_a_proposal_of_a_clock_ten_minutes_ahead_is_a_dead_letter_with_the_reason(
    memory_broker: MemoryBroker,
) -> None:
    """Refused, and written down once in five minutes, however often: what the console tells people of."""
    subjects = Subjects(builders.INSTALLATION)
    bus = memory_broker.connect(subjects)
    await bus.declare(*streams.streams(subjects))
    sent = builders.proposal(created_at=builders.START + timedelta(minutes=10))
    gate = Place().gate
    deciding = asyncio.create_task(bus.consume(CASES, process(bus, subjects, gate).on_proposal))
    for again in ("", "again"):
        where = subjects.proposal(sent.lane, sent.site, "agent-1")
        await bus.publish(where, sent.canonical(), message_id=sent.digest + again)
    async with asyncio.timeout(5):
        while len(letters := await dead_letters.listed(bus)) < 2:  # noqa: ASYNC110 - seen by looking only
            await asyncio.sleep(0.01)
    deciding.cancel()
    assert "dated 600 s ahead of this clock, 30 are allowed; set the clocks" in letters[0].reason
    (skew,) = await skews.skews(gate.ledger, gate.clock())
    assert (skew.whose, skew.seconds, skew.since, skew.lasting) == ("an agent", 600, skew.until, True)


async def test_a_word_of_somebody_unknown_waits_for_an_enrolment_that_may_be_on_its_way(
    memory_broker: MemoryBroker,
) -> None:
    subjects = Subjects(builders.INSTALLATION)
    taking = process(memory_broker.connect(subjects), subjects, Place().gate).on_approval
    word = seal(b"{}", approving.PAYLOAD_TYPE, MemorySigner.generate(builders.TestEntropy("enrolled in a moment")))
    for attempt, fault in ((1, NotYet), (3, NotYet), (4, NeverRetry)):
        with pytest.raises(fault, match="signed by nobody trusted here"):
            await taking(Delivery("s", word, {}, "id", "S", 1, attempt))
