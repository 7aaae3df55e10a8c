"""What a parser gives back, and the shape of a parser.

Observations are what intake makes events of; facts and readings are what the inventory keeps. A payload of many items
loses none of them to a bad neighbour: the bad ones are faults with their place. Only a payload out of which nothing at
all can be read is refused whole (`BadInput`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from estate.errors import BadInput
from estate.observations import Observation
from tools.payloads.facts import readings as columns
from tools.payloads.facts.readings import Readings
from tools.payloads.facts.statements import Fact

type Headers = Mapping[str, str]
"""The headers that came with the body; names in any case."""

type Parser = Callable[[bytes, Headers], Parsed]
"""Body and headers to facts. Pure. Raises BadInput and nothing else."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One item that could not be read: where it stands in the payload, and why."""

    at: str
    reason: str

    def __str__(self) -> str:
        return f"{self.at}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """The facts of one payload, in its order."""

    observations: tuple[Observation, ...] = ()
    faults: tuple[Fault, ...] = ()
    ignored: int = 0
    """Items that are well formed and state no fact for us, such as ordinary kernel lines."""
    facts: tuple[Fact, ...] = ()
    readings: Readings = field(default=columns.NONE)


type Item = Observation | Fault | None
"""What became of one item; None was ignored."""


def gather(items: list[Item]) -> Parsed:
    """The parts of a batch put together.

    Raises:
        BadInput: there are faults and not one observation, so that the body belongs in the dead letters.
    """
    observations = tuple(i for i in items if isinstance(i, Observation))
    faults = tuple(i for i in items if isinstance(i, Fault))
    if faults and not observations:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise BadInput("; ".join(str(f) for f in faults[:3]) + more)
    return Parsed(observations, faults, ignored=sum(1 for i in items if i is None))
