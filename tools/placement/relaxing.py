"""The nearest relaxation: the first single constraint, from the cheapest, without which everything would fit.

Each candidate is a search of its own, so what is said here was computed. The law is never offered as negotiable:
where only a sovereignty axis stands in the way, the words say that signed facts would have to change.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.table import RULES
from tools.placement.searching import search
from tools.placement.wishes import Wish


def nearest(wish: Wish, failed: Attempt) -> str:
    """The smallest relaxation found that would admit the ask, in words."""
    if not wish.columns.ids:
        return "the estate has no nodes; add some"
    for constraint in Constraint:
        if constraint not in failed.last:
            continue  # nothing of it was asked for
        found = _moved_whole(wish) if constraint is Constraint.CLUSTER else _without(wish, constraint)
        if found:
            return found
    if failed.bindings:
        return f"ask for {len(failed.bindings)} instead of {failed.wanted} replicas; that many fit as things are"
    return _closest(wish, failed)


def _without(wish: Wish, constraint: Constraint) -> str | None:
    attempt = search(wish, constraint, misses(wish, constraint))
    return RULES[constraint].relaxed(wish, attempt) if attempt.complete else None


def _moved_whole(wish: Wish) -> str | None:
    if wish.whole:
        return None
    everything = tuple(range(wish.workload.replicas))
    attempt = search(replace(wish, ask=replace(wish.ask, replicas=everything)))
    if not attempt.complete:
        return None
    return words(wish, attempt, Constraint.CLUSTER)


def words(wish: Wish, attempt: Attempt, constraint: Constraint) -> str:
    """What it takes to do without that constraint, as the attempt did."""
    return RULES[constraint].relaxed(wish, attempt)


def misses(wish: Wish, constraint: Constraint) -> Ints | None:
    """How far each node is from meeting the constraint, in its unit; None where there is no measure."""
    measure = RULES[constraint].misses
    return None if measure is None else measure(wish)


def _closest(wish: Wish, failed: Attempt) -> str:
    """No single relaxation helps: the node with the fewest failed constraints, and those."""
    order = [c for c in Constraint if c in failed.last]
    failing = np.stack([failed.last[c] for c in order])
    row = int(np.argmin(failing.sum(axis=0)))
    names = ", ".join(c.value for c, f in zip(order, failing[:, row], strict=True) if f)
    if not names:
        return "no single change admits it; move something else away first"
    return f"no single change admits it; `{wish.columns.ids[row]}` comes closest and fails on: {names}"
