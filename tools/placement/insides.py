"""What the parts of nodes have left, as arrays: filled for the nodes that a contract asks about, and then kept.

Called by `columns` and `constraints.localities`. Few contracts name a part of a node, so nothing is read of what is
inside a node before one does; `filling.renewed` carries over what was read of the nodes that did not change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estate import localities
from estate.hardware import Node
from estate.localities import Running, Supply
from estate.workloads import Locality, WorkloadContract

type Ints = NDArray[np.int64]

UNTOLD = 10**12
_GONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A replica that a search seated on these devices of a node (1), or lifted off them (-1)."""

    row: int
    slots: Ints
    contract: WorkloadContract
    sign: int


@dataclass(slots=True, eq=False)
class Parts:
    """Nodes × parts, nodes × devices, nodes × ports."""

    undivided: bool
    """Whether each node is one part: then replicas without devices count too."""
    part: Ints
    """Of each device; -1: nobody tells."""
    cpu: Ints
    memory: Ints
    held: Ints
    """Rails that replicas have for themselves in each part; none of a part that there is not."""
    headroom: Ints
    """Of each port, in megabits a second; -1: there is none."""
    port_part: Ints

    def of(self, rows: Ints) -> Parts:
        """These rows alone."""
        return Parts(self.undivided, *(getattr(self, name)[rows] for name in _MATRICES))

    def copy(self) -> Parts:
        """One whose sums may be written."""
        sums = self.cpu.copy(), self.memory.copy(), self.held.copy()
        return Parts(self.undivided, self.part, *sums, self.headroom, self.port_part)

    def rails(self, speed: int) -> Ints:
        """How many ports of each part have that much to spare and nobody who holds them."""
        able = self.headroom >= speed
        counts = [(able & (self.port_part == p)).sum(axis=1) for p in range(self.cpu.shape[1])]
        found: Ints = np.maximum(np.stack(counts, axis=1) - self.held, 0)
        return found

    def book(self, seat: Seat) -> None:
        """Take what the seat takes, in proportion to where its devices are."""
        homes = (
            self.part[seat.row, seat.slots] if seat.slots.size or not self.undivided else np.zeros(1, dtype=np.int64)
        )
        count, contract = max(len(seat.slots), 1), seat.contract
        for p in np.unique(homes[homes >= 0]).tolist():
            here = int((homes == p).sum())
            self.cpu[seat.row, p] -= seat.sign * -(-contract.millicores * here // count)
            self.memory[seat.row, p] -= seat.sign * -(-contract.host_mebibytes * here // count)
            self.held[seat.row, p] += seat.sign * -(-contract.rails * here // count)


_MATRICES = ("part", "cpu", "memory", "held", "headroom", "port_part")
_BLANK = dict.fromkeys(_MATRICES, _GONE) | {"held": 0}
"""What stands where nothing is known, or there is no such part."""


class Inside:
    """The parts of one kind of all nodes. Any thread may ask: what is not known yet is filled under a lock."""

    def __init__(self, locality: Locality | None, rows: int, slots: int) -> None:
        self.locality = locality
        self.known = np.zeros(rows, dtype=np.bool_)
        widths = dict.fromkeys(_MATRICES, 1) | {"part": slots}
        blank = {name: np.full((rows, width), _BLANK[name], dtype=np.int64) for name, width in widths.items()}
        self._parts = Parts(locality is None, **blank)
        self._lock = threading.Lock()  # protects `known` and `_parts`

    def parts(self) -> Parts:
        """As far as it is known."""
        return self._parts

    def fill(self, row: int, node: Node, running: Iterable[Running], seats: Iterable[Seat]) -> None:
        """One node, with what runs there, and what a search has done to it since."""
        supplies = localities.supplies(node, self.locality, running)
        numbers = {part: number for number, part in enumerate(supplies)}
        with self._lock:
            if self.known[row]:
                return
            self._widen(len(supplies), sum(len(s.ports) for s in supplies.values()))
            homes = (localities.home(a, self.locality) for a in node.accelerators)
            for slot, home in enumerate(homes):
                self._parts.part[row, slot] = _GONE if home is None else numbers[home]
            self._supply(row, list(supplies.values()))
            for seat in seats:
                if seat.row == row:
                    self._parts.book(seat)
            self.known[row] = True

    def without(self, rows: Iterable[int]) -> Inside:
        """One in which these nodes are not known any more."""
        made = Inside(self.locality, len(self.known), self._parts.part.shape[1])
        with self._lock:
            made.known = self.known.copy()
            made._parts = self._parts.of(np.arange(len(self.known)))
        stale = list(rows)
        made.known[stale] = False
        for name in _MATRICES:
            getattr(made._parts, name)[stale] = _BLANK[name]
        return made

    def of(self, rows: Ints) -> Inside:
        """What is known of these rows, as an own one."""
        made = Inside(self.locality, len(rows), self._parts.part.shape[1])
        with self._lock:
            made.known, made._parts = self.known[rows], self._parts.of(rows)
        return made

    def learn(self, rows: Ints, other: Inside) -> None:
        """What `other` has found out of these rows, which are all of its own."""
        with self._lock, other._lock:
            for name in _MATRICES:
                theirs = getattr(other._parts, name)
                ours = _wider(self._parts, name, theirs.shape[1])
                ours[rows], ours[rows, : theirs.shape[1]] = _BLANK[name], theirs
                setattr(self._parts, name, ours)
            self.known[rows] = other.known

    def forget(self, row: int) -> None:
        """That node is another one now."""
        self.known[row] = False

    def _supply(self, row: int, supplies: list[Supply]) -> None:
        parts, at = self._parts, 0
        parts.cpu[row], parts.memory[row], parts.held[row] = _GONE, _GONE, 0
        parts.headroom[row] = parts.port_part[row] = _GONE
        for number, supply in enumerate(supplies):
            parts.cpu[row, number] = UNTOLD if supply.millicores is None else supply.millicores
            parts.memory[row, number] = UNTOLD if supply.mebibytes is None else supply.mebibytes
            parts.held[row, number] = supply.rails_held
            end = at + len(supply.ports)
            parts.headroom[row, at:end], parts.port_part[row, at:end], at = supply.ports, number, end

    def _widen(self, parts: int, ports: int) -> None:
        held = self._parts
        for name in ("cpu", "memory", "held"):
            setattr(held, name, _wider(held, name, parts))
        for name in ("headroom", "port_part"):
            setattr(held, name, _wider(held, name, ports))


def _wider(parts: Parts, name: str, width: int) -> Ints:
    matrix: Ints = getattr(parts, name)
    lacking = width - matrix.shape[1]
    return matrix if lacking <= 0 else np.pad(matrix, ((0, 0), (0, lacking)), constant_values=_BLANK[name])
