"""A look ahead: what is expected, what places are worth by that, and a board that decides by it. For the background.

Called by the engine, when somebody has time. It sees what runs, and nothing that has not arrived.
"""

from __future__ import annotations

import numpy as np

from estate.snapshots import Snapshot
from tools.placement.columns import Columns
from tools.placement.online import outlooks, valuing
from tools.placement.online.boards import Board
from tools.placement.online.classes import key_of
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import Expected, Outlook
from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer
from tools.placement.packing.expecting import Foresight
from tools.placement.packing.fleets import Fleet
from tools.placement.packing.weights import Weights

_READ = 2_048
"""Nodes of which what runs is read: evenly over the fleet, and few enough to take no processor for long."""


def outlook(snapshot: Snapshot, columns: Columns) -> Outlook:
    """What is expected of a fleet where this runs: counted, and valued by a rehearsal of what would come."""
    nodes = columns.ids[:: len(columns.ids) // _READ + 1]
    expected = outlooks.counted(snapshot, nodes)
    kinds = Kinds(columns)
    kind = kinds.number(columns)
    if not kind.size or not columns.milli.any():
        return Outlook(expected)
    cpu, memory = (np.maximum(valuing.bounded(a), 0) for a in (columns.cpu_free, columns.memory_free))
    foresight = Foresight(Packer(Fleet(kind, cpu, memory, columns.exists.sum(axis=1)), free=columns.milli))
    numbers = foresight.expect(_requests(snapshot, kinds, expected))
    foresight.look()
    return _valued(expected, kinds, foresight.packer.weights, numbers)


def board(snapshot: Snapshot, columns: Columns, outlook: Outlook) -> Board:
    """A board that is compiled, and has decided for what is expected most."""
    made = Board(snapshot, columns, outlook)
    made.practise(snapshot, [e.workload for e in outlook.expected if e.workload is not None])
    return made


def _requests(snapshot: Snapshot, kinds: Kinds, expected: tuple[Expected, ...]) -> list[tuple[Request, int]]:
    allowed = valuing.demand(snapshot, kinds.typical, expected).allowed
    found = []
    for row, each in zip(allowed, expected, strict=True):
        need, may = each.need, frozenset(np.flatnonzero(row).tolist())
        found.append((Request(need.cpu, need.memory, need.devices, need.milli, may), each.count))
    return found


def _valued(expected: tuple[Expected, ...], kinds: Kinds, weights: Weights, numbers: list[int]) -> Outlook:
    price = {
        (key_of(each.workload), mark): int(weights.price[number, kind])
        for each, number in zip(expected, numbers, strict=True)
        if each.workload is not None
        for kind, mark in enumerate(kinds.marks)
        if weights.price[number, kind]
    }
    return Outlook(expected, price, (weights.row, weights.strain))
