"""Evidence: what a sensor measured, against which thresholds, over which window and on which snapshot.

Part of an `Observation` and of the `Event` that intake makes of it, so that whoever reads the event can work out again
why it was raised. Integers only: a value's unit is chosen so that nothing that decides is lost.
"""

from __future__ import annotations

from pydantic import Field

from estate.canonical import LARGEST_INTEGER
from estate.hands import Hand
from estate.records import Model, Time, later
from estate.verdicts import Failure


class Quantity(Model):
    """One number and its unit."""

    name: str = Field(min_length=1, max_length=64)
    value: int = Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)
    unit: str = Field(max_length=16)


class Evidence(Model):
    """Why something was said."""

    sensor: str = Field(min_length=1, max_length=64)
    about: str = Field(min_length=1, max_length=600)
    """What was watched: `rack/eu-a`."""
    condition: str = Field(min_length=1, max_length=200)
    """Which of the things that may be wrong with it."""
    values: tuple[Quantity, ...] = Field(default=(), max_length=32)
    thresholds: tuple[Quantity, ...] = Field(default=(), max_length=32)
    window_seconds: int = Field(default=0, ge=0)
    """How long the condition held, or over what time the values were counted."""
    since: Time
    """When the condition began."""
    snapshot: str = Field(max_length=200)
    """The version of the estate on which it was judged."""
    failures: tuple[Failure, ...] = later((), max_length=32)
    """What the law says against it, where it is unlawful."""
    by: Hand | None = later()
    """Whose hand made it so; None: nobody recorded it."""

    def value(self, name: str) -> int:
        """The measured value, or the threshold, of that name. Raises KeyError."""
        return {q.name: q.value for q in (*self.values, *self.thresholds)}[name]
