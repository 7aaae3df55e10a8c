"""Replicas that start, move and stop: many at once, each at a cost of its own and no more.

Called by `batches`. Everything about one replica is in order: of one that is told twice in a batch, the second is a
turn of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estate.ids import NodeId
from tools.inventory.columns.chunks import Rows
from tools.inventory.columns.machines import NONE
from tools.inventory.columns.places import SEEN
from tools.inventory.columns.residents import MOST_WATTS, Residents, packed, without
from tools.inventory.columns.sums import DEVICES, REPLICAS, WATTS

type Freed = tuple[Rows, NDArray[np.int64]]
"""Nodes, and how many more free devices each has; one may be there more than once."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Where replicas of known workloads run from now on, in the order in which that was told."""

    workloads: Rows
    replicas: Rows
    nodes: list[NodeId | None]
    """None: nowhere."""
    held: list[tuple[int, ...]]
    """The device indexes that each holds there."""

    def of(self, rows: Rows) -> Moves:
        """Some of them."""
        at = rows.tolist()
        return Moves(self.workloads[rows], self.replicas[rows], [self.nodes[i] for i in at], [self.held[i] for i in at])

    def turns(self) -> Iterator[Rows]:
        """Each replica once in a turn."""
        keys = self.workloads << 32 | self.replicas
        left = np.arange(len(keys))
        while len(left):
            _, first = np.unique(keys[left], return_index=True)
            yield left[first]
            left = np.delete(left, first)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Replicas that came (1) or left (-1)."""

    rows: Rows
    """Of their workloads."""
    nodes: Rows
    held: list[tuple[int, ...]]
    signs: NDArray[np.int64]


class Mover:
    """Moves replicas of one inventory."""

    def __init__(self, residents: Residents) -> None:
        self._residents, self._machines = residents, residents.machines
        own, replicas = residents.columns, residents.replica_columns
        self._first, self._room, self._order, self._payer = (own[n] for n in ("first", "room", "order", "payer"))
        self._node, self._held, self._workload = (replicas[n] for n in ("node", "held", "workload"))
        self._most, self._watts = (residents.fields.numbers(n) for n in ("replicas", "watts_per_accelerator"))

    def take(self, moves: Moves) -> tuple[NDArray[np.bool_], list[Freed]]:
        """Take them; which were taken: no workload has replicas beyond its number, and none that is pending stops."""
        taken = np.zeros(len(moves.nodes), dtype=np.bool_)
        freed: list[Freed] = []
        for turn in moves.turns():
            taken[turn] = self._turn(moves.of(turn), freed)
        changed = np.unique(moves.workloads[taken])
        self._order.put(changed[self._order.take(changed) != 0], 0)
        self._residents.touch_all(changed)
        return taken, freed

    def _turn(self, moves: Moves, freed: list[Freed]) -> NDArray[np.bool_]:
        bound = np.fromiter((n is not None for n in moves.nodes), dtype=np.bool_, count=len(moves.nodes))
        allowed = (moves.replicas >= 0) & (~bound | (moves.replicas < self._most.take(moves.workloads)))
        housed = self._house(moves, bound & allowed)
        at = np.where(housed, self._first.take(moves.workloads) + moves.replicas, 0)
        before = np.full(len(at), NONE, dtype=np.int64)
        before[housed] = self._node.take(at[housed])
        runs = before != NONE
        taken: NDArray[np.bool_] = allowed & (bound | runs)
        counted = [
            *self._lifted(moves.workloads, at, before, np.flatnonzero(taken & runs)),
            *self._placed(moves, at, np.flatnonzero(taken & bound)),
        ]
        for one in counted:
            self._count(one, freed)
        self._leave(before[taken & runs])
        return taken

    def _house(self, moves: Moves, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which replicas have a row, once those that are wanted have one."""
        for at in np.flatnonzero(wanted & (moves.replicas >= self._room.take(moves.workloads))).tolist():
            row, replica = int(moves.workloads[at]), int(moves.replicas[at])
            if replica >= self._room[row]:
                self._residents.grow(row, replica)
        housed: NDArray[np.bool_] = (moves.replicas >= 0) & (moves.replicas < self._room.take(moves.workloads))
        return housed

    def _lifted(self, workloads: Rows, at: Rows, nodes: Rows, which: Rows) -> Iterator[_Counted]:
        if not len(which):
            return
        rows, places, resident = at[which], nodes[which], self._machines.resident
        for node, row in zip(places.tolist(), rows.tolist(), strict=True):
            resident.set(node, without(resident[node], row))
        held = list(map(self._residents.held.values.__getitem__, self._held.take(rows).tolist()))
        self._node.put(rows, NONE)
        yield _Counted(workloads[which], places, held, np.full(len(which), -1))

    def _placed(self, moves: Moves, at: Rows, which: Rows) -> Iterator[_Counted]:
        if not len(which):
            return
        some, rows, resident = moves.of(which), at[which], self._machines.resident
        nodes = self._homes([n for n in some.nodes if n is not None])
        for node, row in zip(nodes.tolist(), rows.tolist(), strict=True):
            resident.set(node, resident[node] + packed((row,)))
        self._node.put(rows, nodes)
        self._held.put(rows, np.fromiter(map(self._residents.held.code, some.held), dtype=np.int64, count=len(rows)))
        others = self._workload.take(rows) != some.workloads
        self._workload.put(rows[others], some.workloads[others])
        yield _Counted(some.workloads, nodes, some.held, np.full(len(which), 1))

    def _homes(self, names: list[NodeId]) -> Rows:
        rows = self._machines.ids.find_all(names)
        for at in np.flatnonzero(rows < 0).tolist():
            rows[at] = self._machines.row(names[at])
        return rows

    def _count(self, some: _Counted, freed: list[Freed]) -> None:
        sizes = np.fromiter(map(len, some.held), dtype=np.int64, count=len(some.held))
        watts = np.minimum(self._watts.take(some.rows).astype(np.float64) * sizes, MOST_WATTS).astype(np.int64)
        load = self._machines.load_of
        load.own(some.nodes)
        np.add.at(load.array, some.nodes, some.signs * watts)
        payers, tenants = self._payer.take(some.rows).astype(np.int64), self._residents.tenants
        for which, amounts in ((WATTS, watts), (REPLICAS, np.ones_like(watts)), (DEVICES, sizes)):
            tenants.add(payers, which, some.signs * amounts)
        seen = np.flatnonzero(self._machines.state.take(some.nodes) & SEEN)  # others count once they are seen
        asked, devices = self._machines.named(some.nodes[seen], [some.held[i] for i in seen.tolist()])
        freed.append((some.nodes[seen], np.zeros(len(seen), dtype=np.int64)))
        freed.append(self._machines.hold(devices, some.signs[seen][asked]))

    def _leave(self, nodes: Rows) -> None:
        for node in set(nodes.tolist()):
            if not self._machines.resident[node]:
                self._machines.leave(node)
