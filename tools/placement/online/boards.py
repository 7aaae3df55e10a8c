"""A fleet kept current for single decisions: it follows the snapshots, and finds at once what masks find too.

Called by the engine, which makes one in the background. It decides nothing that it cannot decide as the masks do: of a
snapshot that it cannot follow, or a workload that somebody else's constraint may concern, it says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from estate.hardware import Node
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Span, Workload
from tools.placement import columns as columns_
from tools.placement import objectives
from tools.placement.columns import NOBODY, Columns, Ints
from tools.placement.constraints import company, table
from tools.placement.online import finding
from tools.placement.online.asking import Classes
from tools.placement.online.classes import SLOTS, Need
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import Outlook
from tools.placement.online.valuing import ENOUGH, Valuation, bounded
from tools.placement.packing import pools
from tools.placement.packing.demands import WHOLE
from tools.placement.port import Ask
from tools.placement.wishes import Wish

_FOLLOWED = 4
_FAR = 4_096
"""A snapshot from which so many nodes differ by now is not gone back to."""

_NONE = np.array([], dtype=np.int64)
_MET = 8_192
"""As many nodes are remembered as they were read last."""

type Seats = tuple[Binding, ...]


class Board:
    """Safe to share between threads."""

    def __init__(self, snapshot: Snapshot, columns: Columns, outlook: Outlook) -> None:
        """Compiles what was not compiled before, which takes its time."""
        self._lock = threading.Lock()  # protects all that follows
        self.kinds = Kinds(columns)
        kind = self.kinds.number(columns)
        self._frame, self._where = columns, columns_.Where(snapshot, columns)
        self._row = columns.of(np.array([0]))
        self._healthy = columns.healthy.copy()
        self._classes = Classes(snapshot, Valuation(snapshot, self.kinds, outlook))
        self._pool = pools.pool_of(
            kind.astype(np.int32),
            bounded(columns.cpu_free),
            bounded(columns.memory_free),
            columns.milli if columns.milli.shape[1] else np.zeros((len(kind), 1), np.int64),
            self._classes.room,
        )
        self._guard = _guard(columns, self._pool, self.kinds)
        self._followed: list[tuple[Snapshot, set[int]]] = [(snapshot, set())]
        self._met: dict[int, _Met] = {}
        self._spans: dict[Span, Ints] = {}
        self._shifts: list[_Shift] = []
        self._greedy = False
        self._barred = False

    def seats(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Seats | None:
        """Homes for the replicas, all or none: no seats where there are none for certain; None where it cannot tell."""
        if not ask.replicas or not self._tells(snapshot, ask, workload):
            return None
        with self._lock:
            if not self._follow(snapshot):
                return None
            try:
                found = self._decided(snapshot, ask, workload)
            finally:
                self._undo()
                if self._barred:
                    self._guard.barred[:], self._barred = False, False
            return () if found is None and not self._greedy else found

    def follow(self, snapshot: Snapshot) -> bool:
        """Become that snapshot, where that can be done."""
        with self._lock:
            return self._follow(snapshot)

    def _tells(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> bool:
        """Whether it knows all that may count. Of shares that are given back or taken one after another it does not."""
        contract, several = workload.contract, len(ask.replicas) > 1 or bool(workload.bindings)
        shared = contract.share is not None and (several or contract.together is not None)
        if shared or self._frame.index.shape[1] > SLOTS or objectives.concerns(snapshot, workload):
            return False
        more = max(ask.replicas) + 1  # a workload that grows counts in full towards quotas
        grown = workload if more <= workload.replicas else workload.model_copy(update={"replicas": more})
        return table.folded(snapshot, grown)

    def practise(self, snapshot: Snapshot, workloads: Iterable[Workload]) -> None:
        """Decide for these once, so that nobody waits for what is worked out the first time."""
        for workload in workloads:
            self.seats(snapshot, Ask(workload.id, (0,)), workload)

    def _follow(self, snapshot: Snapshot) -> bool:
        """Become that snapshot, from one of those that were followed last; the frame must hold it."""
        if self._followed[-1][0] is snapshot:
            return True
        for at in reversed(range(len(self._followed))):
            held, since = self._followed[at]
            touched = frozenset[NodeId]() if held is snapshot else snapshot.touched_since(held)
            if touched is None:
                continue
            rows = self._renewed(snapshot, touched, since)
            if rows is None:
                return False
            for _, others in self._followed:
                others.update(rows)
            kept = [(s, rows) for s, rows in self._followed if s is not snapshot and len(rows) < _FAR]
            self._followed = [*kept[1 - _FOLLOWED :], (snapshot, set())]
            return True
        return False

    def _renewed(self, snapshot: Snapshot, touched: frozenset[NodeId], since: set[int]) -> set[int] | None:
        ids, rows = self._frame.ids, self._frame.rows
        found = {name: snapshot.node(name) for name in touched.union(ids[row] for row in since)}
        if not all(columns_.fits(self._frame, rows.get(name), node) for name, node in found.items()):
            return None
        where = self._where.on(snapshot)
        fresh = {rows[name]: node for name, node in found.items() if node is not None}
        for row, node in fresh.items():
            self._write(row, node, where)
        for rack in {int(self._guard.rack[row]) for row in fresh} - {-1}:
            self._guard.drawn[rack] = snapshot.rack_watts(self._frame.names.racks[rack])
        return set(fresh)

    def _write(self, row: int, node: Node, where: columns_.Where) -> None:
        """The node as it is now. Mostly nothing of it changed but what runs there: then no more is read."""
        if len(self._met) > _MET:
            self._met.clear()
        met = self._met.get(row)
        if met is None or met.node is not node:
            met = self._met[row] = self._meet(row, node, where)
        self._work(row, met, where)

    def _work(self, row: int, met: _Met, where: columns_.Where) -> None:
        now, sizes = self._row, met.sizes
        now.milli[0], now.sharer[0] = 0, NOBODY
        columns_.fill_work(now, 0, met.node, where)
        sizes[0], sizes[1] = min(now.cpu_free[0], ENOUGH), min(now.memory_free[0], ENOUGH)
        sizes[3] = now.load[0]
        finding.write(
            self._pool, self._guard, row, met.kind, sizes, now.milli[0], now.sharer[0], self._row.present[:, 0]
        )

    def _meet(self, row: int, node: Node, where: columns_.Where) -> _Met:
        """What the node is, whatever runs there."""
        if node.closing_taints not in where.taint or node.software not in where.software:
            where.taint.setdefault(node.closing_taints, len(where.taint))
            where.software.setdefault(node.software, len(where.software))
            self._row = replace(self._row, taints=tuple(where.taint), installed=tuple(where.software))
        now = self._row
        columns_.fill(now, {0: node}, where)
        slots = now.index.shape[1]
        self._healthy[row] = now.healthy[0]
        self._guard.domain[row, :slots], self._guard.called[row, :slots] = now.domain[0], now.index[0]
        kind = int(self.kinds.number(now)[0])
        if kind >= len(self._guard.cluster):
            self._guard = self._guard._replace(cluster=self.kinds.typical.cluster)
        sizes = np.array([0, 0, now.idle[0], 0, now.cap[0]], dtype=np.int64)
        return _Met(node, kind, sizes)

    def _decided(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Seats | None:
        wish = Wish(snapshot, self._frame, ask, workload, spans=self._spans)
        self._vacate(wish)
        self._greedy = False
        for cluster in wish.in_turn():
            asked = self._asked(wish, cluster)
            for rows in self._grounds(wish, cluster):
                found = self._within(wish, asked, rows)
                if found is not None:
                    return found
        return None

    def _asked(self, wish: Wish, cluster: int) -> finding.Asked:
        if self._classes.full:
            self._classes.clear()
            self._pool.score[:] = 0
        asked = self._classes.asked(wish, cluster)
        if self._classes.room > len(self._pool.score):
            self._pool = pools.widened(self._pool, self._classes.room)
        return asked

    def _grounds(self, wish: Wish, cluster: int) -> Iterator[Ints]:
        """Where to look at a time, as `searching` does; no rows: everywhere."""
        over = wish.workload.contract.together
        if over is None or _kept(wish):
            yield _NONE
            return
        where = company.span(wish, over)
        here = np.flatnonzero((self._frame.cluster == cluster) & (where >= 0))
        here = here[np.argsort(where[here], kind="stable")]
        spare, replicas = finding.spare(self._pool)[here], len(wish.ask.replicas)
        free = np.bincount(where[here], weights=spare)
        seats = np.bincount(where[here], weights=spare // wish.needed if wish.needed else np.full(len(here), replicas))
        ends = np.searchsorted(where[here], np.arange(len(free) + 1))
        for domain in np.argsort(free, kind="stable").tolist():
            if seats[domain] >= replicas and ends[domain] < ends[domain + 1]:
                yield here[ends[domain] : ends[domain + 1]]

    def _within(self, wish: Wish, asked: finding.Asked, rows: Ints) -> Seats | None:
        began, standing, bindings = len(self._shifts), _Standing(_kept(wish)), list[Binding]()
        for replica in sorted(wish.ask.replicas):
            self._bar(wish, standing, near=bool(len(rows)), again=bool(bindings))
            node = self._found(asked, rows)
            if node < 0:
                self._greedy |= bool(bindings)  # what was seated first may be why there is no room for the last
                self._undo(began)
                return None
            slots = self._guard.taken[: wish.needed].copy()
            named = tuple(sorted(self._guard.called[node, slots].tolist()))
            bindings.append(Binding(replica=replica, node=self._frame.ids[node], accelerators=named))
            standing.seated.append(node)
            if len(wish.ask.replicas) > 1:
                need = Need.of(wish.workload)
                self._shift(_Shift(node, slots, -need.milli, -need.cpu, -need.memory, wish.watts))
        return tuple(bindings)

    def _found(self, asked: finding.Asked, rows: Ints) -> int:
        return int(finding.find(self._pool, self._guard, self._classes.weights, self._classes.demand, asked, rows))

    def _bar(self, wish: Wish, standing: _Standing, *, near: bool, again: bool) -> None:
        """Close what is to be avoided or too near other replicas, and too far from them unless all is `near`."""
        contract, barred = wish.workload.contract, self._guard.barred
        if contract.spread is not None or (contract.together is not None and not near):
            barred[:] = np.logical_or.reduce([*company.moving(wish, standing, None).values()])
        elif again or not wish.ask.avoid:
            return
        self._barred = True
        barred[[row for name in wish.ask.avoid if (row := self._frame.rows.get(name)) is not None]] = True

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now, as a room does."""
        moved, need = set(wish.ask.replicas), Need.of(wish.workload)
        for binding in wish.workload.bindings:
            row = self._frame.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.flatnonzero(np.isin(self._guard.called[row], binding.accelerators) & self._healthy[row])
            for slot in held.tolist():  # somebody else may have a part of it
                self._shift(_Shift(row, np.array([slot]), WHOLE - int(self._pool.free[row, slot]), 0, 0, 0))
            watts = wish.workload.watts_per_accelerator * len(binding.accelerators)
            self._shift(_Shift(row, _NONE, 0, need.cpu, need.memory, -watts))

    def _shift(self, shift: _Shift) -> None:
        self._shifts.append(shift)
        finding.shift(self._pool, self._guard, *shift)

    def _undo(self, to: int = 0) -> None:
        """What a question supposed is not so."""
        while len(self._shifts) > to:
            row, slots, milli, cpu, memory, watts = self._shifts.pop()
            finding.shift(self._pool, self._guard, row, slots, -milli, -cpu, -memory, -watts)


