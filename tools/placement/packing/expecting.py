"""Placing by what is expected, where nothing is known but what has arrived: distribution, prices and strains from that.

The placement engine's own way to pack. `place` decides at once and counts; `look` takes seconds at most, and thinks: it
estimates what will come, makes a few plans of it, rehearses each on the same imagined future and keeps the best. Who
calls says when: while `due`, in the background. It never sees a request before it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing.cutting import strains
from tools.placement.packing.demands import WHOLE, Request
from tools.placement.packing.engine import Packer, Seat
from tools.placement.packing.pricing import prices
from tools.placement.packing.weights import Weights, weights_of

_FIRST_LOOK = 64
_GROWTH = 2
"""A new look when so many times as many have arrived as at the last,"""
_SHIFT = 0.1
"""or when so much of the fleet's devices were taken or given back since."""
_TELLING = 512
"""Arrivals after which what was seen tells enough of what will come to choose between plans by it."""
_FARTHEST = 20_000
"""Arrivals that a rehearsal plays at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much heed is paid to the prices of kinds and to the strains of devices, all in milli-GPU as the gradient."""

    choice: float
    alignment: float
    strain: float


PLANS = (Plan(2.0, 2.0, 4.0), Plan(0.0, 0.0, 0.0))
"""The first is taken where the rehearsal finds none clearly better."""
_MARGIN = 1.005
"""How much better is clear: imagined futures differ by less among themselves."""


class Foresight:
    """A packer that learns from what arrives."""

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.plan = PLANS[0]
        self._counts = np.zeros(0)
        self._seen = 0
        self._next = _FIRST_LOOK
        self._free = packer.free_milli
        self._taken = 0
        self._shift = int(_SHIFT * self._free)

    def place(self, request: Request) -> Seat | None:
        """A seat for a request that arrives now, taken; None if it fits nowhere."""
        self.arrived(request)
        return self.seat(request)

    def arrived(self, request: Request, times: int = 1) -> int:
        """Count it among what is to be expected, so often; its class."""
        number = self.packer.number(request)
        if number >= len(self._counts):
            self._counts = np.append(self._counts, np.zeros(1 + number))
        self._counts[number] += times
        self._seen += times
        return number

    def expect(self, requests: Iterable[tuple[Request, int]]) -> list[int]:
        """Count what came before, so often each, without a seat for it; the class of each."""
        return [self.arrived(request, count) for request, count in requests]

    def seat(self, request: Request) -> Seat | None:
        """A seat for a request that has arrived before, taken; None if it fits nowhere."""
        return self._counted(request, self.packer.place(request))

    def take(self, request: Request, node: int, devices: tuple[int, ...] | None = None) -> Seat | None:
        """A seat on that node for a request that has arrived before; None if there is no room."""
        return self._counted(request, self.packer.take(request, node, devices))

    def _counted(self, request: Request, seat: Seat | None) -> Seat | None:
        if seat is not None:
            self._taken += request.gpu_milli
        return seat

    def release(self, seat: Seat) -> None:
        """Give back what a seat took."""
        self.packer.release(seat)
        self._taken -= self.packer.classes[seat.number].gpu_milli

    @property
    def due(self) -> bool:
        """Whether enough has changed for another look."""
        return self._seen >= self._next or (self._next > _FIRST_LOOK and abs(self._taken) >= self._shift > 0)

    def look(self) -> None:
        """Think again about what is to come, and decide by that from now on."""
        counts = self._counts[: len(self.packer.classes)]
        if not counts.sum():
            return
        plans = PLANS if self._seen >= _TELLING else PLANS[:1]
        made = {plan: self._weights(plan, counts) for plan in plans}
        if len(made) > 1:
            future = self._future(counts)
            worth = {plan: self._worth(weights, future) for plan, weights in made.items()}
            best = max(plans, key=worth.__getitem__)
            self.plan = best if worth[best] > _MARGIN * worth[plans[0]] else plans[0]
        self.packer.weigh(made[self.plan])
        self._next = self._seen * _GROWTH
        self._taken = 0

    def _weights(self, plan: Plan, counts: NDArray[np.float64]) -> Weights:
        packer, columns = self.packer, self.packer.classes.columns
        supply, milli = packer.supply(), columns.devices * columns.milli
        chances = counts / counts.sum()
        coming = chances * supply[2].sum() / max(float(chances @ milli), 1e-9)
        fitting = packer.fleet.takes(columns)
        price = prices(columns, coming, supply, fitting, plan.choice, plan.alignment)
        shared = (columns.devices == 1) & (columns.milli < WHOLE) & (counts > 0)
        if not plan.strain or not shared.any():
            return weights_of(columns, chances, price)
        shares, which = np.unique(columns.milli[shared], return_inverse=True)
        row, strain = strains(shares, np.bincount(which, weights=counts[shared]))
        return weights_of(columns, chances, price, strains=(row, plan.strain * strain))

    def _future(self, counts: NDArray[np.float64]) -> NDArray[np.int64]:
        """Arrivals, drawn from those seen, that ask for all devices that are free (or CPU, where none asks for any)."""
        columns = self.packer.classes.columns
        need = np.array([(counts @ asked) / counts.sum() for asked in (columns.devices * columns.milli, columns.cpu)])
        free = self.packer.supply()[[2, 0]].sum(axis=1)
        runs_out = free[need > 0] / need[need > 0]
        size = min(int(runs_out[0]) + 1 if runs_out.size else 1, _FARTHEST)
        dice = np.random.default_rng(self._seen)
        return dice.choice(len(counts), size=size, p=counts / counts.sum())

    def _worth(self, weights: Weights, future: NDArray[np.int64]) -> float:
        """The mean over the imagined future of what would be taken by then, in milli-GPU."""
        columns = self.packer.classes.columns
        seated = self.packer.rehearse(future, weights)
        taken = np.where(seated >= 0, (columns.devices * columns.milli)[future], 0).cumsum()
        return float(taken.mean())
