"""Terms of a workload's contract that are things of their own: its supply of power, its pace on a model, its stages."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from estate.records import Model
from estate.units import Seconds


class Supply(StrEnum):
    """The class of a rack's power supply, from the least; each includes those before it."""

    BUFFERED = "buffered"
    """Behind batteries that bridge the time until a generator runs."""
    REDUNDANT = "redundant"
    """Fed twice, each time behind batteries: one feed may fail."""

    @property
    def rank(self) -> int:
        """How much it is; a supply that no fact tells of is 0."""
        return tuple(Supply).index(self) + 1


class Pace(Model):
    """How fast one replica is on a model of accelerators, as whoever runs it states it."""

    model: str = Field(default="", max_length=128)
    """Empty: on every model that no other pace names."""
    run_time: Seconds | None = Field(default=None, ge=1)
    """How long the whole run takes once its data is there."""
    items_per_hour: int | None = Field(default=None, ge=1, le=10**15)
    """Requests, samples or files that one replica handles in an hour."""
