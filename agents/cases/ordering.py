"""Machines ordered for work that fits nowhere, within what its own contract may cost. Pure; called by `placing`.

A plan for bursting is made for that workload alone; whatever a group of machines in signed facts can give of it becomes
changes. The gate holds them against the house's ceilings and asks an operator. What is ordered already is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from estate import pledges
from estate.changes import ScaleMachineGroup
from estate.errors import BadInput
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.planning.planning import plan
from tools.placement.planning.plans import Burst
from tools.placement.planning.solving import Effort

_EFFORT: Final = Effort(whole=0.3)
_HOURS: Final = 24
"""An offer that ends sooner is not worth a machine that is made for it."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """The changes, and what speaks for them."""

    changes: tuple[ScaleMachineGroup, ...] = ()
    says: tuple[str, ...] = ()


def ordered(snapshot: Snapshot, workload: Workload, now: datetime) -> Ordered:
    """What to order; nothing where no contract says how much it may cost, or no group could give it."""
    ceiling = pledges.of(snapshot, workload, now).cost_ceiling
    if ceiling is None or not snapshot.facts.pools:
        return Ordered()
    try:
        found = plan(snapshot, Burst(workload=workload.id, ceiling=ceiling, hours=_HOURS), now, _EFFORT)
    except BadInput as error:
        return Ordered(says=(f"{workload.id}: no machines are ordered: {error}",))
    told = tuple(
        f"{workload.id}: {r.machines} × {r.offer}, {r.hourly} micro-USD an hour: {r.ask}" for r in found.rentals
    )
    return Ordered(found.orders, told)
