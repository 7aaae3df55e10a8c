"""Typed changes in batches: single facts column by column, whole things one by one, all in their order.

Called by `engine`. Facts about different things do not touch each other, so a run of them is taken kind by kind; of two
about one field of one thing the later stands, as if each had been taken alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from estate import alterations
from tools.inventory.columns import changes
from tools.inventory.columns.changes import Change
from tools.inventory.columns.chunks import Rows
from tools.inventory.columns.machines import NONE, Machines
from tools.inventory.columns.moves import Freed, Mover, Moves
from tools.inventory.columns.residents import Residents

WHOLE: Final = frozenset((changes.NodeSeen, changes.NodeGone, changes.WorkloadSeen, changes.WorkloadGone))
_FIELDS: Final[dict[type[Any], tuple[str, Callable[[Any], Any]]]] = {
    alterations.Cordoned: ("cordoned", lambda change: change.cordoned),
    alterations.Tainted: ("taints", lambda change: change.taints),
    alterations.Capped: ("power_cap_watts", lambda change: change.watts),
    alterations.NodeJudged: ("health", lambda change: change.health),
}
"""The fields of a node that are told alone."""


class Facts:
    """Single facts about the things of one inventory."""

    def __init__(self, machines: Machines, residents: Residents) -> None:
        self._machines, self._residents = machines, residents
        self._mover = Mover(residents)

    def take(self, happened: Sequence[Any], told: int) -> NDArray[np.bool_]:
        """Take facts of that word; which were taken: what is about things that nobody knows is none."""
        run = _Run(happened)
        for kind, (name, value) in _FIELDS.items():
            self._write(run, run.of(kind), name, value)
        self._judge(run, run.of(alterations.DeviceJudged))
        self._move(run, run.of(alterations.Bound, alterations.Unbound), told)
        self._machines.touch_all(_different(run.changed))
        self._machines.told.put(_different(run.spoken), told)
        self._settle(run)
        return run.taken

    def _write(self, run: _Run, places: list[int], name: str, value: Callable[[Any], Any]) -> None:
        if not places:
            return
        some = run.some(places)
        rows = self._machines.find_all([change.node for change in some])
        known = np.flatnonzero(rows != NONE)
        values = list(map(value, some))
        others = self._machines.fields.write_all(rows[known], name, [values[at] for at in known.tolist()])
        run.note(places, known, rows[known])
        run.changed.append(others)
        run.freed.append((others, np.zeros(len(others), dtype=np.int64)))

    def _judge(self, run: _Run, places: list[int]) -> None:
        if not places:
            return
        some = run.some(places)
        rows = self._machines.find_all([change.node for change in some])
        known = np.flatnonzero(rows != NONE)
        asked, devices = self._machines.named(rows[known], [(some[at].index,) for at in known.tolist()])
        found = known[asked]
        changed, nodes, freed = self._machines.judge(devices, [some[at].health for at in found.tolist()])
        run.note(places, found, rows[found])
        run.changed.append(changed)
        run.freed.append((nodes, freed))

    def _move(self, run: _Run, places: list[int], told: int) -> None:
        if not places:
            return
        some = run.some(places)
        rows = self._residents.ids.find_all([change.workload for change in some])
        known = np.flatnonzero(rows >= 0)
        bindings = [c.binding if type(c) is alterations.Bound else None for c in map(some.__getitem__, known.tolist())]
        numbers = (b.replica if b is not None else some[at].replica for at, b in zip(known, bindings, strict=True))
        moves = Moves(
            rows[known],
            np.fromiter(numbers, dtype=np.int64, count=len(known)),
            [None if b is None else b.node for b in bindings],
            [() if b is None else b.accelerators for b in bindings],
        )
        taken, freed = self._mover.take(moves)
        self._residents.told.put(moves.workloads[taken], told)
        run.note(places, known[taken], _NOTHING)
        run.freed.extend(freed)

    def _settle(self, run: _Run) -> None:
        nodes = np.concatenate([_NOTHING, *(nodes for nodes, _ in run.freed)])
        amounts = np.concatenate([_NOTHING, *(amounts for _, amounts in run.freed)])
        unique, inverse = np.unique(nodes, return_inverse=True)
        more = np.zeros(len(unique), dtype=np.int64)
        np.add.at(more, inverse, amounts)
        self._machines.settle(unique, more)


class _Run:
    """Facts that are taken together, and what they touch."""

    def __init__(self, happened: Sequence[Any]) -> None:
        self._happened = happened
        self._kinds: defaultdict[type[Any], list[int]] = defaultdict(list)
        for at, change in enumerate(happened):
            self._kinds[type(change)].append(at)
        self.taken = np.zeros(len(happened), dtype=np.bool_)
        self.changed: list[Rows] = []
        self.spoken: list[Rows] = []
        self.freed: list[Freed] = []

    def of(self, *kinds: type[Any]) -> list[int]:
        """Where the facts of these kinds are, in their order."""
        return sorted(at for kind in kinds for at in self._kinds[kind])

    def some(self, places: list[int]) -> list[Any]:
        """The facts there."""
        return list(map(self._happened.__getitem__, places))

    def note(self, places: list[int], known: Rows, nodes: Rows) -> None:
        """Those of `places` were taken, and spoke of these nodes."""
        self.taken[np.array(places, dtype=np.int64)[known]] = True
        self.spoken.append(nodes)


def runs(happened: Sequence[Change]) -> Iterator[tuple[int, int]]:
    """From where to where changes go together: facts in a row, each whole thing alone."""
    start = 0
    for at, change in enumerate(happened):
        if type(change) in WHOLE:
            if start < at:
                yield start, at
            yield at, at + 1
            start = at + 1
    if start < len(happened):
        yield start, len(happened)


_NOTHING: Final = np.empty(0, dtype=np.int64)


def _different(rows: list[Rows]) -> Rows:
    return np.unique(np.concatenate([_NOTHING, *rows]))
