"""Which workloads no constraint can tell apart, so that what was found for one of them holds for all.

Called by `booking` and `worth`, which look at everything that waits: a fleet has few kinds of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from estate import reserving
from estate.ids import ReservationId
from estate.workloads import Workload, WorkloadContract
from tools.placement.constraints.kinds import Masks
from tools.placement.constraints.table import enduring
from tools.placement.wishes import Wish

_APART: Final = {"id", "uid", "name", "replicas", "bindings", "gangs", "counted", "gated", "cluster", "contract"}
"""What of a workload no mask of a replica reads that has no others; where it may go stands in its wish."""
_OWN: Final = tuple(name for name in Workload.model_fields if name not in _APART)
_TERMS: Final = tuple(WorkloadContract.model_fields)
_SIZES: Final = frozenset(
    {"accelerators_per_replica", "models", "share", "bandwidth", "memory_mebibytes", "millicores", "host_mebibytes"}
)
_NOTHING: Final = frozenset[str]()


def alike(wish: Wish, blank: frozenset[str] = _NOTHING) -> object:
    """What tells wishes apart on the same columns, whose replicas have no others; without these terms of a contract."""
    own = (*(getattr(wish.workload, name) for name in _OWN), _reserved(wish))
    terms, mine = _told(wish.contract, blank), wish.workload.contract
    return (own, frozenset(wish.clusters()), terms, terms if wish.contract is mine else _told(mine, blank))


def _reserved(wish: Wish) -> tuple[ReservationId, ...]:
    """What is reserved for it: who holds the same may use the same."""
    return tuple(r.id for r in reserving.every(wish.snapshot) if reserving.held_by(r.terms, wish.workload))


def _told(contract: WorkloadContract, blank: frozenset[str]) -> tuple[object, ...]:
    return tuple(getattr(contract, name) for name in _TERMS if name not in blank)


@dataclass(frozen=True, slots=True)
class Enduring:
    """The masks that endure, of every kind of work on the same nodes: sizes are nothing to them."""

    _masks: dict[object, Masks] = field(default_factory=dict)

    def knowing(self, wish: Wish) -> Wish:
        """The same wish with its masks that endure."""
        key = alike(wish, _SIZES)
        if key not in self._masks:
            self._masks[key] = enduring(wish)
        return replace(wish, known=self._masks[key])
