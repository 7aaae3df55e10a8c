"""The case graph and its worker: waits, crashes, races, and every way in which a case can end."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END

from agents import folding
from agents.cases import drawing
from agents.cases.graph import WAYS, build
from agents.cases.threads import Case, thread_id
from agents.minds.model import ModelMind
from agents.minds.reaching import Known
from agents.minds.runbook import Runbook
from agents.wakes import Wake
from estate.changes import CordonNode, MoveWorkload, ReplicaMove, SetPowerCap
from estate.errors import BadInput, NeverRetry, RetryLater
from estate.frozen import FrozenEstate
from estate.ids import ComponentId, IncidentId, NodeId, WorkloadId
from estate.incidents import CaseState
from estate.modes import Mode
from estate.observations import EventType, Severity
from estate.outcomes import Ending
from estate.progress import Progress
from estate.proposals import Lane, Proposal
from estate.verdicts import Decision, Dimension, Verdict
from tests import builders
from tests.agents.staging import (
    NEEDS,
    Desk,
    Stage,
    alert_body,
    delivery,
    ended,
    failure,
    kernel_body,
    outcome_of,
    proposal_body,
    request_body,
    verdict_on,
)
from tests.agents.test_minds import ToolCaller
from tools.bus.dead_letters import REASON
from tools.bus.port import Delivery


async def test_a_case_waits_for_its_verdict_and_its_outcome_across_workers(stage: Stage) -> None:
    desk = await Desk.open(stage)
    await desk.wake()
    assert (await desk.now()).state is CaseState.AWAITING_VERDICT
    (proposal,) = await desk.proposals()
    await (await desk.worker()).on_verdict(delivery(verdict_on(proposal)))
    assert (await desk.now()).state is CaseState.EXECUTING
    stage.reader.carry_out(proposal)
    await (await desk.worker()).on_outcome(delivery(outcome_of(proposal)))
    assert (await desk.now()).state is CaseState.VERIFIED
    assert [t async for t in stage.saver.alist(None)] == [], "a finished thread is deleted"


async def test_every_message_twice_makes_one_proposal_and_one_end(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    for _ in range(2):
        await desk.wake(worker)
    (proposal,) = await desk.proposals()
    for _ in range(2):
        await worker.on_verdict(delivery(verdict_on(proposal)))
    stage.reader.carry_out(proposal)
    for _ in range(2):
        await worker.on_outcome(delivery(outcome_of(proposal)))
    await desk.wake(worker)
    assert len(await desk.proposals()) == 1
    record = await desk.now()
    assert record.state is CaseState.VERIFIED
    assert (len(record.verdicts), len(record.outcomes)) == (1, 1)


async def test_a_partial_approval_keeps_the_case_waiting(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    for minute in range(3):
        asked = verdict_on(proposal, **NEEDS, decided_at=builders.START.replace(minute=minute))
        await worker.on_verdict(delivery(asked))
        assert (await desk.now()).state is CaseState.AWAITING_APPROVAL


async def test_a_human_denial_ends_the_case_as_denied(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    await worker.on_verdict(delivery(verdict_on(proposal, **NEEDS)))
    no = (failure(Dimension.APPROVAL, "proposal", "denied-by-a-person"),)
    later = builders.START.replace(hour=9)
    await worker.on_verdict(delivery(verdict_on(proposal, Decision.FORBID, failures=no, decided_at=later)))
    assert (await desk.now()).state is CaseState.DENIED
    assert len(await desk.proposals()) == 1


async def test_a_stale_or_foreign_verdict_resumes_nothing(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    foreign = builders.proposal(incident=desk.id)
    await worker.on_verdict(delivery(verdict_on(foreign)))
    record = await desk.now()
    assert record.state is CaseState.AWAITING_VERDICT
    assert record.verdicts == ()
    with pytest.raises(NeverRetry, match="never opened"):
        await worker.on_verdict(delivery(verdict_on(builders.proposal(incident=IncidentId("inc-unknown")))))


async def test_an_older_verdict_that_comes_late_does_not_override_the_newer(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    await worker.on_verdict(delivery(verdict_on(proposal, decided_at=builders.START.replace(hour=9))))
    await worker.on_verdict(delivery(verdict_on(proposal, **NEEDS)))
    newest = (await desk.now()).verdict_on(proposal.digest)
    assert newest is not None
    assert newest.decision is Decision.PERMIT


async def test_forbidden_plans_are_bounded_and_then_a_person_takes_over(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    for attempt in (1, 2, 3):
        (*_, proposal) = await desk.proposals()
        assert proposal.attempt == attempt
        line = failure(Dimension.CONTRACT, "workload/a-serve")
        stage.clock.advance(1)
        await worker.on_verdict(delivery(verdict_on(proposal, Decision.FORBID, failures=(line,))))
    record = await desk.now()
    assert record.state is CaseState.HANDED_OVER
    assert len(record.proposals) == 3
    assert "contract" in record.summary


@pytest.mark.parametrize("dimension", [Dimension.FREEZE, Dimension.BLAST_RADIUS])
async def test_what_no_plan_changes_is_handed_over_at_once(stage: Stage, dimension: Dimension) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    line = (failure(dimension, "site/eu-de"),)
    await worker.on_verdict(delivery(verdict_on(proposal, Decision.FORBID, failures=line)))
    assert (await desk.now()).state is CaseState.HANDED_OVER


async def test_in_observe_mode_a_permit_ends_with_a_person(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    await worker.on_verdict(delivery(verdict_on(proposal, mode=Mode.OBSERVE)))
    record = await desk.now()
    assert record.state is CaseState.HANDED_OVER
    assert "observe" in record.summary


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (Ending.VERIFIED, CaseState.VERIFIED),
        (Ending.ROLLED_BACK, CaseState.ROLLED_BACK),
        (Ending.FAILED, CaseState.FAILED),
        (Ending.HANDED_OVER, CaseState.HANDED_OVER),
    ],
)
async def test_a_case_ends_as_its_execution_ended(stage: Stage, ending: Ending, state: CaseState) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    await desk.permit(worker, ending)
    assert (await desk.now()).state is state


async def test_a_refused_execution_is_planned_again(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    stage.clock.advance(1)
    await desk.permit(worker, Ending.REFUSED)
    assert [p.attempt for p in await desk.proposals()] == [1, 2]
    await desk.permit(worker)
    assert (await desk.now()).state is CaseState.VERIFIED


async def test_what_the_inventory_does_not_show_is_not_called_verified(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    (proposal,) = await desk.proposals()
    await worker.on_verdict(delivery(verdict_on(proposal)))
    await worker.on_outcome(delivery(outcome_of(proposal)))
    record = await desk.now()
    assert record.state is CaseState.HANDED_OVER
    assert "does not show it" in record.summary


async def test_a_fault_that_joins_while_the_case_is_ending_is_not_lost(stage: Stage) -> None:
    """An alert opened the case and the runbook had nothing to say; then the device's own event came."""
    alert = builders.event(type=EventType.ALERT_FIRED, severity=Severity.WARNING, sender_id="alert-1")
    desk = await Desk.open(stage, alert)
    incidents = await stage.incidents()

    async def join(progress: Progress) -> None:
        if "no remedy" in progress.text:
            await incidents.change(desk.id, lambda r: folding.with_event(r, builders.event()))

    stage.between = join
    await (await desk.worker()).on_wake(delivery(Wake(incident=desk.id), attempt=9))
    (proposal,) = await desk.proposals()
    assert any(isinstance(s.change, MoveWorkload) for s in proposal.steps)


