"""A room that is made once somebody looks into it: most constraints ask where others of a workload were seated, alone.

Called by `questions`, for families that are asked by their own masks. What a `Room` says, this one says.
"""

from __future__ import annotations

from typing import Any

from tools.placement.columns import Ints
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


class LateRoom(Room):
    """Knows who was seated, and the rest when it is asked for."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self.seated = wish.stays()
        self.taken: list[tuple[int, Ints]] = []
        self.put: list[tuple[int, Ints, int]] = []
        """What was seated: row, slots, watts."""
        self._made = False

    def __getattr__(self, name: str) -> Any:
        """Whatever was not said yet."""
        if name.startswith("__") or self._made:
            raise AttributeError(name)
        self._made = True
        super().__init__(self._wish)
        for seat in self.put:
            super().seat(*seat)
        return getattr(self, name)

    def seat(self, row: int, slots: Ints, watts: int) -> None:
        """As a room does."""
        self.put.append((row, slots, watts))
        if self._made:
            super().seat(row, slots, watts)
        else:
            self.taken.append((row, slots))
            self.seated.append(row)
