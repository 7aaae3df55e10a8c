"""Whoever proposes without being registered is told of as an event: once, however often they try."""

from __future__ import annotations

from console.strangers import CODE, Strangers
from estate.observations import EventType
from policies import deciding
from tests import builders
from tests.agents.staging import Stage, ended
from tests.policies.asking import MOVE_A, MOVE_B, question


async def test_a_stranger_opens_one_incident_for_people_however_often_they_propose() -> None:
    stage = Stage(builders.estate(law_base=builders.facts(registrations=())))
    unlawful = [
        deciding.decide(question(builders.proposal(move, summary=text), stage.reader.newest())).verdict
        for move, text in ((MOVE_A, "one"), (MOVE_A, "two"), (MOVE_B, "three"))
    ]
    async with stage.playing(law=False):
        for again in range(2):
            strangers = Strangers(stage.bus, stage.subjects, stage.clock)
            for verdict in unlawful[again:]:
                await strangers.tell(verdict)
        (record,) = await stage.until(ended)
        (event,) = record.events
        assert (event.type, event.code, record.domain) == (EventType.ISOLATION_VIOLATED, CODE, "site/eu-de")
        assert str(builders.maker().content) in event.message
        assert "`placet facts register`" in event.message


async def test_whoever_is_registered_and_refused_for_something_else_is_no_stranger() -> None:
    stage = Stage(builders.estate())
    asked = deciding.decide(question(builders.proposal(MOVE_B), stage.reader.newest())).verdict
    async with stage.playing(law=False):
        await Strangers(stage.bus, stage.subjects, stage.clock).tell(asked)
        assert await stage.records() == ()
