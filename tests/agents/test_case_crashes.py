"""Cases through crashes and races: nothing lost, nothing twice, one winner."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from agents.checkpoints.memory import MemoryShelf
from agents.checkpoints.port import Address
from agents.checkpoints.savers import PlacetSaver
from estate.errors import RetryLater
from estate.incidents import CaseState
from estate.progress import Progress
from tests import builders
from tests.agents.staging import NEEDS, Desk, Stage, delivery, outcome_of, verdict_on


class Crash(Exception):
    """A worker that dies."""


async def test_a_crash_before_and_after_every_node_resumes_to_the_same_end(stage: Stage) -> None:
    """Each node dies once on its last line; the next worker goes on from the checkpoint and nothing happens twice."""
    desk = await Desk.open(stage)
    died: set[str] = set()

    async def die_once(progress: Progress) -> None:
        key = f"{progress.stage.value}:{progress.text[:20]}"
        if key not in died:
            died.add(key)
            raise Crash(key)

    stage.between = die_once

    async def survive(run: Any) -> None:
        for _ in range(40):
            try:
                await run(await desk.worker())
            except Crash:
                continue
            return
        raise AssertionError("never came to an end")

    await survive(desk.wake)
    (proposal,) = await desk.proposals()
    await survive(lambda w: w.on_verdict(delivery(verdict_on(proposal))))
    stage.reader.carry_out(proposal)
    await survive(lambda w: w.on_outcome(delivery(outcome_of(proposal))))
    assert len(died) >= 9
    assert (await desk.now()).state is CaseState.VERIFIED
    assert len(await desk.proposals()) == 1


class DyingShelf(MemoryShelf):
    """Dies at its n-th write, before or after it became durable."""

    def __init__(self, at: int, *, durable: bool) -> None:
        super().__init__()
        self.at, self.durable, self.writes = at, durable, 0

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        self.writes += 1
        if self.writes == self.at and not self.durable:
            raise Crash(f"before write {self.at}")
        saved = await super().save(address, data, version)
        if self.writes == self.at:
            raise Crash(f"after write {self.at}")
        return saved


@pytest.mark.parametrize("durable", [True, False])
async def test_a_crash_around_any_checkpoint_loses_nothing_and_doubles_nothing(durable: bool) -> None:
    reached = 0
    for at in range(1, 60):
        shelf = DyingShelf(at, durable=durable)
        desk = await Desk.open(Stage(builders.estate(), saver=PlacetSaver(shelf)))

        async def redelivered(run: Any, desk: Desk = desk) -> None:
            for _ in range(3):
                with suppress(Crash, RetryLater):
                    await run(await desk.worker())
                    return
            raise AssertionError("it did not go on after the crash")

        await redelivered(desk.wake)
        (proposal,) = await desk.proposals()
        await redelivered(lambda w, p=proposal: w.on_verdict(delivery(verdict_on(p))))
        desk.stage.reader.carry_out(proposal)
        await redelivered(lambda w, p=proposal: w.on_outcome(delivery(outcome_of(p))))
        assert (await desk.now()).state is CaseState.VERIFIED, f"crash at write {at}"
        assert len(await desk.proposals()) == 1
        if shelf.writes < at:
            reached = at
            break
    assert reached > 10, "the case writes fewer checkpoints than it has nodes"


async def test_two_workers_that_resume_one_approval_make_one_execution(stage: Stage) -> None:
    """They share nothing but the saver and the record, as two processes do."""
    desk = await Desk.open(stage)
    await desk.wake()
    (proposal,) = await desk.proposals()
    await (await desk.worker()).on_verdict(delivery(verdict_on(proposal, **NEEDS)))
    assert (await desk.now()).state is CaseState.AWAITING_APPROVAL
    permitted = verdict_on(proposal, decided_at=builders.START.replace(hour=9))
    workers = [await desk.worker() for _ in range(2)]
    told_before = len(stage.told)
    ends = await asyncio.gather(*(w.on_verdict(delivery(permitted)) for w in workers), return_exceptions=True)
    assert all(e is None or isinstance(e, RetryLater) for e in ends), ends
    assert any(e is None for e in ends)
    assert len(stage.told) > told_before
    stage.reader.carry_out(proposal)
    for worker in workers:
        await worker.on_outcome(delivery(outcome_of(proposal)))
    assert (await desk.now()).state is CaseState.VERIFIED
    assert len(await desk.proposals()) == 1


async def test_two_workers_that_begin_one_case_make_one_proposal(stage: Stage) -> None:
    desk = await Desk.open(stage)
    workers = [await desk.worker() for _ in range(4)]
    ends = await asyncio.gather(*(desk.wake(w) for w in workers), return_exceptions=True)
    assert all(e is None or isinstance(e, RetryLater) for e in ends), ends
    assert len(await desk.proposals()) == 1
