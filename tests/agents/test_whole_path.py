"""From raw bodies to an ended case, on a broker in memory with a scripted gate and executor."""

from __future__ import annotations

import pytest

from agents.checkpoints.jetstream import BucketShelf
from agents.checkpoints.savers import PlacetSaver
from estate.changes import CopyWorkload, CordonNode, MoveWorkload, RemoveWorkload
from estate.ids import NodeId
from estate.incidents import CaseState, Origin
from estate.proposals import Lane
from estate.subjects import Subjects
from estate.verdicts import Decision, Dimension
from tests import builders
from tests.agents.staging import HUMAN, Stage, alert_body, ended, failure, kernel_body, request_body, verdict_on
from tests.conftest import Connect


async def test_a_lost_device_is_fenced_evacuated_verified_and_its_fence_stays(stage: Stage) -> None:
    async with stage.playing():
        await stage.send("kernel", kernel_body(builders.node("eu-a1")))
        (record,) = await stage.until(ended)
    assert record.state is CaseState.VERIFIED
    fence, plan = stage.law.proposals
    assert fence.lane is Lane.CONTAINMENT
    assert isinstance(fence.steps[0].change, CordonNode)
    moved = {s.change.workload for s in plan.steps if isinstance(s.change, MoveWorkload)}
    assert moved == {"a-serve", "b-train"}
    assert stage.reader.estate.workloads_on(NodeId("eu-a1")) == ()
    assert "still lost" in record.summary


async def test_a_forbid_for_power_makes_the_next_plan_avoid_that_rack(stage: Stage) -> None:
    refused: list[str] = []

    def gate(proposal, number):
        if proposal.lane is Lane.CASE and proposal.attempt == 1:
            change = next(s.change for s in proposal.steps if isinstance(s.change, MoveWorkload))
            rack = stage.reader.estate.rack_of(change.moves[0].target)
            refused.append(rack)
            lines = (failure(Dimension.POWER, f"rack/{rack}", "rack-power"),)
            return verdict_on(proposal, Decision.FORBID, failures=lines)
        return verdict_on(proposal)

    stage.law.script = gate
    async with stage.playing():
        await stage.send("kernel", kernel_body(builders.node("eu-a1")))
        (record,) = await stage.until(ended)
    assert record.state is CaseState.VERIFIED, record.summary
    first, second = stage.law.on(Lane.CASE)
    assert (first.attempt, second.attempt) == (1, 2)
    targets = {m.target for s in second.steps if isinstance(s.change, MoveWorkload) for m in s.change.moves}
    assert all(stage.reader.estate.rack_of(t) != refused[0] for t in targets if t)


async def test_an_unlawful_request_becomes_a_proposal_and_the_answer_says_what_is_lawful(stage: Stage) -> None:
    stage.law.script = lambda proposal, _: verdict_on(
        proposal, Decision.FORBID, failures=(failure(Dimension.LEGAL, "workload/a-serve", "sovereignty-legal"),)
    )
    async with stage.playing():
        body = request_body("move tenant-a's inference to us-east, it is cheaper there", "tenant-a")
        await stage.send("request", body, channel="front-door")
        (record,) = await stage.until(ended)
    (proposal,) = stage.law.proposals
    assert proposal.on_behalf_of == HUMAN
    assert proposal.for_tenants == ("tenant-a",)
    copy, removal = (s.change for s in proposal.steps)
    assert isinstance(copy, CopyWorkload)
    assert isinstance(removal, RemoveWorkload)
    assert copy.to_cluster == "us-1"
    assert record.origin is Origin.REQUEST
    assert record.state is CaseState.FORBIDDEN
    assert "sovereignty-legal" in record.summary
    assert "lawful for a-serve: eu-de" in record.summary


@pytest.mark.nats
async def test_the_same_path_runs_on_a_real_server_with_checkpoints_in_it(
    connect_nats: Connect, subjects: Subjects
) -> None:
    """Keys, subjects and limits that the memory bus would forgive are NATS's own here."""
    buses = (await connect_nats(), await connect_nats())
    saver = PlacetSaver(await BucketShelf.open(buses[0]))
    stage = Stage(builders.estate(), saver=saver, buses=buses, subjects=subjects)
    stage.law.script = lambda proposal, _: verdict_on(proposal)
    async with stage.playing():
        await stage.send("kernel", kernel_body(builders.node("eu-a1")))
        for start in range(0, 60, 20):
            await stage.send("alertmanager", alert_body(builders.node("eu-a1"), 20, start))
        (record,) = await stage.until(lambda rs: ended(rs) and rs[0].events_seen == 61, within=30)
    assert record.state is CaseState.VERIFIED
    assert [p.lane for p in stage.law.proposals] == [Lane.CONTAINMENT, Lane.CASE]
    assert await stage.dead() == []