async def test_a_case_opened_by_companions_gives_its_fault_a_moment(stage: Stage) -> None:
    alert = builders.event(type=EventType.ALERT_FIRED, severity=Severity.WARNING, sender_id="alert-1")
    desk = await Desk.open(stage, alert)
    with pytest.raises(RetryLater, match="companions only"):
        await desk.wake()
    stage.clock.advance(3)
    await desk.wake()
    assert (await desk.now()).state is CaseState.HANDED_OVER


async def test_a_case_that_could_not_go_on_is_handed_over_by_its_dead_letter(stage: Stage) -> None:
    desk = await Desk.open(stage)
    worker = await desk.worker()
    await desk.wake(worker)
    await worker.on_dead_letter(delivery(Wake(incident=desk.id), **{REASON: "Crash: always"}))
    record = await desk.now()
    assert record.state is CaseState.HANDED_OVER
    assert "Crash: always" in record.summary
    await desk.wake(worker)
    assert len(await desk.proposals()) == 1, "a case that a person took over does not start again"
    await worker.on_dead_letter(Delivery("dead", b"not json", {}, "id", "DEAD", 1, 1))


async def test_a_proposal_is_laid_out_as_written_and_ends_as_its_execution_did(stage: Stage) -> None:
    async with stage.playing():
        changes = (CordonNode(node=NodeId("eu-a3")), SetPowerCap(node=NodeId("eu-a3"), watts=4000))
        await stage.send("proposal", proposal_body(*changes), channel="front-door")
        (record,) = await stage.until(ended)
    (proposal,) = stage.law.proposals
    assert tuple(s.change for s in proposal.steps) == changes
    assert proposal.summary == "by hand"
    assert record.state is CaseState.VERIFIED


