"""The fast path: one gated cordon for a fatal fault, the same bytes however often it is asked for."""

from __future__ import annotations

import pytest

from agents import folding
from agents.containment import Containment, calls_for_fence, draft
from estate.changes import CordonNode
from estate.events import Event, Place
from estate.ids import NodeId, SiteId
from estate.observations import EventType, Severity
from estate.proposals import Lane, Proposal
from tests import builders
from tests.agents.staging import AGENT, SUBJECTS, Stage
from tools.bus.streams import streams


async def contained(stage: Stage, event: Event) -> list[Proposal]:
    await stage.bus.declare(*streams(SUBJECTS))
    incidents = await stage.incidents()
    record = folding.opened(event, folding.incident_id(event.id), "node/eu-a1")
    if await incidents.find(record.id) is None:
        await incidents.write(record, None)
    containment = Containment(stage.bus, incidents, SUBJECTS, AGENT)
    await containment.contain(event, record, stage.reader.newest())
    return [Proposal.read(d.data) for d in await stage.bus.replay("PROPOSALS_CONTAINMENT")]


async def test_a_fatal_fault_is_fenced_on_the_lane_of_its_own(stage: Stage) -> None:
    (proposal,) = await contained(stage, builders.event())
    assert proposal.lane is Lane.CONTAINMENT
    assert proposal.attempt == 0
    assert [type(s.change) for s in proposal.steps] == [CordonNode]
    (record,) = await stage.records()
    assert [(f.node, f.proposal) for f in record.fences] == [("eu-a1", proposal.digest)]


async def test_a_redelivery_on_a_newer_estate_publishes_the_same_proposal(stage: Stage) -> None:
    """The snapshot moved on between two deliveries; two fences of one fault would be two warrants."""
    await contained(stage, builders.event())
    stage.reader.estate = stage.reader.estate.at(builders.version(99))
    assert len(await contained(stage, builders.event())) == 1


async def test_a_crash_after_the_reservation_publishes_what_was_reserved(stage: Stage) -> None:
    event = builders.event()
    record = folding.opened(event, folding.incident_id(event.id), "node/eu-a1")
    drafted = draft(event, record, stage.reader.newest(), AGENT, builders.INSTALLATION)
    assert drafted is not None
    await (await stage.incidents()).reserve_fence(drafted, NodeId("eu-a1"))
    stage.reader.estate = stage.reader.estate.at(builders.version(7))
    assert await contained(stage, event) == [drafted]


async def test_a_node_that_is_cordoned_already_is_left_alone(stage: Stage) -> None:
    stage.reader.estate = stage.reader.estate.with_node(builders.node("eu-a1", cordoned=True))
    assert await contained(stage, builders.event()) == []


@pytest.mark.parametrize(
    "harmless",
    [
        builders.event(severity=Severity.CRITICAL),
        builders.event(resolved=True),
        builders.event(type=EventType.ALERT_FIRED),
        builders.event(place=Place(site=SiteId("eu-de"), unresolved=("node/ghost",))),
    ],
    ids=["not fatal", "resolved", "an alert", "nowhere"],
)
def test_nothing_less_than_a_fatal_fault_of_a_known_node_calls_for_a_fence(harmless: Event) -> None:
    assert calls_for_fence(harmless) is None
