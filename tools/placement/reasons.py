"""Masks in words: for each constraint how many nodes it refused, needed against found, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused
from tools.placement.constraints.table import RULES
from tools.placement.port import Miss, Reason
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def explain(wish: Wish, masks: Masks, room: Room) -> tuple[Reason, ...]:
    """A reason for each constraint that refused a node; most nodes first, then the cheapest to relax.

    `room` is what was left when these masks were made.
    """
    order = list(Constraint)
    refusing = [(c, masks[c]) for c in order if c in masks and masks[c].any()]
    refusing.sort(key=lambda pair: (-int(pair[1].sum()), order.index(pair[0])))
    return tuple(_reason(Refused(wish, refused, room), constraint) for constraint, refused in refusing)


def by_node(wish: Wish, masks: Masks, room: Room) -> Iterator[Miss]:
    """For each node what every constraint that refused it needed and found there; nodes in order."""
    order = [c for c in Constraint if c in masks]
    refused = np.stack([masks[c] for c in order]) if order else np.zeros((0, len(wish.columns.ids)), dtype=np.bool_)
    for row, number in zip(*np.nonzero(refused.T), strict=True):
        alone = np.zeros(len(wish.columns.ids), dtype=np.bool_)
        alone[row] = True
        needed, found, _ = RULES[order[number]].words(Refused(wish, alone, room))
        yield Miss(node=wish.columns.ids[row], constraint=order[number].value, needed=needed, found=found)


def _reason(by: Refused, constraint: Constraint) -> Reason:
    needed, found, remedy = RULES[constraint].words(by)
    return Reason(
        dimension=RULES[constraint].dimension,
        constraint=constraint.value,
        nodes=int(by.refused.sum()),
        needed=needed,
        found=found,
        remedy=remedy,
    )
