"""What two sources contradict each other about: found by `merging` and `folding`, told by the sensors."""

from __future__ import annotations

from dataclasses import dataclass

from estate.references import Ref


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two sources that cannot both be right, or that nobody can say mean one thing."""

    about: Ref
    field: str
    """Empty: the claim as a whole, because no strong alias says that it is of the same thing."""
    kept: str
    """The source whose word stands."""
    refused: str

    def __str__(self) -> str:
        return f"{self.about}.{self.field}" if self.field else str(self.about)
