"""Outcomes: what was observed after an execution."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.ids import Digest, ExecutionId, IncidentId, InstallationId, SiteId
from estate.proposals import Lane
from estate.records import Model, Record, Time


class Ending(StrEnum):
    """How an execution ended."""

    VERIFIED = "verified"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    """Nothing was written: the warrant, the dry run, a precondition or the second decision said no."""
    FAILED = "failed"
    """A step failed and its undo too, or verification failed and nothing could be undone."""
    HANDED_OVER = "handed-over"
    """An undo was forbidden or impossible; a person must look."""
    LAPSED = "lapsed"
    """It was verified, and a later check found that it did not last. A second outcome of the same execution."""


class StepResult(Model):
    """What became of one step."""

    number: int
    applied: bool
    undone: bool = False
    message: str = ""


class Outcome(Record):
    """The end of one execution, as the executor observed it."""

    kind: Literal["placet.outcome"] = "placet.outcome"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    warrant: Digest
    execution: ExecutionId
    site: SiteId
    lane: Lane
    ending: Ending
    steps: tuple[StepResult, ...]
    reason: str = ""
    at: Time
