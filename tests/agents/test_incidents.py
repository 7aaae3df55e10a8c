"""Two processes change one record: what a process saw last is where it begins, and never what it answers."""

from __future__ import annotations

from datetime import timedelta

from agents import folding
from agents.incidents import Incidents
from estate.events import Event
from estate.ids import IncidentId
from estate.incidents import CaseState, Incident
from tests import builders
from tests.agents.staging import Stage

NAME = IncidentId("inc-1")


async def opened(stage: Stage, event: Event) -> tuple[Incidents, Incidents]:
    ours, theirs = await stage.incidents(), await stage.incidents()
    await ours.write(folding.opened(event, NAME, "node/eu-a1"), None)
    return ours, theirs


def at_work(record: Incident) -> Incident:
    return folding.with_state(record, CaseState.HANDED_OVER, "somebody took it", builders.START)


def seen_once_more(record: Incident) -> Incident:
    return record.model_copy(update={"updated_at": record.updated_at + timedelta(seconds=1)})


async def test_a_change_of_a_record_that_another_has_changed_keeps_both(stage: Stage) -> None:
    ours, theirs = await opened(stage, builders.event())
    await theirs.change(NAME, at_work)
    changed = await ours.change(NAME, seen_once_more)
    assert changed.state is CaseState.HANDED_OVER
    assert await theirs.read(NAME) == changed


async def test_a_change_that_would_change_nothing_of_what_was_known_is_tried_on_what_is_there(stage: Stage) -> None:
    """The record has ended meanwhile: an answer off the old one would say that it is open."""
    ours, theirs = await opened(stage, builders.event())
    await theirs.change(NAME, at_work)
    assert (await ours.change(NAME, lambda record: record)).state is CaseState.HANDED_OVER
