"""Stages: what feeds, or is fed by, other workloads stands near them. Unknown ground is near nothing."""

from __future__ import annotations

import numpy as np

from estate.ids import WorkloadId
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.company import span
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import Wish


def standing(wish: Wish) -> Masks:
    """Where it would stand too far from its other stages, as far as those stand anywhere."""
    stage = wish.contract.stage
    if stage is None:
        return {}
    where, others = span(wish, stage.near), _others(wish)
    return {Constraint.STAGES: (where < 0) | ~np.isin(where, where[others]) if others.size else where < 0}


def _others(wish: Wish) -> Ints:
    """The nodes of the other stages' replicas; who stands on one that has failed will move as well."""
    assert wish.contract.stage is not None
    stages = (wish.snapshot.workload(WorkloadId(n)) for n in wish.contract.stage.beside)
    held = (wish.columns.rows.get(b.node) for s in stages if s is not None for b in s.bindings)
    return np.array([row for row in held if row is not None and wish.columns.fit[row]], dtype=np.int64)


def _words(by: Refused) -> Words:
    stage = by.wish.contract.stage
    assert stage is not None
    there = sorted({by.wish.columns.ids[r] for r in _others(by.wish)})
    found = f"they stand on {', '.join(there[:3])}" if there else f"in no {stage.near.value} by signed fact"
    return f"one {stage.near.value} with {', '.join(stage.beside)}", found, "move all stages together"


def _eased(wish: Wish, _attempt: Attempt) -> Easing:
    return Easing({"stage": None}, "accept that its stages stand far from each other")


RULES = (promise(Constraint.STAGES, _words, _eased, "a place near your other stages"),)
