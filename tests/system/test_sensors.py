"""From a figure in the estate to an incident: the sensors, their NATS user and channel, and the agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.incidents import Incident
from estate.observations import EventType
from estate.units import Seconds
from tests.system.composed import cli, found, founded, settings, started
from tools.sensors.power import Power
from tools.sensors.registry import Settings

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-2")]

ESTATE = """\
kind: placet.estate
v: 1
items:
  - {{kind: feed, id: feed-a, capacity_watts: 90000}}
  - {{kind: pdu, id: pdu-1, feed: feed-a, rack: eu-a, capacity_watts: 20000, drawn_watts: {watts}}}
"""


async def test_a_pdu_over_its_limit_becomes_an_incident_of_its_rack_with_the_evidence(tmp_path: Path) -> None:
    file = tmp_path / "power.yaml"
    file.write_text(ESTATE.format(watts=15_000))
    quick = Settings(power=Power(raise_after_seconds=Seconds(1), clear_after_seconds=Seconds(1)))
    config = settings(estate=(file,), sensors=quick)
    async with started(founded(tmp_path / "state"), config) as composed:
        file.write_text(ESTATE.format(watts=21_500))

        async def opened() -> Incident | None:
            every = await composed.incidents()
            return next((i for i in every if i.domain == "rack/eu-a"), None)

        incident = await found(opened, "the rack's incident", 60)
        (event,) = incident.events
        assert event.type is EventType.POWER_EXCEEDED
        assert event.channel == "inventory"
        assert event.evidence is not None
        assert event.evidence.value("drawn") == 21_500 > event.evidence.value("raise-above") == 20_000
        file.write_text(ESTATE.format(watts=9_000))

        async def resolved() -> Incident | None:
            now = await composed.incident(incident.id)
            return now if now is not None and any(e.resolved for e in now.events) else None

        await found(resolved, "its end", 60)
        assert await composed.letters() == []


async def test_the_thresholds_in_force_are_shown(tmp_path: Path) -> None:
    state = founded(tmp_path / "state")
    _, shown, _ = await cli("--state-dir", str(state.root), "config", "view")
    assert "forecast_within_seconds: 1800" in shown
    assert "burn_tenths: 144" in shown
