"""Single facts one by one: what few of them cost in a batch is the batch.

Called by `engine` for what most deltas carry. It means what `batches` means, fact by fact, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from estate.alterations import (
    Bound,
    Capped,
    Cordoned,
    DeviceJudged,
    NodeJudged,
    OfNode,
    OfWorkload,
    Tainted,
    Unbound,
)
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.residents import Residents

FEW: Final = 24
"""So many facts, about, cost one by one what they cost in a batch."""


class Singles:
    """Single facts about the things of one inventory."""

    def __init__(self, machines: Machines, residents: Residents) -> None:
        self._machines, self._residents = machines, residents

    def take(self, happened: Sequence[Any], told: int) -> list[bool]:
        """Take facts of that word; False for each that is about what nobody knows, of which nothing was done."""
        return [
            self._move(fact, told) if isinstance(fact, Bound | Unbound) else self._alter(fact, told)
            for fact in happened
        ]

    def _alter(self, fact: OfNode, told: int) -> bool:
        row = self._machines.find(fact.node)
        if row == NONE:
            return False
        if isinstance(fact, DeviceJudged):
            if not self._machines.judge_one(row, fact.index, fact.health):
                return False
        else:
            self._machines.write(row, *_field(fact))
        self._machines.told.set(row, told)
        return True

    def _move(self, fact: OfWorkload, told: int) -> bool:
        row = self._residents.find(fact.workload)
        if row == NONE:
            return False
        binding = fact.binding if isinstance(fact, Bound) else None
        replica = fact.binding.replica if isinstance(fact, Bound) else fact.replica
        taken = self._residents.move(row, replica, binding)
        if taken:
            self._residents.told.set(row, told)
        return taken


def _field(fact: Cordoned | Tainted | Capped | NodeJudged) -> tuple[str, Any]:
    """The field that it is about, and its value."""
    match fact:
        case Cordoned(_, cordoned):
            return "cordoned", cordoned
        case Tainted(_, taints):
            return "taints", taints
        case Capped(_, watts):
            return "power_cap_watts", watts
        case NodeJudged(_, health):
            return "health", health
