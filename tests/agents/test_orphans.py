"""A case whose thread is lost after it submitted: it goes by its record, and is never drafted anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.cases.threads import thread_id
from agents.cases.worker import CaseWorker
from agents.wakes import Wake
from estate.errors import RetryLater
from estate.incidents import CaseState
from estate.outcomes import Ending
from estate.proposals import Proposal
from estate.verdicts import Decision, Dimension
from tests import builders
from tests.agents.staging import NEEDS, Desk, Stage, delivery, failure, outcome_of, verdict_on
from tools.bus.dead_letters import REASON

FORBID = {"decision": Decision.FORBID, "failures": (failure(Dimension.POWER, "rack/eu-a"),)}
LATER = builders.START + timedelta(minutes=1)


async def bereft(stage: Stage) -> tuple[Desk, CaseWorker, Proposal]:
    """A case that has submitted its one proposal, a worker, and no thread any more."""
    desk = await Desk.open(stage)
    await desk.wake()
    await stage.saver.adelete_thread(thread_id(desk.id))
    (proposal,) = await desk.proposals()
    return desk, await desk.worker(), proposal


async def never_again(desk: Desk, state: CaseState) -> None:
    """Where it stands, and stays however often it is woken; nothing else was ever proposed."""
    assert (await desk.now()).state is state
    await desk.wake()
    assert (await desk.now()).state is state
    assert len(await desk.proposals()) == 1


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (Ending.VERIFIED, CaseState.VERIFIED),
        (Ending.ROLLED_BACK, CaseState.ROLLED_BACK),
        (Ending.FAILED, CaseState.FAILED),
        (Ending.REFUSED, CaseState.HANDED_OVER),
        (Ending.HANDED_OVER, CaseState.HANDED_OVER),
    ],
)
async def test_it_ends_as_its_execution_ended(stage: Stage, ending: Ending, state: CaseState) -> None:
    desk, worker, proposal = await bereft(stage)
    await worker.on_verdict(delivery(verdict_on(proposal)))
    await never_again(desk, CaseState.EXECUTING)
    await worker.on_outcome(delivery(outcome_of(proposal, ending, reason="the reason given")))
    await never_again(desk, state)
    assert "thread was lost" in (await desk.now()).summary
    assert "the reason given" in (await desk.now()).summary


async def test_people_are_still_asked(stage: Stage) -> None:
    desk, worker, proposal = await bereft(stage)
    await worker.on_verdict(delivery(verdict_on(proposal, **NEEDS)))
    await never_again(desk, CaseState.AWAITING_APPROVAL)
    await worker.on_verdict(delivery(verdict_on(proposal, decided_at=LATER)))
    await never_again(desk, CaseState.EXECUTING)
    await worker.on_outcome(delivery(outcome_of(proposal)))
    await never_again(desk, CaseState.VERIFIED)


async def test_what_is_forbidden_is_handed_over_with_the_reasons(stage: Stage) -> None:
    desk, worker, proposal = await bereft(stage)
    await worker.on_verdict(delivery(verdict_on(proposal, **FORBID)))
    await never_again(desk, CaseState.HANDED_OVER)
    assert "power (some-policy)" in (await desk.now()).summary


async def test_without_a_verdict_it_waits_and_is_handed_over_in_the_end(stage: Stage) -> None:
    """Whether the proposal was published is not known, so a verdict is waited for as long as a message is tried."""
    desk, worker, _ = await bereft(stage)
    with pytest.raises(RetryLater, match="no verdict on `sha256:") as told:
        await desk.wake(worker)
    assert not (await desk.now()).state.ended
    await worker.on_dead_letter(delivery(Wake(incident=desk.id), **{REASON: str(told.value)}))
    await never_again(desk, CaseState.HANDED_OVER)
    assert "propose again" in (await desk.now()).summary


async def test_a_case_that_has_submitted_nothing_begins_anew(stage: Stage) -> None:
    """Nothing was done yet, so nothing can be done twice."""
    desk = await Desk.open(stage)
    await stage.saver.adelete_thread(thread_id(desk.id))
    await desk.wake()
    assert len(await desk.proposals()) == 1
