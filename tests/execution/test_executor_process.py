"""The executor process on a bus: what it takes first when it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from console.processes.executor import ExecutorProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.kept import Kept
from estate.outcomes import Ending
from estate.proposals import Lane
from estate.results import Refusal
from estate.subjects import Subjects
from estate.things import Thing
from policies.ledger.port import EntryKind
from tests import builders
from tests.execution.clusters import until
from tests.execution.rig import AUDIENCE, CAP, FENCE, Rig, sealed, warrant
from tools.bus import streams
from tools.bus.memory import MemoryBroker
from tools.execution.memory import MemoryTarget
from tools.execution.patience import Patience
from tools.execution.port import StepKey
from tools.inventory.follower import Follower


class Slow:
    """A world in which one proposal's write waits for what somebody else must do first: a disruption budget."""

    def __init__(self, world: MemoryTarget, proposal: str) -> None:
        self.world = world
        self.proposal = proposal
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        return await self.world.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        return await patience.until(lambda: self.check(conditions), lambda missed: not missed)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        return await self.world.rehearse(steps)

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        return await self.world.preserve(things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        if key.proposal == self.proposal:
            self.asked.set()
            await self.open.wait()
        return await self.world.apply(key, change, preconditions)


async def test_a_fence_does_not_wait_for_what_the_last_holder_left(
    memory_broker: MemoryBroker, subjects: Subjects
) -> None:
    """A drain may wait a quarter of an hour for a budget of some tenant's; a failing device must not."""
    rig, case = Rig(), warrant(CAP)
    slow = Slow(rig.world, case.proposal)
    first = asyncio.create_task(rig.executor("first", target=slow).execute(sealed(case)))
    await slow.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    fence = warrant(FENCE, lane=Lane.CONTAINMENT, proposal=builders.proposal().digest, nonce="1" * 32)
    bus = memory_broker.connect(subjects)
    await bus.declare(*streams.streams(subjects))
    await bus.publish(subjects.warrant(Lane.CONTAINMENT, AUDIENCE), sealed(fence), message_id="fence")
    slow.asked.clear()
    process = ExecutorProcess(
        AUDIENCE,
        lambda fence: rig.executor("second", fence() + 1, target=slow),
        bus,
        subjects,
        cast("Standing", None),
        cast("Follower", None),
        rig.ledger,
        Leasing(bus, "executor", "second"),
    )
    running = asyncio.create_task(process.lease.hold(process.obey))
    try:
        ended = await until(rig.entries, lambda found: any(e.kind is EntryKind.OUTCOME for e in found))
        outcomes = [(e.body["proposal"], e.body["ending"]) for e in ended if e.kind is EntryKind.OUTCOME]
        assert outcomes == [(fence.proposal, Ending.VERIFIED.value)]
        await slow.asked.wait()
        slow.open.set()
        await until(lambda: rig.count(EntryKind.OUTCOME), lambda count: count == 2)
    finally:
        running.cancel()
        await asyncio.wait([running])
