"""What holds for every sensor: properties of alarms, of identity, of hostile readings, and of what a step costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from estate.evidence import Evidence
from estate.facilities.power import Pdu
from estate.ids import FeedId, PduId
from estate.observations import EventType
from estate.references import Ref
from estate.units import Watts
from tests import builders
from tests.sensors.series import Series
from tools.inventory.port import Heard
from tools.payloads import cloudevents
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Writing
from tools.sensors import alarms
from tools.sensors.alarms import Alarm, Edge, Hold, Level
from tools.sensors.measuring import taken
from tools.sensors.telling import telling

LEVELS = st.lists(st.tuples(st.sampled_from(Level), st.integers(-60, 600)), max_size=60)


@given(LEVELS, st.integers(0, 300), st.integers(0, 300))
def test_an_alarm_is_never_raised_twice_without_a_clear_between(
    levels: list[tuple[Level, int]], raise_after: int, clear_after: int
) -> None:
    alarm, now, edges, hold = Alarm(), builders.START, list[Edge](), Hold.seconds(raise_after, clear_after)
    for level, seconds in levels:
        now += timedelta(seconds=seconds)
        alarm, edge = alarms.step(alarm, level, now, hold)
        assert edge is not Edge.RAISED or level is Level.BAD
        assert edge is not Edge.CLEARED or level is Level.GOOD
        edges += [edge] if edge else []
    assert edges[::2] == [Edge.RAISED] * len(edges[::2])
    assert edges[1::2] == [Edge.CLEARED] * len(edges[1::2])
    assert alarm.occurrence == edges.count(Edge.RAISED)


WATTS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 400)), min_size=1, max_size=40)


@given(WATTS)
def test_the_evidence_always_justifies_the_event(draws: list[tuple[int, int]]) -> None:
    series = Series().begin()
    for watts, seconds in draws:
        series.put(Pdu(id=PduId("p"), feed=FeedId("f"), capacity_watts=Watts(10_000), drawn_watts=Watts(watts)))
        series.wait(seconds, 20)
    for signal in series.of("power-exceeded"):
        drawn, evidence = signal.evidence.value("drawn"), signal.evidence
        if signal.resolved:
            assert drawn <= evidence.value("clear-below")
        else:
            assert drawn > evidence.value("raise-above")
        held = (signal.at - evidence.since).total_seconds()
        assert held >= (300 if signal.resolved else 30)
    for signal in series.of("power-forecast"):
        if not signal.resolved:
            assert signal.evidence.value("time-to-limit") <= signal.evidence.value("within")


VALUES = st.one_of(st.floats(), st.none(), st.just(float("nan")))


@given(st.lists(st.tuples(VALUES, st.integers(-100_000, 100_000), st.sampled_from(Metric)), max_size=30))
def test_no_reading_breaks_a_sensor(readings: list[tuple[float | None, int, Metric]]) -> None:
    """NaN, infinite, negative, huge, late, doubled, from the future, of any metric."""
    series = Series().begin()
    for value, offset, metric in readings:
        writing = Writing("test", series.now + timedelta(seconds=offset))
        for mention in (
            Mention(MentionKind.NODE, "eu-a1.eu.example", "eu-1"),
            Mention(MentionKind.NODE, "nobody", "eu-1"),
            Mention(MentionKind.GPU_UUID, "GPU-eu-a1-0"),
            Mention(MentionKind.MODEL_SERVER, "tenant-a/a-serve-7c9f-xk2", "eu-1"),
        ):
            writing.add(mention, metric, value)
        heard = Heard("t", series.now, readings=(writing.done(), writing.done()))
        found = taken((heard,), frozenset(Metric), series.estate, series.now)
        for one, of in found.of.items():
            assert all(np.isfinite(m.value) and m.at <= series.now for m in of)
            series.read(one, *((m.about, m.value) for m in of))
        series.wait(30, 30)


def test_a_reading_finds_the_thing_that_its_sender_means() -> None:
    estate, now = builders.estate(), builders.START
    writing = Writing("test", now)
    writing.add(Mention(MentionKind.NODE, "eu-a1.eu.example", "eu-1"), Metric.POWER_DRAWN, 100.0)
    writing.add(Mention(MentionKind.HOSTNAME, "us-a1.us.example"), Metric.POWER_DRAWN, 200.0)
    writing.add(Mention(MentionKind.CHASSIS, "/redfish/v1/Chassis/1", "eu-a2"), Metric.POWER_DRAWN, 300.0)
    writing.add(Mention(MentionKind.CHASSIS, "/redfish/v1/Chassis/1", "eu-a2", "PSU 0"), Metric.POWER_DRAWN, 9.0)
    writing.add(Mention(MentionKind.MODEL_SERVER, "tenant-a/a-serve-7c9f-xk2", "eu-1"), Metric.FIRST_TOKEN_P95, 0.4)
    found = taken((Heard("t", now, readings=(writing.done(),)),), frozenset(Metric), estate, now)
    assert {(str(m.about), m.value) for of in found.of.values() for m in of} == {
        ("node/eu-a1", 100.0),
        ("node/us-a1", 200.0),
        ("node/eu-a2", 300.0),
        ("workload/a-serve", 0.4),
    }
    assert found.dropped == 1


def test_the_same_history_told_by_two_processes_is_the_same_events() -> None:
    told = list[list[str]]()
    for _ in range(2):
        series = Series().begin()
        for watts in (12_000, 9_000, 12_000):
            series.put(Pdu(id=PduId("p"), feed=FeedId("f"), capacity_watts=Watts(10_000), drawn_watts=Watts(watts)))
            series.wait(400, 10)
        told.append([telling(s, builders.INSTALLATION).id for s in series.told])
    assert told[0] == told[1]
    assert len(set(told[0])) == len(told[0]) == 3, "raised, cleared, raised again: each is an event of its own"


def test_what_is_told_is_read_by_intake_with_its_evidence() -> None:
    series = Series().begin()
    series.put(Pdu(id=PduId("p"), feed=FeedId("f"), capacity_watts=Watts(10_000), drawn_watts=Watts(12_000)))
    series.wait(40)
    body = telling(series.told[0], builders.INSTALLATION).body
    (seen,) = cloudevents.parse(body, {"content-type": "application/cloudevents+json"}).observations
    assert seen.type is EventType.POWER_EXCEEDED
    assert isinstance(seen.evidence, Evidence)
    assert seen.evidence.value("drawn") == 12_000
    assert seen.unknown_fields == 0


def test_a_tick_judges_what_is_due_and_nothing_else() -> None:
    series = Series().begin()
    for number in range(300):
        series.put(
            Pdu(id=PduId(f"p{number}"), feed=FeedId("f"), capacity_watts=Watts(10_000), drawn_watts=Watts(5_000))
        )
    series.put(Pdu(id=PduId("p7"), feed=FeedId("f"), capacity_watts=Watts(10_000), drawn_watts=Watts(11_000)))
    assert series.looked == 1
    looked = 0
    for _ in range(29):
        series.wait(1)
        looked += series.looked
    assert looked == 0
    series.wait(2)
    assert series.raised("power-exceeded") == 1
    assert datetime.fromtimestamp(series.state.ticked, UTC) == series.now
    assert Ref("pdu", "p7") in {Ref(*s.key.subject.split("/")) for s in series.told}
