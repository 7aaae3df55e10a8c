"""Power: what a replica would draw, within the budget of the rack."""

from __future__ import annotations

import numpy as np

from estate.ids import RackId
from estate.verdicts import Dimension
from tools.placement import drawing
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where one more replica would be too much for the rack."""
    c = wish.columns
    if not c.rack_budget.size:
        return {Constraint.POWER: np.zeros(len(c.ids), dtype=np.bool_)}
    return {Constraint.POWER: (c.rack >= 0) & (_after(wish, room, without) > c.rack_budget[c.rack])}


def _after(wish: Wish, room: Room, without: Constraint | None) -> Ints:
    """For each node, what its rack would draw with one more replica there."""
    return room.rack_after(drawing.added(wish, room, without))


def _words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    left = wish.columns.rack_budget[wish.columns.rack] - by.room.spoken_for[wish.columns.rack]
    racks = sorted({wish.columns.names.racks[r] for r in wish.columns.rack[refused]})
    found = f"at most {int(left[refused].max())} W left in {', '.join(racks)}"
    return f"{wish.watts} W within the rack's budget", found, "free power in the rack, or raise its budget by a fact"


def lacking_watts(wish: Wish, attempt: Attempt) -> dict[RackId, int]:
    """Watts by which the budget of each rack would be too small, with all replicas seated as in the attempt."""
    room, columns = attempt.room or Room(wish), wish.columns
    racks = sorted({int(columns.rack[r]) for r in attempt.rows if columns.rack[r] >= 0})
    over = {
        columns.names.racks[r]: int(room.spoken_for[r]) for r in racks if room.spoken_for[r] > columns.rack_budget[r]
    }
    budgets = {rack: int(wish.facts.rack[rack].power_budget_watts) for rack in over}
    return {rack: columns.reserves.needed(watts) - budgets[rack] for rack, watts in over.items()}


def _relaxed(wish: Wish, attempt: Attempt) -> str:
    parts = [f"{watts} W in rack `{rack}`" for rack, watts in lacking_watts(wish, attempt).items()]
    return f"free {' and '.join(parts)}, or raise the budget there by a signed fact"


def _missing(wish: Wish) -> Ints:
    c = wish.columns
    if not c.rack_budget.size:
        return np.zeros(len(c.ids), dtype=np.int64)
    over: Ints = np.maximum(_after(wish, Room(wish), Constraint.POWER) - c.rack_budget[c.rack], 0)
    return over


RULES = (Rule(Constraint.POWER, _words, _relaxed, "power for the accelerators", Dimension.POWER, _missing),)
