"""The placement engine: the best place by what is to come, under every constraint, with reasons.

The case graph and the tool catalogue ask it. Pure: the same snapshot, ask and outlook give the same answer, and nothing
is logged. What it keeps saves time and changes no answer: columns, and a board (`online.boards`), which it makes where
somebody lets it, in the background (`look`). Until then, and wherever the board cannot tell, masks decide by the same
numbers. It proposes homes; whether they may be used is the gate's decision.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from estate.frozen import FrozenEstate
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Binding, Workload
from policies.profiles import Ceiling
from policies.quotas import Books
from policies.reserves import NOTHING, Reserves
from tools.inventory.columns.grounds import ColumnarGround
from tools.placement import carriers, deliveries, filling, grounding, relaxing, yielding
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns
from tools.placement.constraints import quotas, times
from tools.placement.online.kinds import Kinds
from tools.placement.online.outlooks import UNTOLD, Outlook
from tools.placement.online.valuing import Valuation, Worth
from tools.placement.packing.steps import POINTS
from tools.placement.port import Ask, NoPlacement, Placement, Reason, Term
from tools.placement.reasons import explain
from tools.placement.rooms import Room
from tools.placement.searching import search
from tools.placement.wishes import Wish

if TYPE_CHECKING:
    from tools.placement.online.boards import Board

_SNAPSHOTS_KEPT = 4
_AHEAD = 1_024
"""Changes of the estate after which another look is worth its time."""
LARGE = 512
"""Nodes from which on a board is worth its compilation: masks answer a smaller fleet in a millisecond or two."""


class MaskEngine:
    """Satisfies `tools.placement.port.Engine`; safe to share between threads."""

    def __init__(
        self, outlook: Outlook = UNTOLD, ceilings: tuple[Ceiling, ...] = (), reserves: Reserves = NOTHING
    ) -> None:
        """`ceilings` are what the house lets tenants hold, beside the quotas of the facts; it keeps `reserves` free."""
        self._lock = threading.Lock()  # protects `_recent` and `_valuation`
        self._recent: list[tuple[Snapshot, Columns]] = []
        self._valuation: Valuation | None = None
        self.outlook = outlook
        self._books = Books(ceilings=ceilings)
        self._reserves = reserves
        self._board: Board | None = None
        self._looked: SnapshotVersion | None = None

    def place(self, snapshot: Snapshot, ask: Ask) -> Placement | NoPlacement:
        """Homes for the replicas, all or none; see the port."""
        workload = snapshot.workload(ask.workload)
        if workload is None:
            return _unknown(ask)
        wish = Wish(snapshot, self.columns_of(snapshot), ask, workload)
        attempt = self._searched(wish)
        if attempt.complete:
            return _placement(wish, attempt)
        yields = yielding.preemption(self, wish)
        return NoPlacement(
            refused=explain(wish, attempt.last, attempt.room or Room(wish)),
            nearest=relaxing.nearest(wish, attempt),
            preemption=yields.preemption if yields is not None else None,
        )

    def seats(self, snapshot: Snapshot, ask: Ask) -> tuple[Binding, ...] | None:
        """The homes that `place` would give, without a reason: at once where there is a board."""
        workload = snapshot.workload(ask.workload)
        if workload is None:
            return None
        found = self._boarded(snapshot, ask, workload)
        if found is not None:
            return found or None
        attempt = self._searched(Wish(snapshot, self.columns_of(snapshot), ask, workload))
        return tuple(attempt.bindings) if attempt.complete else None

    def follow(self, snapshot: Snapshot) -> None:
        """Catch up with the estate, so that no decision has far to go. Any thread may."""
        board = self._board
        if board is not None and not board.follow(snapshot):
            self._board = None

    def due(self, snapshot: Snapshot) -> bool:
        """Whether another look is worth its time: a large fleet that has no board, or of which much has changed."""
        if len(snapshot.facts.rack_of) < LARGE:
            return False
        last = 0 if self._looked is None else self._looked.sequence
        return self._board is None or abs(snapshot.version.sequence - last) >= _AHEAD

    def look(self, snapshot: Snapshot) -> None:
        """Learn what is to be expected, and make a board for it: for whoever is alone."""
        self.adopt(snapshot, self.foresee(snapshot), snapshot.version)

    def foresee(self, snapshot: Snapshot) -> Outlook:
        """What is to be expected, by what runs. Takes seconds, and a minute where nothing is compiled yet; decisions go
        on meanwhile, by what was known. For the background, as `adopt`."""
        from tools.placement.online import looking  # loads the compiler, which most programs never need

        return looking.outlook(snapshot, _built(snapshot))

    def adopt(self, snapshot: Snapshot, outlook: Outlook, seen: SnapshotVersion) -> None:
        """Expect this, which was seen in an estate of that version; where the fleet is large, with a board for it."""
        large = len(snapshot.facts.rack_of) >= LARGE
        board = self._made(snapshot, outlook) if large else None
        with self._lock:
            self.outlook, self._board, self._looked, self._valuation = outlook, board, seen, None

    def expect(self, outlook: Outlook) -> None:
        """Expect this, and decide by masks: for whoever is asked seldom."""
        with self._lock:
            self.outlook, self._board, self._valuation = outlook, None, None

    def _made(self, snapshot: Snapshot, outlook: Outlook) -> Board | None:
        from tools.placement.online import looking  # as in `foresee`

        read = _built(snapshot).housed(Books(), self._reserves)
        return looking.board(snapshot, read, outlook) if read.ids else None

    def columns_of(self, snapshot: Snapshot) -> Columns:
        """The columns of a snapshot, by identity: rehearsed estates share a version and differ in content."""
        with self._lock:
            for held, found in self._recent:
                if held is snapshot:
                    return found
            built = self._renewed(snapshot) or _built(snapshot).housed(self._books, self._reserves)
            self._recent = [*self._recent[1 - _SNAPSHOTS_KEPT :], (snapshot, built)]
            return built

    def _renewed(self, snapshot: Snapshot) -> Columns | None:
        """Off the newest columns of an estate of the same line, where there are such."""
        for held, found in reversed(self._recent):
            if (touched := snapshot.touched_since(held)) is not None:
                return filling.renewed(found, snapshot, touched)
        return None

    def _searched(self, wish: Wish) -> Attempt:
        """By points; where what is best first leaves no room for the last, or is up too seldom, by what is tightest
        first.
        """
        with self._lock:
            valued = self._worth(wish).of(wish)
            attempt = search(valued)
        alone = len(wish.ask.replicas) < 2 and wish.contract.availability is None
        return attempt if attempt.complete or alone else search(wish)

    def _worth(self, wish: Wish) -> Worth:
        known = self._valuation
        if known is None or not known.kinds.tells(wish.columns):
            known = self._valuation = Valuation(wish.snapshot, Kinds(wish.columns), self.outlook)
        return Worth(known, wish.columns)

    def _boarded(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> tuple[Binding, ...] | None:
        """What the board says: no seats where there are none for certain; None where it cannot tell."""
        ceilings = self._books.ceilings
        if self._board is None or (ceilings and quotas.concerns(snapshot, workload, ceilings)):
            return None
        if any(self._reserves) and carriers.of(snapshot, self.columns_of(snapshot)) is not None:
            return None  # the board weighs what carries racks as it is
        return self._board.seats(snapshot, ask, workload)


def _built(snapshot: Snapshot) -> Columns:
    """Off the inventory's columns where it stands on those; a scan of everything else."""
    if isinstance(snapshot, FrozenEstate) and isinstance(snapshot.ground, ColumnarGround):
        above = snapshot.above()
        found = None if above is None else filling.renewed(grounding.build(snapshot, snapshot.ground), snapshot, above)
        if found is not None:
            return found
    return filling.build(snapshot)


def _placement(wish: Wish, attempt: Attempt) -> Placement:
    names = wish.columns.ids
    begins, done = times.span(wish, attempt.rows)
    return Placement(
        bindings=tuple(attempt.bindings),
        score=(
            *(Term(name=name, value=value) for name, value in attempt.aims.items()),
            *(Term(name="points_lost", value=POINTS * len(found) - sum(found)) for found in (attempt.points,) if found),
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
