"""What else a place costs, beside what it spoils for others: terms by kind of node, in milli-GPU. Read by `valuing`.

A term sees one node of each kind (`kinds`), and may read what kinds differ in. One that reads more (a rack, what runs
there) cannot be one of these: it would be said of nodes that it never saw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from tools.placement.columns import Ints
from tools.placement.wishes import Wish

type Term = Callable[[Wish], Ints]

_IDLE = 100
"""What a device is spared that stands beside work which needs none: too little to outweigh what is spoiled."""


def idle_devices(wish: Wish) -> Ints:
    """Work without devices keeps off nodes that have some."""
    devices: Ints = wish.columns.exists.sum(axis=1)
    return devices * (0 if wish.needed else _IDLE)


TERMS: Final[tuple[Term, ...]] = (idle_devices,)


def cost(wish: Wish) -> Ints:
    """The sum of all terms, for each row of the columns."""
    found: Ints = np.sum([term(wish) for term in TERMS], axis=0, dtype=np.int64)
    return found