async def test_a_proposal_that_cannot_be_laid_out_fails_with_the_reason(stage: Stage) -> None:
    ghost = MoveWorkload(workload=WorkloadId("ghost"), moves=(ReplicaMove(replica=0, source=None, target=None),))
    async with stage.playing():
        await stage.send("proposal", proposal_body(ghost), channel="front-door")
        (record,) = await stage.until(ended)
    assert record.state is CaseState.FAILED
    assert "`workload/ghost` is not in the estate" in record.summary
    assert stage.law.proposals == []


async def test_a_request_in_unknown_words_is_answered_with_what_is_understood(stage: Stage) -> None:
    async with stage.playing():
        await stage.send("request", request_body("make it go away", "tenant-a"), channel="front-door")
        (record,) = await stage.until(ended)
    assert record.state is CaseState.FAILED
    assert "scale <workload> to <n>" in record.summary


async def test_two_hundred_alerts_of_one_fault_are_one_incident_one_fence_and_one_plan(stage: Stage) -> None:
    node = builders.node("eu-a1")
    async with stage.playing():
        await stage.send("kernel", kernel_body(node))
        for start in range(0, 200, 20):
            await stage.send("alertmanager", alert_body(node, 20, start))
        (record,) = await stage.until(lambda rs: ended(rs) and rs[0].events_seen == 201)
    assert len(stage.law.on(Lane.CONTAINMENT)) == 1
    assert len(stage.law.on(Lane.CASE)) == 1
    assert record.state is CaseState.VERIFIED


async def test_everything_delivered_twice_is_done_once(stage: Stage) -> None:
    body = kernel_body(builders.node("eu-a1"))
    async with stage.playing() as process:
        await stage.send("kernel", body)
        await stage.send("kernel", body, message_id="the same again")
        await stage.until(ended)
        handlers = {spec.stream: handler for spec, handler in process.consumers()}
        for name in ("EVENTS_CONTAINMENT", "EVENTS_CASE", "VERDICTS", "OUTCOMES"):
            for message in await stage.bus.replay(name):
                await handlers[name](message)
        (record,) = await stage.records()
    assert record.events_seen == 1
    assert len(stage.law.on(Lane.CONTAINMENT)) == 1
    assert len(stage.law.on(Lane.CASE)) == 1


async def test_a_hostile_model_gets_no_further_than_the_gate() -> None:
    """It moves another tenant's training abroad; the worst that comes of it is a proposal that the gate forbids."""
    evil = (
        '{"answer": "plan", "summary": "free", "aims": [{"aim": "relocate", "workload": "b-train", "site": "us-east"}]}'
    )
    mind = ModelMind(
        ToolCaller(responses=[AIMessage(evil)]), Known(ComponentId("scripted")), Runbook(), builders.TestClock()
    )
    known = builders.facts(registrations=(builders.registration(),))
    stage = Stage(builders.estate(law_base=known), mind=mind)
    before: FrozenEstate = stage.reader.estate

    def gate(proposal: Proposal, _: int) -> Verdict:
        return verdict_on(
            proposal, Decision.FORBID, failures=(failure(Dimension.TENANT, "workload/b-train", "tenant-eviction"),)
        )

    stage.law.script = gate
    async with stage.playing():
        await stage.send("request", request_body("scale a-serve to 3", "tenant-a"), channel="front-door")
        (record,) = await stage.until(ended)
    assert record.state is CaseState.FORBIDDEN
    (proposal,) = stage.law.proposals
    assert proposal.for_tenants == ("tenant-a",), "whom it speaks for is the person's, not the model's"
    assert stage.reader.estate is before


async def test_the_observer_is_awaited_between_rehearsal_and_submission(stage: Stage) -> None:
    desk = await Desk.open(stage)
    seen: list[int] = []

    async def look(progress: Progress) -> None:
        if progress.stage.value == "rehearse":
            await asyncio.sleep(0.01)
            seen.append(len(await desk.proposals()))

    stage.between = look
    await desk.wake()
    assert seen == [0]


def test_an_update_without_a_canonical_form_is_never_stored() -> None:
    with pytest.raises(BadInput):
        Case(explanation=("\u202eevil",)).form()


def test_only_what_a_node_set_is_written() -> None:
    assert set(Case(attempt=2, next="plan").form()) == {"attempt", "next"}


async def test_the_drawing_shows_every_node_and_every_way_of_the_built_graph(stage: Stage) -> None:
    graph = build(await stage.deps(), None).get_graph()
    built = {(e.source, e.target) for e in graph.edges if e.source != "__start__"}
    assert built == {(name, way) for name, ways in WAYS.items() for way in ways}
    picture, lines = drawing.mermaid(), drawing.text()
    for name, ways in WAYS.items():
        assert name in lines
        for way in ways:
            assert f"{name} --> {'done' if way == END else way}" in picture


def test_the_thread_carries_the_version_of_the_graph() -> None:
    assert thread_id(IncidentId("inc-1")) == "inc-1.g1"
