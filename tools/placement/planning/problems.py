"""A seating problem as arrays: who may sit where, at which score, within which room, power and distance.

Made by `reading` off a snapshot, and by `benchmarks.joint` off a seed; solved by `solving`. It holds no law: what may
stand where at all is barred in `score` by whoever makes it, off the masks of the placement engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tools.placement.columns import Flags, Ints

BARRED: Final = -(2**60)
"""The score of a place where somebody may not sit."""
NOWHERE: Final = -1
BESIDE: Final = 1
"""Parties this far apart may not share a host."""
AWAY: Final = 2
"""Nor a rack."""


@dataclass(frozen=True)
class Problem:
    """Guests (replicas, or gangs that one place holds whole) and places (NVLink domains of nodes).

    A guest with a home sits somewhere in any case; one without may be left out, and then scores nothing.
    """

    units: Ints
    """Devices that each guest needs, in one place."""
    watts: Ints
    """What each guest adds to the draw of a rack."""
    party: Ints
    """Whose each guest is, as a row of `apart`."""
    crew: Ints
    """Guests of one number that have no home sit all or not at all; and when one moves, all are disturbed."""
    flock: Ints
    """Guests of one number sit on one side all together."""
    home: Ints
    """The place of each guest now; `NOWHERE`: it has none."""
    score: Ints
    """Guests × places."""
    room: Ints
    """Devices of each place that guests may have."""
    host: Ints
    rack: Ints
    side: Ints
    """The node, the rack and the cluster of each place."""
    headroom: Ints
    """Watts of each rack that guests may draw together."""
    apart: Ints
    """Parties × parties: 0 together, `BESIDE`, or `AWAY`."""
    moves: int | None = None
    """The most guests that may be disturbed; None: any number."""
    block: int = 0
    """Free devices in one place that make up a block; 0: none is counted."""
    block_score: int = 0
    """What each block that stays free scores."""
    blocks_in: Flags | None = None
    """Where they count."""
    rent: Ints | None = None
    """What each place costs where somebody sits, for who sits there together. Each is a host of its own then."""
    purse: int = 0
    """The most that all rents may come to."""

    @property
    def guests(self) -> int:
        """How many guests."""
        return len(self.units)

    @property
    def places(self) -> int:
        """How many places."""
        return len(self.room)

    @cached_property
    def open(self) -> Flags:
        """Guests × places: where each may sit."""
        found: Flags = self.score > BARRED
        return found

    @cached_property
    def disturbance(self) -> Ints:
        """How many running guests are disturbed when a guest moves: its crew, or itself."""
        running = self.home >= 0
        _, at, sizes = np.unique(np.where(running, self.crew, -1), return_inverse=True, return_counts=True)
        return np.where(running, sizes[at], 0)

    @property
    def ceiling(self) -> int:
        """What nothing scores more than: everybody at the best place there is, and every device free."""
        blocks = self.block_score * int((self.room // self.block).sum()) if self.block else 0
        return blocks + int(np.maximum(self.score.max(axis=1, initial=0), 0).sum())

    def value(self, seat: Ints) -> int:
        """What a seating scores."""
        seated = np.flatnonzero(seat >= 0)
        return int(self.score[seated, seat[seated]].sum()) + self.block_score * self.blocks(seat) - self.rents(seat)

    def rents(self, seat: Ints) -> int:
        """What the places cost that somebody sits in."""
        return 0 if self.rent is None else int(self.rent[np.unique(seat[seat >= 0])].sum())

    def blocks(self, seat: Ints) -> int:
        """How many blocks stay free."""
        if not self.block or self.blocks_in is None:
            return 0
        return int((self.left(seat)[self.blocks_in] // self.block).sum())

    def left(self, seat: Ints) -> Ints:
        """Devices that stay free in each place."""
        left = self.room.copy()
        seated = np.flatnonzero(seat >= 0)
        np.subtract.at(left, seat[seated], self.units[seated])
        return left

    def moved(self, seat: Ints) -> Ints:
        """The running guests that sit elsewhere than now."""
        return np.flatnonzero((self.home >= 0) & (seat != self.home))


@dataclass(frozen=True, slots=True)
class Seating:
    """An answer: the place of each guest, what it scores, and the most that any seating could."""

    seat: Ints
    value: int
    bound: int
    rounds: int = 0
    """How many neighbourhoods were solved."""

    @property
    def gap(self) -> float:
        """The part of the bound that is missing; 0 where the answer is proved to be the best."""
        return 0.0 if self.bound <= self.value else (self.bound - self.value) / max(abs(self.bound), 1)
