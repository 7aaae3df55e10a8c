"""A fleet in columns that follow the snapshots: what families of constraints read, and beside it what is compiled.

Called by `boards`, under its lock; `supposing` changes the compiled part for the length of a question. A node that
changed is read anew, off the inventory's columns where nothing of it changed but what runs there; one that came or went
has everything laid anew, of which nothing else is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import Span
from tools.inventory.columns.grounds import ColumnarGround
from tools.placement import filling, grounding
from tools.placement.columns import Columns, Ints, resettled
from tools.placement.constraints import company
from tools.placement.online import changing, laying
from tools.placement.online.kinds import Kinds
from tools.placement.online.valuing import ENOUGH
from tools.placement.packing import pools
from tools.placement.packing.pools import Pool
from tools.placement.wishes import Alike, Wish

_FOLLOWED = 4
_FAR = 4_096
"""A snapshot from which so many nodes differ by now is not gone back to."""
_UNSTAMPED = -1
_MET = 8_192
"""As many nodes that lie in no columns are remembered as they were read last."""


class _Found(NamedTuple):
    """A node that may have changed; as a model where it is not known to be what it was."""

    name: NodeId
    stamp: int
    node: Node | None

    @property
    def gone(self) -> bool:
        """Whether there is no such node."""
        return self.node is None and self.stamp == _UNSTAMPED


class Frame:
    """Not safe between threads. The columns are its own from now on, and written in place."""

    def __init__(self, snapshot: Snapshot, columns: Columns, classes: int) -> None:
        """`classes`: see `pools.pool_of`."""
        self.kinds = Kinds(columns)
        self._where = filling.Where(snapshot, columns)
        self._stamps = _stamps(snapshot, columns)
        self._met: dict[NodeId, Node] = {}
        self.columns: Columns
        self.pool: Pool
        self._lay(columns, self.kinds.number(columns), classes)
        self._followed: list[tuple[Snapshot, set[NodeId]]] = [(snapshot, set())]

    @property
    def alike(self) -> Alike:
        """Which nodes are alike."""
        return Alike(self.kinds.typical, self.pool.kind)

    def follow(self, snapshot: Snapshot) -> bool:
        """Become that snapshot, from one of those that were followed last; whether it could."""
        if self._followed[-1][0] is snapshot:
            return True
        for held, since in reversed(self._followed):
            touched = frozenset[NodeId]() if held is snapshot else snapshot.touched_since(held)
            if touched is not None:
                return self._become(snapshot, touched | since)
        return False

    def members(self, wish: Wish, over: Span, domain: int) -> Ints:
        """The rows in a domain, in order."""
        if over not in self._domains:
            where = company.span(wish, over)
            order = np.argsort(where, kind="stable")
            self._domains[over] = order, np.searchsorted(where[order], np.arange(int(where.max(initial=-1)) + 2))
        order, begins = self._domains[over]
        found: Ints = order[begins[domain] : begins[domain + 1]]
        return found

    def widen(self, classes: int) -> None:
        """Make room for the scores of more classes."""
        self.pool = pools.widened(self.pool, classes)

    def _become(self, snapshot: Snapshot, touched: frozenset[NodeId]) -> bool:
        ground, above = _ground(snapshot)
        found = [self._looked_at(snapshot, name, None if name in above else ground) for name in touched]
        if not all(f.node is None or filling.holds(self.columns, f.node) for f in found):
            return False
        self._where.snapshot = snapshot
        if not self._settle(found):
            return False
        self._read([f for f in found if not f.gone], ground)
        for name in {rack for node in touched if (rack := snapshot.rack_of(node)) is not None}:
            at = self._where.rack[name]
            self.columns.rack_drawn[at] = self.guard.drawn[at] = snapshot.rack_watts(name)
        self._remember(snapshot, touched)
        return True

    def _remember(self, snapshot: Snapshot, touched: frozenset[NodeId]) -> None:
        for _, others in self._followed:
            others.update(touched)
        kept = [(s, names) for s, names in self._followed if s is not snapshot and len(names) < _FAR]
        self._followed = [*kept[1 - _FOLLOWED :], (snapshot, set())]

    def _looked_at(self, snapshot: Snapshot, name: NodeId, ground: ColumnarGround | None) -> _Found:
        if ground is None:
            return _Found(name, _UNSTAMPED, snapshot.node(name))
        stamp, row = ground.stamp(name), self.columns.rows.get(name)
        if stamp is None:
            return _Found(name, _UNSTAMPED, None)
        known = row is not None and self._stamps[row] == stamp
        return _Found(name, stamp, None if known else snapshot.node(name))

    def _settle(self, found: Sequence[_Found]) -> bool:
        """Rows for nodes that came, and none for those that went; whether any node is left."""
        rows = self.columns.rows
        gone = {f.name for f in found if f.gone and f.name in rows}
        came = {f.name: f.node for f in found if f.node is not None and f.name not in rows}
        if not gone and not came:
            return True
        ids = sorted({*rows, *came} - gone)
        if not ids or not rows:
            return False
        columns, had = resettled(self.columns, ids)
        self._stamps, kind = self._stamps[had], self.pool.kind[had]
        self.columns = columns
        for name, node in came.items():
            kind[columns.rows[name]] = self._meet(columns.rows[name], node)
        self._lay(self.columns, kind.astype(np.int64), len(self.pool.score))
        return True

    def _lay(self, columns: Columns, kind: Ints, classes: int) -> None:
        self.columns = columns
        self.pool = laying.pool_of(columns, kind, classes)
        self.guard = laying.guard_of(columns, self.pool, self.kinds)
        self.spans: dict[Span, Ints] = {}
        self._domains: dict[Span, tuple[Ints, Ints]] = {}

    def _read(self, found: Sequence[_Found], ground: ColumnarGround | None) -> None:
        reader = None
        for name, stamp, node in found:
            row = self.columns.rows[name]
            for inside in self.columns.insides.values():
                inside.forget(row)
            kind = int(self.pool.kind[row])
            if node is not None and self._met.get(name) is not node:
                kind = self._meet(row, node)
            self._stamps[row] = stamp
            if node is None:
                assert ground is not None, "only columns have stamps"
                reader = reader or grounding.Reader(ground)
                work, has = reader.work_on(name), reader.has(name)
            else:
                work, has = filling.work_on(self._where.snapshot, name), filling.beside_devices(node)
            filling.fill_work(self.columns, row, work, has, self._where)
            self._write(row, kind)

    def _write(self, row: int, kind: int) -> None:
        """The row into what is compiled."""
        c = self.columns
        cpu, memory = min(c.cpu_free[row], ENOUGH), min(c.memory_free[row], ENOUGH)
        sizes = np.array([cpu, memory, c.idle[row], c.load[row], c.cap[row]], dtype=np.int64)
        present = np.ascontiguousarray(c.present[:, row])  # of one form always: another would be compiled anew
        changing.write(self.pool, self.guard, row, kind, sizes, c.milli[row], c.sharer[row], present)

    def _meet(self, row: int, node: Node) -> int:
        """What the node is, whatever runs there; its kind."""
        where = self._where
        if node.closing_taints not in where.taint or node.software not in where.software:
            where.taint.setdefault(node.closing_taints, len(where.taint))
            where.software.setdefault(node.software, len(where.software))
            self.columns = replace(self.columns, taints=tuple(where.taint), installed=tuple(where.software))
        filling.fill(self.columns, {row: node}, where)
        if len(self._met) > _MET:
            self._met.clear()
        self._met[node.id] = node
        kind = int(self.kinds.number(self.columns.of(np.array([row])))[0])
        if kind >= len(self.guard.cluster):
            self.guard = self.guard._replace(cluster=self.kinds.typical.cluster)
        return kind


def _ground(snapshot: Snapshot) -> tuple[ColumnarGround | None, frozenset[NodeId]]:
    """The columns on which a snapshot stands, and the nodes that are otherwise there; None: everything may be."""
    if isinstance(snapshot, FrozenEstate) and isinstance(snapshot.ground, ColumnarGround):
        above = snapshot.above()
        if above is not None:
            return snapshot.ground, above
    return None, frozenset()


def _stamps(snapshot: Snapshot, columns: Columns) -> Ints:
    ground, above = _ground(snapshot)
    if ground is None:
        return np.full(len(columns.ids), _UNSTAMPED, dtype=np.int64)
    found = grounding.stamps(ground, columns.ids)
    found[[columns.rows[name] for name in above if name in columns.rows]] = _UNSTAMPED
    return found
