"""The classes that were asked for, as the arrays that the compiled search reads. Called by `questions`.

A class is worked out once for each kind, and again for kinds that are met later.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass
from tools.placement.online import classes
from tools.placement.online.classes import Key, Need
from tools.placement.online.guards import Asked
from tools.placement.online.valuing import Valuation
from tools.placement.packing import demands
from tools.placement.wishes import Wish

ROOM, _MOST = 32, 512
_NO_LEAD = np.zeros(0, dtype=np.int64)


class _Known(NamedTuple):
    asked: Asked
    kinds: int
    """How many were known when it was worked out."""


class Classes:
    """Classes by number. Bounded: beyond the most, all are forgotten, and begin anew."""

    def __init__(self, snapshot: Snapshot, valuation: Valuation) -> None:
        self._snapshot, self._valuation = snapshot, valuation
        self.clear()

    def clear(self) -> None:
        """Forget all; who remembers anything by number forgets it as well."""
        self._number: dict[Key, int] = {}
        self._known: list[_Known] = []
        self.room = ROOM
        self.demand = _demand(ROOM, len(self._valuation.kinds))
        self._price = np.zeros_like(self.demand.allowed, dtype=np.int64)
        self.weights = self._valuation.weights._replace(price=self._price)

    @property
    def full(self) -> bool:
        """Whether it holds as many as it may."""
        return len(self._known) >= _MOST

    def asked(self, wish: Wish, cluster: int, lead: NDArray[np.int64]) -> Asked:
        """The class of an ask, in one cluster, and what counts there before points."""
        key = classes.key_of(wish.workload, wish.ask.sites)
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self._known)
            self._learn(wish, number)
        elif self._known[number].kinds < len(self._valuation.kinds):
            self._learn(wish, number)
        return self._known[number].asked._replace(cluster=cluster, watts=wish.watts, lead=lead)

    def _learn(self, wish: Wish, number: int) -> None:
        self._grow(number + 1, len(self._valuation.kinds))
        at = classes.on(self._snapshot, self._valuation.kinds.typical, wish.workload, wish.ask.sites)
        need, kinds = Need.of(wish.workload), len(self._valuation.kinds)
        demand = self.demand
        for column, value in zip((demand.devices, demand.milli, demand.cpu, demand.memory), need, strict=True):
            column[number] = value
        demand.allowed[number, :kinds] = classes.admitted(at)
        self._price[number, :kinds] = self._valuation.price(at)
        near, far = classes.kept_off(at)
        joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN
        asked = Asked(number, 0, 0, joined, wish.shared, wish.payer, classes.slots(at), near, far, _NO_LEAD)
        known = _Known(asked, kinds)
        self._known[number : number + 1] = [known]

    def _grow(self, rows: int, kinds: int) -> None:
        before = self.demand
        if rows > self.room or kinds > before.allowed.shape[1]:
            self.room = max(self.room, rows if rows <= self.room else 2 * self.room)
            self.demand = demands.Columns(
                cpu=_wider(before.cpu, self.room, kinds),
                memory=_wider(before.memory, self.room, kinds),
                devices=_wider(before.devices, self.room, kinds),
                milli=_wider(before.milli, self.room, kinds),
                allowed=_wider(before.allowed, self.room, kinds),
            )
            self._price = _wider(self._price, self.room, kinds)
        if len(self.weights.block) != kinds + 1 or self.weights.price is not self._price:
            self.weights = self._valuation.weights._replace(price=self._price)


def _demand(rows: int, kinds: int) -> demands.Columns:
    def numbers() -> NDArray[np.int64]:
        return np.zeros(rows, dtype=np.int64)

    return demands.Columns(numbers(), numbers(), numbers(), numbers(), np.zeros((rows, kinds), dtype=np.bool_))


def _wider[T: np.generic](array: NDArray[T], rows: int, kinds: int) -> NDArray[T]:
    found = np.zeros((rows, kinds)[: array.ndim], dtype=array.dtype)
    found[tuple(map(slice, array.shape))] = array
    return found
