"""An independent, slow judge of seats: keeps its own account of a fleet and shares nothing with the engine.

The placement benchmarks and the tests have every answer checked: a seat must have had room, and a refusal must have had
none anywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Seat
from tools.placement.packing.fleets import Fleet


class Foul(AssertionError):
    """An answer that breaks the rules of the game."""


class Referee:
    """What is free, by its own account."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._cpu = fleet.cpu_milli.copy()
        self._memory = fleet.memory_mebibytes.copy()
        self._free = np.array([[1000 if d < n else 0 for d in range(max(fleet.devices))] for n in fleet.devices])

    def check(self, request: Request, seat: Seat | None) -> None:
        """Take what the seat takes; a foul if it could not be had, or if there was room and no seat."""
        if seat is None:
            if self.room(request).any():
                raise Foul(f"{request} was refused and fits node {self.room(request).argmax()}")
            return
        self._check_devices(request, seat)
        self._take(request, seat, 1)
        if self._cpu[seat.node] < 0 or self._memory[seat.node] < 0 or (self._free[seat.node] < 0).any():
            raise Foul(f"{request} does not fit {seat}")

    def release(self, request: Request, seat: Seat) -> None:
        """Give back what the seat took."""
        self._take(request, seat, -1)

    def room(self, request: Request) -> NDArray[np.bool_]:
        """The nodes that the request fits."""
        found: NDArray[np.bool_] = (self._cpu >= request.cpu_milli) & (self._memory >= request.memory_mebibytes)
        if request.kinds is not None:
            found &= np.isin(self._fleet.kind, list(request.kinds))
        if request.devices:
            found &= (self._free >= request.device_milli).sum(axis=1) >= request.devices
        return found

    def _check_devices(self, request: Request, seat: Seat) -> None:
        if request.kinds is not None and self._fleet.kind[seat.node] not in request.kinds:
            raise Foul(f"{request} may not use the kind of {seat}")
        if len(set(seat.devices)) != request.devices:
            raise Foul(f"{request} asks for {request.devices} devices and was given {seat}")

    def _take(self, request: Request, seat: Seat, times: int) -> None:
        self._cpu[seat.node] -= times * request.cpu_milli
        self._memory[seat.node] -= times * request.memory_mebibytes
        self._free[seat.node, list(seat.devices)] -= times * request.device_milli
