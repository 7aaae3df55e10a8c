"""Faults that a twin world is told to have: a dry run passes, the write itself fails. For demos, evals and tests."""

from __future__ import annotations

from dataclasses import dataclass

from estate.changes import Change
from estate.errors import RetryLater
from estate.results import Refusal, RefusalCode


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the next writes of one kind to one thing."""

    about: str
    """The written target, e.g. `workload/a-serve`."""
    change: str
    """The kind of change, e.g. `MoveWorkload`."""
    message: str
    passing: bool
    """True: raised as RetryLater, as a lost connection would be. False: a refusal of the write."""

    @classmethod
    def key_of(cls, change: Change) -> tuple[str, str]:
        """The (about, change) under which a fault for this change is found."""
        return str(change.target()), change.kind

    def refusal(self) -> Refusal:
        """The refusal that the write answers.

        Raises:
            RetryLater: the fault is a passing one.
        """
        if self.passing:
            raise RetryLater(self.message)
        return Refusal(code=RefusalCode.FAULT, about=self.about, message=self.message)
