"""A fleet kept current for single decisions: it follows the snapshots, and finds at once what masks find too.

Called by the engine, which makes one in the background. It decides nothing that it cannot decide as the masks do: of a
snapshot that it cannot follow, or a workload that somebody else's constraint may concern, it says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from estate.hardware import Node
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Span, Workload
from tools.placement import columns as columns_
from tools.placement.columns import Columns, Ints
from tools.placement.constraints import company, table
from tools.placement.online import classes, finding
from tools.placement.online.asking import Classes
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import Outlook
from tools.placement.online.valuing import ENOUGH, Valuation
from tools.placement.packing import pools
from tools.placement.packing.demands import WHOLE
from tools.placement.port import Ask
from tools.placement.wishes import Wish

_FOLLOWED = 4
_FAR = 4_096
"""A snapshot from which so many nodes differ by now is not gone back to."""

_EVERYWHERE = np.array([], dtype=np.int64)
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
        self._free = np.where(columns.free, WHOLE, 0) if columns.free.shape[1] else np.zeros((len(kind), 1), np.int64)
        self._healthy = columns.healthy.copy()
        plenty = np.full(len(kind), ENOUGH, dtype=np.int64)
        self._classes = Classes(snapshot, Valuation(snapshot, self.kinds, outlook))
        self._pool = pools.pool_of(kind.astype(np.int32), plenty, plenty, self._free, self._classes.room)
        self._guard = _guard(columns, self._pool, self.kinds)
        self._followed: list[tuple[Snapshot, set[int]]] = [(snapshot, set())]
        self._met: dict[int, _Met] = {}
        self._present = np.zeros(len(columns.present), dtype=np.bool_)
        self._spans: dict[Span, Ints] = {}
        self._shifts: list[tuple[int, Ints, int, int]] = []
        self._barred = False

    def seats(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Seats | None:
        """Homes for the replicas, all or none: no seats where there are none for certain; None where it cannot tell."""
        if not table.folded(snapshot, workload) or self._frame.index.shape[1] > classes.SLOTS or not ask.replicas:
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
            return () if found is None and len(ask.replicas) == 1 else found

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
        node, load = met.node, where.snapshot.workloads_on(met.node.id)
        taken, free, present = where.snapshot.taken(node.id), self._free[row], self._present
        for slot, index in enumerate(met.healthy):
            free[slot] = WHOLE if index >= 0 and index not in taken else 0
        present[:] = False
        for workload in load:
            present[where.tenant.get(workload.tenant, columns_.UNKNOWN_TENANT)] = True
        met.sizes[3] = columns_.load_of(load, node.id)
        finding.write(self._pool, self._guard, row, met.kind, met.sizes, free, present)

    def _meet(self, row: int, node: Node, where: columns_.Where) -> _Met:
        """What the node is, whatever runs there."""
        if node.closing_taints not in where.taint:
            where.taint[node.closing_taints] = len(where.taint)
            self._row = replace(self._row, taints=tuple(where.taint))
        now = self._row
        columns_.fill(now, 0, node, where)
        slots = now.index.shape[1]
        self._healthy[row] = now.healthy[0]
        self._guard.domain[row, :slots], self._guard.index[row, :slots] = now.domain[0], now.index[0]
        kind = int(self.kinds.number(now)[0])
        if kind >= len(self._guard.cluster):
            self._guard = self._guard._replace(cluster=self.kinds.typical.cluster)
        sizes = np.array([ENOUGH, ENOUGH, now.idle[0], 0, now.cap[0]], dtype=np.int64)
        self._free[row] = 0
        return _Met(node, kind, sizes, np.where(now.healthy[0], now.index[0], -1).tolist())

    def _decided(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Seats | None:
        wish = Wish(snapshot, self._frame, ask, workload, spans=self._spans)
        self._vacate(wish)
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
            yield _EVERYWHERE
            return
        where = company.span(wish, over)
        here = np.flatnonzero((self._frame.cluster == cluster) & (where >= 0))
        here = here[np.argsort(where[here], kind="stable")]
        free = np.bincount(where[here], weights=finding.spare(self._pool)[here])
        ends = np.searchsorted(where[here], np.arange(len(free) + 1))
        for domain in np.argsort(free, kind="stable").tolist():
            if free[domain] >= wish.needed * len(wish.ask.replicas) and ends[domain] < ends[domain + 1]:
                yield here[ends[domain] : ends[domain + 1]]

    def _within(self, wish: Wish, asked: finding.Asked, rows: Ints) -> Seats | None:
        began, standing, bindings = len(self._shifts), _Standing(_kept(wish)), list[Binding]()
        for replica in sorted(wish.ask.replicas):
            self._bar(wish, standing, bindings)
            node = self._found(asked, rows)
            if node < 0:
                self._undo(began)
                return None
            slots = self._guard.taken[: wish.needed].copy()
            named = tuple(sorted(self._guard.index[node, slots].tolist()))
            bindings.append(Binding(replica=replica, node=self._frame.ids[node], accelerators=named))
            standing.seated.append(node)
            if len(wish.ask.replicas) > 1:
                self._shift(node, slots, -WHOLE, wish.watts)
        return tuple(bindings)

    def _found(self, asked: finding.Asked, rows: Ints) -> int:
        return int(finding.find(self._pool, self._guard, self._classes.weights, self._classes.demand, asked, rows))

    def _bar(self, wish: Wish, standing: _Standing, seated: Sequence[Binding]) -> None:
        """Close what is to be avoided, and what is too far from the other replicas or too near."""
        contract, barred = wish.workload.contract, self._guard.barred
        self._barred = True
        if contract.together is not None or contract.spread is not None:
            barred[:] = np.logical_or.reduce([*company.moving(wish, standing, None).values()])
        elif seated or not wish.ask.avoid:
            return
        barred[[row for name in wish.ask.avoid if (row := self._frame.rows.get(name)) is not None]] = True

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now, as a room does."""
        moved = set(wish.ask.replicas)
        for binding in wish.workload.bindings:
            row = self._frame.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            slots = np.flatnonzero(np.isin(self._guard.index[row], binding.accelerators) & self._healthy[row])
            held = slots[self._pool.free[row, slots] == 0]
            self._shift(row, held, WHOLE, -wish.workload.watts_per_accelerator * len(binding.accelerators))

    def _shift(self, row: int, slots: Ints, milli: int, watts: int) -> None:
        self._shifts.append((row, slots, milli, watts))
        finding.shift(self._pool, self._guard, row, slots, milli, watts)

    def _undo(self, to: int = 0) -> None:
        """What a question supposed is not so."""
        while len(self._shifts) > to:
            row, slots, milli, watts = self._shifts.pop()
            finding.shift(self._pool, self._guard, row, slots, -milli, -watts)


class _Met(NamedTuple):
    """A node that was read, and what it is."""

    node: Node
    kind: int
    sizes: Ints
    """CPU, memory, idle, load, cap; see `finding.write`."""
    healthy: list[int]
    """The index of each device; negative where it is none, or not healthy."""


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
    laid = np.full((2, nodes, slots), -1, dtype=np.int64)
    laid[0, :, : columns.domain.shape[1]], laid[1, :, : columns.index.shape[1]] = columns.domain, columns.index
    return finding.Guard(
        barred=np.zeros(nodes, dtype=np.bool_),
        rack=columns.rack,
        idle=columns.idle.copy(),
        load=columns.load.copy(),
        cap=columns.cap.copy(),
        domain=laid[0],
        index=laid[1],
        drawn=columns.rack_drawn.copy(),
        budget=columns.rack_budget,
        present=columns.present.copy(),
        crowd=crowd,
        cluster=kinds.typical.cluster,
        taken=np.zeros(slots, dtype=np.int64),
        stack=np.zeros(nodes + 1, dtype=np.int32),
    )
