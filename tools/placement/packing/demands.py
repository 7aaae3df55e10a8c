"""Requests as classes: what is identical is one class, and everything that the engine remembers is by class.

Called by `engine`. A request here is CPU, memory and devices; every constraint that is the node's own (model, site,
tenancy, law) has been folded into the *kind* of the node, and a class says which kinds it may use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WHOLE = 1000
"""The milli-GPU of one device."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one replica needs on one node. `kinds`: of node, that it may use; None: any."""

    cpu_milli: int
    memory_mebibytes: int
    devices: int = 0
    device_milli: int = 0
    """Of each device; less than a whole one only if it asks for a single device."""
    kinds: frozenset[int] | None = None

    def __post_init__(self) -> None:
        for name in ("cpu_milli", "memory_mebibytes", "devices", "device_milli"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` is `{getattr(self, name)}`: give zero or more")
        if bool(self.devices) != bool(self.device_milli):
            raise ValueError(
                f"`device_milli` is `{self.device_milli}` for {self.devices} devices: give both, or neither"
            )
        if self.device_milli > WHOLE or (self.devices > 1 and self.device_milli != WHOLE):
            said = f"`device_milli` is `{self.device_milli}` for {self.devices} devices"
            raise ValueError(f"{said}: one device can be shared, several are whole ({WHOLE})")

    @property
    def gpu_milli(self) -> int:
        """All that it takes, in milli-GPU."""
        return self.devices * self.device_milli


class Columns(NamedTuple):
    """The classes as arrays, by class; the kernels' form."""

    cpu: NDArray[np.int64]
    memory: NDArray[np.int64]
    devices: NDArray[np.int64]
    milli: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    """Class × kind."""


class Classes:
    """The classes seen so far, numbered in the order of their first request."""

    def __init__(self, kinds: int) -> None:
        self._kinds = kinds
        self._number: dict[Request, int] = {}
        self._columns: Columns | None = None
        self._known: list[Request] = []

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, number: int) -> Request:
        return self._known[number]

    def number(self, request: Request) -> int:
        """The class of a request; a new one where none was identical."""
        found = self._number.get(request)
        if found is None:
            found = self._number[request] = len(self._known)
            self._known.append(request)
            self._columns = None
        return found

    @property
    def columns(self) -> Columns:
        """All classes as arrays."""
        if self._columns is None:
            self._columns = _columns(self._known, self._kinds)
        return self._columns


def _columns(known: list[Request], kinds: int) -> Columns:
    allowed = np.zeros((len(known), kinds), dtype=np.bool_)
    for row, request in enumerate(known):
        allowed[row] = True if request.kinds is None else [kind in request.kinds for kind in range(kinds)]
    return Columns(
        cpu=np.array([r.cpu_milli for r in known], dtype=np.int64),
        memory=np.array([r.memory_mebibytes for r in known], dtype=np.int64),
        devices=np.array([r.devices for r in known], dtype=np.int64),
        milli=np.array([r.device_milli for r in known], dtype=np.int64),
        allowed=allowed,
    )