class _Met(NamedTuple):
    """A node that was read, and what it is."""

    node: Node
    kind: int
    sizes: Ints
    """CPU, memory, idle, load, cap; see `finding.write`."""


class _Shift(NamedTuple):
    """What is supposed of a node for the length of a question; see `finding.shift`."""

    row: int
    slots: Ints
    milli: int
    cpu: int
    memory: int
    watts: int


@dataclass(slots=True)
class _Standing:
    seated: list[int]


def _kept(wish: Wish) -> list[int]:
    """The nodes of the workload's other replicas, where it matters who they are."""
    contract, moved = wish.workload.contract, set(wish.ask.replicas)
    if contract.together is None and contract.spread is None:
        return []
    rows = (wish.columns.rows.get(b.node) for b in wish.workload.bindings if b.replica not in moved)
    return [row for row in rows if row is not None]


def _guard(columns: Columns, pool: pools.Pool, kinds: Kinds) -> finding.Guard:
    nodes, slots = pool.free.shape
    crowd = np.zeros((len(columns.present), max(len(columns.rack_budget), 1)), dtype=np.int64)
    for tenant, present in enumerate(columns.present):
        here = columns.rack[present & (columns.rack >= 0)]
        crowd[tenant] = np.bincount(here, minlength=crowd.shape[1])
    laid = np.full((3, nodes, slots), -1, dtype=np.int64)
    for place, column in enumerate((columns.domain, columns.index, columns.sharer)):
        laid[place, :, : column.shape[1]] = column
    return finding.Guard(
        barred=np.zeros(nodes, dtype=np.bool_),
        rack=columns.rack,
        idle=columns.idle.copy(),
        load=columns.load.copy(),
        cap=columns.cap.copy(),
        domain=laid[0],
        called=laid[1],
        sharer=laid[2],
        drawn=columns.rack_drawn.copy(),
        budget=columns.rack_budget,
        present=columns.present.copy(),
        crowd=crowd,
        cluster=kinds.typical.cluster,
        taken=np.zeros(slots, dtype=np.int64),
        stack=np.zeros(nodes + 1, dtype=np.int32),
    )
