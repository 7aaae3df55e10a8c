"""Alarms of the record reach people as any event does."""

from __future__ import annotations

from datetime import timedelta

from console.alarming import Alarms
from estate.incidents import CaseState
from estate.observations import EventType
from policies.heartbeats import Pulse, Watch
from policies.ledger.memory import MemoryLedger
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
