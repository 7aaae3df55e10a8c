"""Families of constraints that are asked by their own masks while a compiled search goes on: no rule is written twice.

Called by `questions`, for each attempt. What a family looks at (`kinds.Reach`) says how it is asked: once for each kind
of node; of the few nodes whose turn it is; or, where nothing is said, of the fleet, before every replica.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from tools.placement import choosing, objectives
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints import company
from tools.placement.constraints.kinds import Masks, Reach
from tools.placement.constraints.table import Family
from tools.placement.online.frames import Frame
from tools.placement.online.rooms import LateRoom
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

FEW: Final = 4
"""Nodes that are asked about at first; eight times as many each time that none of them would do."""
MORE: Final = 8


def leads(wish: Wish, typical: Columns, families: tuple[Family, ...]) -> Ints:
    """Of each kind what its work is after, as ranks, more is better; -1 where a family refuses it."""
    found = np.zeros(len(typical.ids), dtype=np.int64)
    asked = [still for f in families if f.reach is Reach.KIND for still in f.still]
    if not asked and not objectives.tells_kinds(wish):
        return found
    at = Wish(wish.snapshot, typical, wish.ask, wish.workload, joined=wish.joined)
    aims = [aim.values for aim in objectives.of_kinds(at)]
    if aims:
        _, ranks = np.unique(np.stack(aims, axis=1), axis=0, return_inverse=True)
        found = int(ranks.max(initial=0)) - ranks.reshape(-1)
    for still in asked:
        for mask in still(at).values():
            found[mask] = -1
    return found


def standing(frame: Frame, wish: Wish, families: tuple[Family, ...]) -> Flags | None:
    """The nodes that stay refused whoever is seated, as far as that is asked of the fleet; None: nobody refuses any."""
    masks = [m for f in families if f.reach is Reach.FLEET for still in f.still for m in still(wish).values()]
    avoid = [row for name in wish.ask.avoid if (row := frame.columns.rows.get(name)) is not None]
    if not masks and not avoid:
        return None
    found: Flags = np.logical_or.reduce([np.zeros(len(wish.columns.ids), dtype=np.bool_), *masks])
    found[avoid] = True
    return found


class Passing:
    """Who may refuse a node in one attempt, and who stands where in it."""

    def __init__(
        self, frame: Frame, wish: Wish, families: tuple[Family, ...], still: Flags | None, *, near: bool
    ) -> None:
        """`near`: the search is inside one domain already, so nobody is too far from the others."""
        self._frame, self._wish = frame, wish
        self.room = LateRoom(wish)
        self._moves = [m for f in families if f.reach is not Reach.NODE for m in f.moves]
        self._few = [f for f in families if f.reach is Reach.NODE]
        contract = wish.contract
        self._apart = contract.spread is not None or (contract.together is not None and not near)
        self._still = still
        self._refused: list[int] = []
        self._passed = set[int]()
        self._barred = False

    def bar(self) -> None:
        """Close what is refused to the next replica, as far as that is known before its turn."""
        masks = [mask for moving in self._moves for mask in moving(self._wish, self.room, None).values()]
        if self._apart:
            masks += company.moving(self._wish, self.room, None).values()
        if not masks and self._still is None:
            return
        barred = self._frame.guard.barred
        if masks or not self._barred:
            np.logical_or.reduce([*masks, *([] if self._still is None else [self._still])], out=barred)
            barred[self._refused] = True
        self._barred = True

    def open(self, row: int) -> bool:
        """Whether a node that was found may be used, as far as it was asked about."""
        return not self._few or row in self._passed

    def ask(self, rows: Ints) -> None:
        """Ask about these nodes, and close those that are refused."""
        wish, room = self._cut(rows)
        refused = np.zeros(len(rows), dtype=np.bool_)
        for mask in (m for found in self._asked(wish, room) for m in found.values()):
            refused |= mask
        self._frame.columns.learn(rows, wish.columns)
        self._refused += rows[refused].tolist()
        self._passed.update(rows[~refused].tolist())
        self._frame.guard.barred[rows[refused]] = True
        self._barred = True

    def slots(self, row: int) -> Ints | None:
        """The devices to take, where the contract names a part of the node."""
        if self._wish.workload.contract.locality is None:
            return None
        wish, room = self._cut(np.array([row]))
        return choosing.devices(wish, room, 0, None)

    def seat(self, row: int, slots: Ints) -> None:
        """A replica is there: the node is asked about anew."""
        self.room.seat(row, slots, self._wish.watts)
        self._passed.discard(row)

    def end(self) -> None:
        """Nothing is closed any more."""
        if self._barred:
            self._frame.guard.barred[:] = False

    def _asked(self, wish: Wish, room: Room) -> Iterator[Masks]:
        for family in self._few:
            yield from (still(wish) for still in family.still)
            yield from (moving(wish, room, None) for moving in family.moves)

    def _cut(self, rows: Ints) -> tuple[Wish, Room]:
        """The same question of these nodes alone, with who was seated there."""
        wish = self._wish
        columns = self._frame.columns.of(rows)
        few = Wish(wish.snapshot, columns, wish.ask, wish.workload, joined=wish.joined)
        room, at = Room(few), {row: place for place, row in enumerate(rows.tolist())}
        for row, slots, watts in self.room.put:
            if row in at:
                room.seat(at[row], slots, watts)
        return few, room
