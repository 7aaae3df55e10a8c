"""Progress: what a case is doing, for people who watch. At most once; never a source of truth."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.ids import IncidentId
from estate.records import Record, Time


class Stage(StrEnum):
    """Where in DESIGN §6 a message comes from."""

    EVENT = "event"
    OPENED = "opened"
    FENCE = "fence"
    INVESTIGATE = "investigate"
    DIAGNOSE = "diagnose"
    PLAN = "plan"
    PLACE = "place"
    REHEARSE = "rehearse"
    SUBMIT = "submit"
    VERDICT = "verdict"
    APPROVAL = "approval"
    WARRANT = "warrant"
    NOTIFY = "notify"
    SNAPSHOT = "snapshot"
    STEP = "step"
    CANARY = "canary"
    UNDO = "undo"
    VERIFY = "verify"
    OUTCOME = "outcome"
    POST_CHECK = "post-check"


class Progress(Record):
    """One line of the story of a case."""

    kind: Literal["placet.progress"] = "placet.progress"
    v: Literal[1] = 1
    incident: IncidentId
    at: Time
    stage: Stage
    text: str
    details: tuple[str, ...] = ()
