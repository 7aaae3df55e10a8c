"""Alarms of the record reach people as any event does."""

from __future__ import annotations

from datetime import timedelta

from console import doctoring
from console.alarming import Alarms
from estate.incidents import CaseState
from estate.observations import EventType
from estate.records import write_time
from policies import skews
from policies.heartbeats import Pulse, Watch
from policies.ledger.memory import MemoryLedger
from policies.skews import Skewed
from tests import builders
from tests.agents.staging import Stage, ended
from tests.builders import INSTALLATION
from tests.ledger.test_activations import GATE


async def test_a_gate_that_fell_silent_opens_an_incident_and_its_return_joins_it() -> None:
    """No runbook mends it, so people have it; a watcher that starts anew, and tells again, opens no second one."""
    stage = Stage(builders.estate())
    pulse = Pulse(MemoryLedger(INSTALLATION), stage.clock, timedelta(minutes=1))
    alarms = Alarms(stage.bus, stage.subjects, stage.reader, stage.clock)
    watch = Watch(pulse, alarms.tell)
    async with stage.playing(law=False):
        await pulse.beat(GATE)
        stage.clock.advance(minutes=4)
        await watch.look()
        (record,) = await stage.until(ended)
        assert (record.state, record.domain) == (CaseState.HANDED_OVER, "site/eu-de")
        (event,) = record.events
        assert event.type is EventType.HEARTBEAT_MISSED
        assert event.message == (
            "no heartbeat of the gate since 2026-11-21 08:01 UTC: nothing is decided or recorded at any site"
        )
        await Watch(pulse, alarms.tell).look()
        await pulse.beat(GATE)
        stage.clock.advance(minutes=2)
        await pulse.beat(GATE)
        await watch.look()
        (record,) = await stage.until(lambda records: len(records[0].events) == 2)
    assert record.events[1].resolved
    assert record.events[1].message.endswith("08:01–08:04 UTC; nothing was decided or recorded then, and it is again")


async def test_a_clock_that_is_ahead_is_told_once_while_it_lasts_and_once_when_it_is_over() -> None:
    """Whoever watches anew, or the same clock refused again, opens no second case."""
    stage, ledger = Stage(builders.estate()), MemoryLedger(INSTALLATION)
    alarms = Alarms(stage.bus, stage.subjects, stage.reader, stage.clock)
    watch = skews.Watch(ledger, stage.clock, alarms.tell_skew)
    ahead = Skewed("dated ahead", "executor twin-1", 600)
    async with stage.playing(law=False):
        for _ in range(3):
            await skews.record(ledger, ahead, GATE, stage.clock())
            await watch.look()
            stage.clock.advance(minutes=5)
        (record,) = await stage.until(ended)
        (event,) = record.events
        assert (record.state, event.type) == (CaseState.HANDED_OVER, EventType.CLOCK_SKEWED)
        assert event.message == (
            "the clock of executor twin-1 is 600 s ahead of who reads it, 30 are allowed: what it dates is refused "
            "since 2026-11-21 08:00 UTC; set the clocks"
        )
        await skews.Watch(ledger, stage.clock, alarms.tell_skew).look()
        stage.clock.advance(minutes=10)
        await watch.look()
        (record,) = await stage.until(lambda records: len(records[0].events) == 2)
    assert record.events[1].resolved
    (found,) = await skews.skews(ledger, stage.clock())
    told = {"skews": [str(found)], "clock": write_time(stage.clock())}
    finding = doctoring._clocks(told, stage.clock() + timedelta(minutes=1))
    assert not finding.well
    assert finding.found == (
        "the clock of executor twin-1 was 600 s ahead, last at 2026-11-21 08:10 UTC; "
        "this clock is 60 s ahead of the console's"
    )
    assert doctoring._clocks({"skews": [], "clock": write_time(stage.clock())}, stage.clock()).well
