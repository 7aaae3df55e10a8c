"""What a house keeps free of all that supplies and cools racks: one reading for the gate and for placement. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

_THOUSAND: Final = 1000


class Reserves(NamedTuple):
    """The part of what supplies and cools racks that a house keeps free, in thousandths."""

    power: int = 0
    cooling: int = 0

    def left(self, watts: int, *, cooling: bool = False) -> int:
        """What may be used of so many watts."""
        return watts * (_THOUSAND - (self.cooling if cooling else self.power)) // _THOUSAND

    def needed(self, watts: int, *, cooling: bool = False) -> int:
        """How many there must be for so many to be usable."""
        return -(-watts * _THOUSAND // max(_THOUSAND - (self.cooling if cooling else self.power), 1))


NOTHING: Final = Reserves()
"""A house that keeps nothing free."""
