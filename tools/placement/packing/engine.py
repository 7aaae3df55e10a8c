"""The packing engine: one request in, a seat or none out, and what was taken given back. Called by `expecting`.

It decides and remembers; it writes to no cluster, and asks no law: who asks it has folded that into kinds. A request
that fits anywhere is seated. The same calls in the same order give the same seats.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing import deciding, pools
from tools.placement.packing.demands import Classes, Request
from tools.placement.packing.fleets import Fleet
from tools.placement.packing.weights import Weights, weights_of

_CLASSES = 64
_RESOURCES = 3
_BITS = 62


class Rule(IntEnum):
    """How a node is chosen; see `deciding`."""

    FIRST = deciding.FIRST
    BEST = deciding.BEST
    GRADIENT = deciding.GRADIENT
    RANDOM = deciding.RANDOM


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a request went: the node's place in the fleet, and the devices there."""

    number: int
    """Of its class."""
    node: int
    devices: tuple[int, ...]


class Packer:
    """A fleet and what is free of it. Not to be shared between threads."""

    def __init__(
        self, fleet: Fleet, rule: Rule = Rule.GRADIENT, seed: int = 0, free: NDArray[np.int64] | None = None
    ) -> None:
        """`free`: node × device, in milli-GPU, where the fleet is not empty."""
        self.fleet = fleet
        self.rule = rule
        self.classes = Classes(fleet.kinds)
        kind = fleet.kind.astype(np.int32)
        free = fleet.free if free is None else free
        self._pool = pools.pool_of(kind, fleet.cpu_milli, fleet.memory_mebibytes, free, _CLASSES)
        self._dice = np.random.default_rng(seed)
        self._weights = weights_of(self.classes.columns, np.zeros(0))

    def place(self, request: Request) -> Seat | None:
        """A seat for the request, taken; None if it fits nowhere."""
        number = self.number(request)
        seed = int(self._dice.integers(1 << _BITS)) if self.rule is Rule.RANDOM else 0
        node, devices = deciding.seat(self._pool, self._weights, self.classes.columns, number, self.rule.value, seed)
        return None if node < 0 else Seat(number, int(node), tuple(devices.tolist()))

    def take(self, request: Request, node: int, devices: tuple[int, ...] | None = None) -> Seat | None:
        """A seat on that node, on these devices or the best of it; None if there is no room."""
        number = self.number(request)
        if not self._fits(request, node, devices):
            return None
        if devices is None:
            rule, columns = self.rule.value, self.classes.columns
            devices = tuple(deciding.devices_of(self._pool, self._weights, columns, number, node, rule).tolist())
        seat = Seat(number, node, devices)
        self._change(seat, -1)
        return seat

    def fits(self, request: Request, node: int) -> bool:
        """Whether that node has room for the request."""
        return self._fits(request, node, None)

    def _fits(self, request: Request, node: int, devices: tuple[int, ...] | None) -> bool:
        pool = self._pool
        if request.kinds is not None and int(pool.kind[node]) not in request.kinds:
            return False
        if pool.cpu[node] < request.cpu_milli or pool.memory[node] < request.memory_mebibytes:
            return False
        free = pool.free[node] >= max(request.device_milli, 1)
        return bool(free.sum() >= request.devices if devices is None else free[list(devices)].all())

    def release(self, seat: Seat) -> None:
        """Give back what a seat took. Never twice: nothing remembers who sits where."""
        self._change(seat, 1)

    def _change(self, seat: Seat, sign: int) -> None:
        request, devices = self.classes[seat.number], np.array(seat.devices, dtype=np.int64)
        cpu, memory, milli = sign * request.cpu_milli, sign * request.memory_mebibytes, sign * request.device_milli
        pools.change(self._pool, np.int32(seat.node), cpu, memory, devices, milli)

    def number(self, request: Request) -> int:
        """The class of a request; room is made for a new one."""
        known = len(self.classes)
        number = self.classes.number(request)
        if number >= known:
            self._grow()
        return number

    def _grow(self) -> None:
        if len(self.classes) > len(self._pool.score):
            self._pool = pools.widened(self._pool, 2 * len(self._pool.score))
        rows, known = len(self.classes), len(self._weights.price)
        price = np.zeros((rows, self.fleet.kinds), dtype=np.int64)
        price[:known] = self._weights.price
        self._weights = self._weights._replace(price=price)

    def weigh(self, weights: Weights) -> None:
        """Decide by these weights from now on."""
        self._weights = weights
        pools.forget(self._pool)

    @property
    def weights(self) -> Weights:
        """Those that are decided by."""
        return self._weights

    @property
    def free_milli(self) -> int:
        """All that is free of devices, in milli-GPU."""
        return int(self._pool.free.sum())

    def supply(self) -> NDArray[np.float64]:
        """What each kind has free, CPU, memory and milli-GPU × kind."""
        found = np.zeros((_RESOURCES, self.fleet.kinds))
        free = (self._pool.cpu, self._pool.memory, self._pool.free.sum(axis=1))
        for row, column in zip(found, free, strict=True):
            np.add.at(row, self._pool.kind, column)
        return found

    def rehearse(self, numbers: NDArray[np.int64], weights: Weights | None = None) -> NDArray[np.int32]:
        """The node of each of these classes, arriving in this order, by these weights or those in force; -1 for none.

        Played on a pool of its own, made from scratch: nothing is taken, and nothing remembered is relied on.
        """
        now, columns = self._pool, self.classes.columns
        pool = pools.pool_of(now.kind, now.cpu, now.memory, now.free, len(self.classes))
        seeds = np.zeros_like(numbers)
        found: NDArray[np.int32] = deciding.play(
            pool, weights or self._weights, columns, numbers, self.rule.value, seeds
        )
        return found
