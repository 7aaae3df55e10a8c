"""One search in one cluster: what it seated, and what stopped it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from estate.workloads import Binding
from tools.placement.constraints.kinds import Masks
from tools.placement.rooms import Room


@dataclass(slots=True)
class Attempt:
    """One search in one cluster: what was seated, and the masks that stopped the next replica (or met the first)."""

    cluster: int
    wanted: int
    bindings: list[Binding] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    """Free accelerators left on each chosen node, when it was chosen."""
    fill: list[int] = field(default_factory=list)
    """Thousandths of the rack's budget that are drawn afterwards, when it was chosen."""
    aims: Counter[str] = field(default_factory=Counter)
    """What its kind of work is after, summed over the chosen nodes."""
    points: list[int] = field(default_factory=list)
    """Of each chosen node, where the search was given points."""
    runner_up: int | None = None
    room: Room | None = None
    """What is left after the replicas that were seated."""
    first: Masks = field(default_factory=dict)
    last: Masks = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every replica has a home."""
        return len(self.bindings) == self.wanted
