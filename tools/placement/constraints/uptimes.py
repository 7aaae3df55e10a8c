"""Uptimes: how many replicas one failure domain may hold, so that as many run as long as the contract promises.

The search tries caps from none to the strictest (`availabilities.layouts`) and takes the first whose seats keep the
promise; where none does, everything is refused for it.
"""

from __future__ import annotations

import numpy as np

from estate.units import PerMille
from tools.placement import availabilities
from tools.placement.attempts import Attempt
from tools.placement.constraints.company import span
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def moving(wish: Wish, room: Room, _without: Constraint | None) -> Masks:
    """Where a domain holds as many of its replicas as it may."""
    if wish.contract.availability is None:
        return {}
    found = np.zeros(len(wish.columns.ids), dtype=np.bool_)
    for over, most in wish.caps:
        where = span(wish, over)
        held = np.bincount(where[room.seated][where[room.seated] >= 0], minlength=int(where.max(initial=0)) + 1)
        found |= (where < 0) | (held[where] >= most)
    return {Constraint.AVAILABILITY: found}


def _words(by: Refused) -> Words:
    wish = by.wish
    least = max(1, wish.contract.min_available)
    needed = f"{least} of {wish.workload.replicas} replicas up for {wish.contract.availability} ‰ of the time"
    if by.refused.all() or not wish.caps:
        best = availabilities.permille(wish, by.room.seated) if by.room.seated else 0
        found = f"{best} ‰ where they would stand, by what is known of failures"
    else:
        ((over, most),) = wish.caps
        found = f"no more than {most} in one {over.value} would do, and {len(by.room.seated)} have such a place"
    return needed, found, "promise fewer of them, run more, or open another place that does not fail with these"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    best = availabilities.permille(wish, (*wish.stays(), *attempt.rows))
    return Easing({"availability": PerMille(best)}, f"accept that they are up for {best} ‰ of the time")


RULES = (promise(Constraint.AVAILABILITY, _words, _eased, "places that do not fail together"),)
