"""Which incident an event belongs to, decided purely and kept durably."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import folding
from agents.containment import Containment
from agents.correlation import WINDOW, Ignore, Join, Open, correlate, domains
from agents.correlator import Correlator
from agents.incidents import Incidents
from estate.errors import RetryLater
from estate.events import Event, Place
from estate.evidence import Evidence
from estate.ids import ChannelId, ClusterId, NodeId, SiteId, WorkloadId
from estate.incidents import EVENTS_KEPT, CaseState, Incident
from estate.observations import PLACEMENT_AWAITED, EventType, Severity
from tests import builders
from tests.agents.staging import AGENT, SUBJECTS, Stage, delivery
from tools.bus.streams import streams

NODE = "node/eu-a1"


def alert(number: int = 1, **over: Any) -> Event:
    fields = {"type": EventType.ALERT_FIRED, "severity": Severity.WARNING, "sender_id": f"alert-{number}"}
    return builders.event(**(fields | over))


def opened(event: Event | None = None, **over: Any) -> Incident:
    first = event or builders.event()
    return folding.opened(first, folding.incident_id(first.id), NODE).model_copy(update=over)


def test_a_device_and_its_node_share_one_domain() -> None:
    assert domains(builders.event(), builders.estate()) == (NODE,)
    node_only = builders.event(type=EventType.NODE_FAILED, place=Place(site=SiteId("eu-de"), node=NodeId("eu-a1")))
    assert domains(node_only, builders.estate()) == (NODE,)


def test_an_event_about_a_workload_looks_at_the_nodes_it_runs_on() -> None:
    place = Place(site=SiteId("eu-de"), workload=WorkloadId("a-serve"))
    found = domains(alert(place=place), builders.estate())
    assert found == ("workload/a-serve", "node/eu-a1", "node/eu-a2")
    assert correlate(alert(place=place), found[0], [opened()]) == Join(opened().id)


def test_who_asks_for_a_place_again_is_answered_again_and_not_by_a_case_that_ended() -> None:
    place = Place(site=SiteId("eu-de"), workload=WorkloadId("a-wait"))
    fields: dict[str, Any] = {"type": EventType.CAPACITY_PRESSURE, "code": PLACEMENT_AWAITED, "place": place}
    first, again = alert(1, **fields), alert(2, **fields)
    ended = opened(first, state=CaseState.VERIFIED)
    assert correlate(again, "workload/a-wait", [ended]) == Open(folding.incident_id(again.id), "workload/a-wait")
    assert correlate(again, "workload/a-wait", [opened(first)]) == Join(opened(first).id)
    over = alert(3, **fields, resolved=True)
    assert correlate(over, "workload/a-wait", [ended]) == Join(ended.id)


def test_the_first_fault_opens_and_a_second_sender_joins() -> None:
    first = builders.event()
    assert correlate(first, NODE, []) == Open(folding.incident_id(first.id), NODE)
    assert correlate(builders.event(source="nvsentinel/eu"), NODE, [opened(first)]) == Join(opened(first).id)


@pytest.mark.parametrize("state", list(CaseState))
def test_an_event_that_is_recorded_joins_again_whatever_became_of_the_case(state: CaseState) -> None:
    record = opened(state=state)
    assert correlate(builders.event(), NODE, [record]) == Join(record.id)


def test_a_repeat_of_the_same_fact_does_not_reopen_an_ended_case_and_another_device_does() -> None:
    over = opened(state=CaseState.VERIFIED)
    repeat = builders.event(sender_id="line-2")
    assert correlate(repeat, NODE, [over]) == Join(over.id)
    other = builders.event(sender_id="line-3", place=builders.event().place.model_copy(update={"accelerator": 3}))
    assert correlate(other, NODE, [over]) == Open(folding.incident_id(other.id), NODE)


def test_a_resolved_event_joins_what_is_open_and_never_opens() -> None:
    over = alert(resolved=True)
    assert correlate(over, NODE, [opened()]) == Join(opened().id)
    assert isinstance(correlate(over, NODE, []), Ignore)
    assert isinstance(correlate(builders.event(type=EventType.ACCELERATOR_RECOVERED), NODE, []), Ignore)


def test_a_late_event_joins_the_incident_that_covered_its_time() -> None:
    hour = timedelta(hours=1)
    old = opened(state=CaseState.VERIFIED)
    late_start = builders.START + hour
    newer = opened(alert(9, received_at=late_start), state=CaseState.HANDED_OVER)
    late = alert(2, occurred_at=builders.START, received_at=late_start)
    assert correlate(late, NODE, [old, newer]) == Join(old.id)


def test_a_late_companion_that_nothing_covers_is_ignored_and_a_late_fault_is_not() -> None:
    late = {"occurred_at": builders.START, "received_at": builders.START + WINDOW * 3}
    assert isinstance(correlate(alert(**late), NODE, []), Ignore)
    assert isinstance(correlate(builders.event(**late), NODE, []), Open)


def test_an_open_case_takes_everything_of_its_domain_however_long_it_waits() -> None:
    waiting = opened(state=CaseState.AWAITING_APPROVAL)
    tomorrow = builders.START + timedelta(days=1)
    assert correlate(alert(received_at=tomorrow, occurred_at=tomorrow), NODE, [waiting]) == Join(waiting.id)


def test_information_alone_opens_nothing() -> None:
    assert isinstance(correlate(alert(severity=Severity.INFO), NODE, []), Ignore)


async def correlator(stage: Stage) -> Correlator:
    await stage.bus.declare(*streams(SUBJECTS))
    incidents = await stage.incidents()
    containment = Containment(stage.bus, incidents, SUBJECTS, AGENT)
    return Correlator(stage.bus, incidents, stage.reader, containment, SUBJECTS, stage.observe)


async def deliver(stage: Stage, events: Iterable[Event]) -> None:
    one, other = await correlator(stage), await correlator(stage)
    await asyncio.gather(*((one, other)[n % 2].on_event(delivery(e)) for n, e in enumerate(events)))


async def test_two_correlators_racing_one_domain_open_one_incident(stage: Stage) -> None:
    await deliver(stage, [builders.event(sender_id=f"line-{n}", source=f"kernel/{n}") for n in range(20)])
    (record,) = await stage.records()
    assert record.events_seen == 20
    wakes = await stage.bus.replay("CASES")
    assert len([w for w in wakes if w.subject.endswith("opened")]) == 1


async def test_a_storm_of_a_thousand_alerts_is_one_incident_of_bounded_size(stage: Stage) -> None:
    await deliver(stage, [builders.event(), *(alert(n) for n in range(1000))])
    (record,) = await stage.records()
    assert record.events_seen == 1001
    assert len(record.events) == EVENTS_KEPT
    assert len(record.canonical()) < 128 * 1024
    assert len(await stage.bus.replay("CASES")) == 1
    assert len(await stage.bus.replay("PROPOSALS_CONTAINMENT")) == 1


async def test_a_fault_after_a_storm_is_still_held_whole(stage: Stage) -> None:
    await deliver(stage, [alert(n) for n in range(EVENTS_KEPT + 10)])
    await deliver(stage, [builders.event()])
    (record,) = await stage.records()
    assert builders.event() in record.events
    assert folding.lost_nodes(record) == {NodeId("eu-a1")}


async def test_a_domain_claimed_by_a_correlator_that_died_is_written_by_the_next(stage: Stage) -> None:
    """A crash between the claim and the record must neither lose the event nor block its domain."""
    incidents = await stage.incidents()
    first = builders.event()
    await incidents.claim(await incidents.domain(NODE), folding.incident_id(first.id))
    await deliver(stage, [alert(1)])
    await deliver(stage, [first])
    (record,) = await stage.records()
    assert record.id == folding.incident_id(first.id)
    assert record.event_ids == (alert(1).id, first.id)


async def test_redelivery_changes_nothing(stage: Stage) -> None:
    await deliver(stage, [builders.event()])
    before = await stage.records()
    await deliver(stage, [builders.event(), builders.event()])
    assert await stage.records() == before
    assert len(await stage.bus.replay("CASES")) == 1


@settings(max_examples=25)
@given(st.data())
async def test_any_order_with_any_repeats_ends_in_one_incident_with_every_event(data: st.DataObject) -> None:
    events = [builders.event(), *(alert(n) for n in range(6))]
    order = data.draw(st.permutations(events))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=6))
    stage = Stage(builders.estate())
    await deliver(stage, [*order, *repeats])
    (record,) = await stage.records()
    assert set(record.event_ids) == {e.id for e in events}
    assert record.events_seen == len(events)


async def test_an_informative_event_that_overtakes_its_fault_is_kept_for_it(stage: Stage) -> None:
    consumer = await correlator(stage)
    early = alert(severity=Severity.INFO)
    with pytest.raises(RetryLater, match="overtake"):
        await consumer.on_event(delivery(early))
    await consumer.on_event(delivery(builders.event()))
    await consumer.on_event(delivery(early, attempt=2))
    (record,) = await stage.records()
    assert record.events_seen == 2
    await consumer.on_event(delivery(alert(place=Place(site=SiteId("us-east")), severity=Severity.INFO), attempt=3))
    assert len(await stage.records()) == 1


async def test_records_are_changed_by_compare_and_swap_only(stage: Stage) -> None:
    incidents: Incidents = await stage.incidents()
    record = opened()
    await incidents.write(record, None)
    changes = (incidents.change(record.id, lambda r, n=n: folding.with_event(r, alert(n))) for n in range(20))
    await asyncio.gather(*changes)
    assert (await incidents.read(record.id)).events_seen == 21


def test_the_end_of_a_trouble_finds_its_incident_when_the_workload_is_gone() -> None:
    """By the word of our own sensors only: another sender's evidence leads nowhere."""
    told = Evidence(sensor="lawfulness", about="workload/gone", condition="lawful", since=builders.START, snapshot="1")
    place = Place(site=SiteId("eu-de"), cluster=ClusterId("eu-1"))
    ended = builders.event(place=place, resolved=True, evidence=told, channel=ChannelId("inventory"))
    assert domains(ended, builders.estate()) == ("workload/gone",)
    assert domains(ended.model_copy(update={"channel": ChannelId("eu-kernel")}), builders.estate()) == ("cluster/eu-1",)
