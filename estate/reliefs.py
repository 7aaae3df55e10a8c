"""What people set to let a guardrail give way for a time: exceptions to one rule, and broken glass.

Signed, and in the ledger before they count. Neither ever reaches tier 0 (`policies.reliefs` refuses it, and the rules
of tier 0 read none of it).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from estate.identities import Subject
from estate.ids import Digest, InstallationId, PolicyId
from estate.modes import Scope
from estate.records import Model, Record, Time


class PolicyException(Record):
    """One rule of tier 1 gives way in a scope until a time."""

    kind: Literal["placet.exception"] = "placet.exception"
    v: Literal[1] = 1
    installation: InstallationId
    rule: PolicyId
    scope: Scope
    target: str = Field(default="", max_length=600)
    """What a verdict calls the thing that failed, e.g. `rack/eu-a`; empty: whatever is in the scope."""
    reason: str = Field(min_length=1, max_length=500)
    valid_until: Time
    revoked: bool = False
    by: Subject
    at: Time

    @model_validator(mode="after")
    def _is_for_something(self) -> Self:
        if self.scope == Scope() and not self.target:
            raise ValueError("scope: an exception for everything is another rule; name a site, a tenant or a target")
        return self


class GlassWord(StrEnum):
    """What one person says of broken glass."""

    BREAK = "break"
    SECOND = "second"
    REVIEW = "review"


class BreakGlass(Record):
    """One person's part in it: the first breaks, another seconds, a third reviews what was done."""

    kind: Literal["placet.break-glass"] = "placet.break-glass"
    v: Literal[1] = 1
    installation: InstallationId
    word: GlassWord
    of: Digest | None = None
    """The digest of the word that broke it; of that word itself None."""
    scope: Scope = Scope()
    """Of the word that breaks; the others repeat it."""
    reason: str = Field(min_length=1, max_length=2000)
    """Of a review: what was found."""
    by: Subject
    at: Time

    @model_validator(mode="after")
    def _names_what_it_answers(self) -> Self:
        if (self.of is None) is not (self.word is GlassWord.BREAK):
            raise ValueError("of: name the word that broke the glass in every other word, and in none that breaks")
        return self


class GlassState(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    """For a second person."""
    LAPSED = "lapsed"
    """Nobody came in time: it never was in force."""
    IN_FORCE = "in-force"
    REVIEW_DUE = "review-due"
    OVERDUE = "overdue"
    REVIEWED = "reviewed"


class Glass(Model):
    """Broken glass as it stands now."""

    id: Digest
    """Of the word that broke it."""
    state: GlassState
    scope: Scope
    reason: str
    by: tuple[Subject, ...]
    """Who broke it, and who seconded."""
    until: Time | None = None
    due_at: Time | None = None
    """By when somebody else must have reviewed it."""
    reviewed_by: Subject | None = None
    finding: str = ""
