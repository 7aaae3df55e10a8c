"""The placement engine: vectorised masks with reasons, best fit. The case graph and the tool catalogue ask it.

Pure: the same snapshot and ask give the same answer, and nothing is logged. The only state is a cache of columns.
It proposes homes; whether they may be used is the gate's decision.
"""

from __future__ import annotations

import threading

from estate.frozen import FrozenEstate
from estate.snapshots import Snapshot
from tools.inventory.columns.grounds import ColumnarGround
from tools.placement import columns, deliveries, grounding, relaxing, yielding
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns
from tools.placement.constraints import times
from tools.placement.port import Ask, NoPlacement, Placement, Reason, Term
from tools.placement.reasons import explain
from tools.placement.searching import search
from tools.placement.wishes import Room, Wish

_SNAPSHOTS_KEPT = 4


class MaskEngine:
    """Satisfies `tools.placement.port.Engine`; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects `_recent`
        self._recent: list[tuple[Snapshot, Columns]] = []

    def place(self, snapshot: Snapshot, ask: Ask) -> Placement | NoPlacement:
        """Homes for the replicas, all or none; see the port."""
        workload = snapshot.workload(ask.workload)
        if workload is None:
            return _unknown(ask)
        wish = Wish(snapshot, self.columns_of(snapshot), ask, workload)
        attempt = search(wish)
        if attempt.complete:
            return _placement(wish, attempt)
        yields = yielding.preemption(self, wish)
        return NoPlacement(
            refused=explain(wish, attempt.last, attempt.room or Room(wish)),
            nearest=relaxing.nearest(wish, attempt),
            preemption=yields.preemption if yields is not None else None,
        )

    def columns_of(self, snapshot: Snapshot) -> Columns:
        """The columns of a snapshot, by identity: rehearsed estates share a version and differ in content."""
        with self._lock:
            for held, found in self._recent:
                if held is snapshot:
                    return found
            built = self._renewed(snapshot) or _built(snapshot)
            self._recent = [*self._recent[1 - _SNAPSHOTS_KEPT :], (snapshot, built)]
            return built

    def _renewed(self, snapshot: Snapshot) -> Columns | None:
        """Off the newest columns of an estate of the same line, where there are such."""
        for held, found in reversed(self._recent):
            if (touched := snapshot.touched_since(held)) is not None:
                return columns.renewed(found, snapshot, touched)
        return None


def _built(snapshot: Snapshot) -> Columns:
    """Off the inventory's columns where it stands on those; a scan of everything else."""
    if isinstance(snapshot, FrozenEstate) and isinstance(snapshot.ground, ColumnarGround):
        above = snapshot.above()
        found = None if above is None else columns.renewed(grounding.build(snapshot, snapshot.ground), snapshot, above)
        if found is not None:
            return found
    return columns.build(snapshot)


def _placement(wish: Wish, attempt: Attempt) -> Placement:
    names = wish.columns.ids
    begins, done = times.span(wish, attempt.rows)
    return Placement(
        bindings=tuple(attempt.bindings),
        score=(
            *(Term(name=name, value=value) for name, value in attempt.aims.items()),
            Term(name="free_milli_gpu_left" if wish.shared else "free_accelerators_left", value=sum(attempt.left)),
            Term(name="rack_fill_permille", value=max(attempt.fill, default=0)),
        ),
        runner_up=None if attempt.runner_up is None else names[attempt.runner_up],
        refused=explain(wish, attempt.first, Room(wish)),
        deliveries=deliveries.told(wish, attempt.rows),
        begins=begins,
        done=done,
    )


def _unknown(ask: Ask) -> NoPlacement:
    remedy = "name a workload of the estate; see `placet get workloads`"
    reason = Reason(
        dimension=None,
        constraint="known workload",
        nodes=0,
        needed=f"workload `{ask.workload}`",
        found="not in the estate",
        remedy=remedy,
    )
    return NoPlacement(refused=(reason,), nearest=remedy)
