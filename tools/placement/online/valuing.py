"""An outlook on the kinds of one frame: what is expected of each kind, and what a place there is worth.

Called by the engine, for searches by masks, and by `boards`: both decide by the same numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from estate.snapshots import Snapshot
from tools.placement.columns import Columns, Ints
from tools.placement.online import classes, scoring, terms
from tools.placement.online.classes import Need
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import Expected, Outlook
from tools.placement.packing import demands
from tools.placement.packing.weights import CERTAIN, Weights, weights_of
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

ENOUGH: Final = 1 << 30
"""CPU and memory where nobody tells how much there is, in millicores and mebibytes."""


class Valuation:
    """What places are worth by one outlook. Grows with its kinds; not to be shared between threads."""

    def __init__(self, snapshot: Snapshot, kinds: Kinds, outlook: Outlook) -> None:
        """Of the snapshot only the facts are read, which a frame has in common."""
        self.kinds, self.outlook = kinds, outlook
        self._snapshot = snapshot
        self._weights: Weights | None = None

    @property
    def weights(self) -> Weights:
        """What is expected of each kind that is known by now; prices of no class."""
        if self._weights is None or len(self._weights.block) != len(self.kinds) + 1:
            self._weights = self._expected()
        return self._weights

    def price(self, wish: Wish) -> NDArray[np.int64]:
        """Of a class on every kind: `wish` is made by `classes.on`."""
        key, known = classes.key_of(wish.workload), self.outlook.price
        found = np.array([known.get((key, mark), 0) for mark in self.kinds.marks], dtype=np.int64)
        return found + terms.cost(wish) * CERTAIN

    def _expected(self) -> Weights:
        expected = self.outlook.expected
        chance = np.array([e.count for e in expected], dtype=np.float64)
        found = weights_of(demand(self._snapshot, self.kinds.typical, expected), chance / chance.sum())
        if self.outlook.strains is None:
            return found
        row, strain = self.outlook.strains
        return found._replace(row=row, strain=strain)


def demand(snapshot: Snapshot, typical: Columns, expected: tuple[Expected, ...]) -> demands.Columns:
    """The expected classes as arrays, with the kinds that each may use."""
    needs = np.array([e.need for e in expected], dtype=np.int64).reshape(-1, len(Need._fields))
    allowed = [_admits(snapshot, typical, e) for e in expected]
    beside = np.where(needs[:, 2:], needs[:, 2:], -ENOUGH)  # who asks for none does not mind an over-commitment
    return demands.Columns(
        cpu=beside[:, 0],
        memory=beside[:, 1],
        devices=needs[:, 0],
        milli=needs[:, 1],
        allowed=np.array(allowed).reshape(len(expected), len(typical.ids)),
    )


def _admits(snapshot: Snapshot, typical: Columns, expected: Expected) -> NDArray[np.bool_]:
    if expected.workload is None:
        return np.ones(len(typical.ids), dtype=np.bool_)
    return classes.admitted(classes.on(snapshot, typical, expected.workload))


class Worth:
    """What the nodes of one snapshot are worth: for searches by masks, however much they have seated already."""

    def __init__(self, valuation: Valuation, columns: Columns) -> None:
        self._valuation, self._kind = valuation, valuation.kinds.number(columns)

    def of(self, wish: Wish) -> Wish:
        """The same wish, its nodes chosen by what they are worth."""
        at = classes.on(wish.snapshot, self._valuation.kinds.typical, wish.workload)
        price, need = self._valuation.price(at), Need.of(wish.workload)

        def points(room: Room, rows: Ints) -> Ints:
            states = scoring.States(self._kind[rows], *free(room, rows))
            return scoring.points(states, self._valuation.weights, price, need)

        return replace(wish, points=points)


def free(room: Room, rows: Ints) -> tuple[Ints, Ints, Ints]:
    """CPU, memory and thousandths of devices that are free on these nodes."""
    return bounded(room.cpu[rows]), bounded(room.memory[rows]), room.thousandths(rows)


def bounded(amounts: Ints) -> Ints:
    """CPU or memory as scores count it."""
    found: Ints = np.minimum(amounts, ENOUGH)
    return found
