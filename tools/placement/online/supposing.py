"""What is supposed of a frame for the length of one question, and taken back: homes given back, and seats.

Called by `questions`. It does to the compiled part what a `Room` does to columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tools.placement.columns import NOBODY, Ints
from tools.placement.online import changing
from tools.placement.online.classes import Need
from tools.placement.online.frames import Frame
from tools.placement.packing.demands import WHOLE
from tools.placement.wishes import Wish

_NONE = np.array([], dtype=np.int64)


type _Amounts = tuple[int, int, int, int]
"""Thousandths of each of the devices, millicores, mebibytes; and the watts that are added."""


class _Shift(NamedTuple):
    """See `changing.shift`; and whose the devices were."""

    row: int
    slots: Ints
    amounts: _Amounts
    sharers: Ints


class Supposed:
    """All of it, the newest last."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._shifts: list[_Shift] = []

    def __len__(self) -> int:
        """What `undo` goes back to."""
        return len(self._shifts)

    def vacate(self, wish: Wish) -> bool:
        """Give back what the asked replicas hold now; whether the devices can have been theirs."""
        moved, need, columns = set(wish.ask.replicas), Need.of(wish.workload), self._frame.columns
        for binding in wish.workload.bindings:
            row = columns.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.flatnonzero(np.isin(columns.index[row], binding.accelerators) & columns.healthy[row])
            for slot in held.tolist():  # somebody else may have a part of it
                free = int(self._frame.pool.free[row, slot])
                back = need.milli if wish.shared else WHOLE - free
                if free + back > WHOLE:
                    return False
                sharer = NOBODY if wish.shared and free + back == WHOLE else None
                self._shift(row, np.array([slot]), (back, 0, 0, 0), sharer)
            watts = wish.workload.watts_per_accelerator * len(binding.accelerators)
            self._shift(row, _NONE, (0, need.cpu, need.memory, -watts))
        return True

    def seat(self, wish: Wish, row: int, slots: Ints) -> None:
        """A replica is there."""
        need, sharer = Need.of(wish.workload), None
        if wish.shared:
            sharer = wish.payer if self._frame.pool.free[row, slots[0]] > need.milli else NOBODY
        self._shift(row, slots, (-need.milli, -need.cpu, -need.memory, wish.watts), sharer)

    def undo(self, to: int = 0) -> None:
        """Seats and homes are as they were."""
        pool, guard = self._frame.pool, self._frame.guard
        while len(self._shifts) > to:
            row, slots, amounts, sharers = self._shifts.pop()
            changing.shift(pool, guard, row, slots, *(-amount for amount in amounts))
            guard.sharer[row, slots] = sharers

    def _shift(self, row: int, slots: Ints, amounts: _Amounts, sharer: int | None = None) -> None:
        guard = self._frame.guard
        self._shifts.append(_Shift(row, slots, amounts, guard.sharer[row, slots].copy()))
        changing.shift(self._frame.pool, guard, row, slots, *amounts)
        if sharer is not None:
            guard.sharer[row, slots] = sharer
