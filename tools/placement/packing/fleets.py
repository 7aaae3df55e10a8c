"""Nodes as columns, for packing: what each has when it is empty, and its kind.

Called by `engine`. Two nodes are of one kind if no request can tell them apart but by what is free on them: the same
model, and the same answer to every constraint that is the node's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing.demands import WHOLE, Columns


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Columns by node; nodes earlier in order are preferred where all else is equal."""

    kind: NDArray[np.int64]
    cpu_milli: NDArray[np.int64]
    memory_mebibytes: NDArray[np.int64]
    devices: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.kind):
            raise ValueError("`kind` names no node: give a fleet of at least one")
        for name in ("kind", "cpu_milli", "memory_mebibytes", "devices"):
            column = getattr(self, name)
            if column.shape != self.kind.shape:
                raise ValueError(f"`{name}` has `{len(column)}` nodes where `kind` has {len(self.kind)}: give as many")
            if (column < 0).any():
                raise ValueError(f"`{name}` is `{column.min()}` at node {column.argmin()}: give zero or more")

    def of(self, rows: NDArray[np.int64]) -> Fleet:
        """These nodes, in this order; kinds keep their numbers."""
        return Fleet(self.kind[rows], self.cpu_milli[rows], self.memory_mebibytes[rows], self.devices[rows])

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return int(self.kind.max()) + 1

    @property
    def free(self) -> NDArray[np.int64]:
        """Node × device, in milli-GPU, of an empty fleet."""
        slots = np.arange(max(int(self.devices.max()), 1))
        return np.where(slots[None, :] < self.devices[:, None], WHOLE, 0)

    def takes(self, columns: Columns) -> NDArray[np.bool_]:
        """Class × kind: whether the largest empty node of the kind has room for one."""
        largest = np.zeros((3, self.kinds), dtype=np.int64)
        for row, column in zip(largest, (self.cpu_milli, self.memory_mebibytes, self.devices), strict=True):
            np.maximum.at(row, self.kind, column)
        needs = (columns.cpu, columns.memory, columns.devices)
        room = [need[:, None] <= row for need, row in zip(needs, largest, strict=True)]
        found: NDArray[np.bool_] = np.logical_and.reduce([columns.allowed, *room])
        return found
