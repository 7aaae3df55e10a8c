"""One ask on a frame: the homes that a search by masks finds too, found compiled. Called by `boards`, which locks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from estate.workloads import Binding
from tools.placement import availabilities, objectives
from tools.placement.columns import Ints
from tools.placement.constraints import company
from tools.placement.constraints.table import Family
from tools.placement.online import changing, finding, passing
from tools.placement.online.asking import Classes
from tools.placement.online.frames import Frame
from tools.placement.online.guards import Asked
from tools.placement.online.passing import Passing
from tools.placement.online.supposing import Supposed
from tools.placement.wishes import Wish

_EVERYWHERE = np.array([], dtype=np.int64)

type Seats = tuple[Binding, ...]


class Question:
    """Asked once."""

    def __init__(self, frame: Frame, classes: Classes, wish: Wish, families: tuple[Family, ...]) -> None:
        """`families`: those that are asked by their own masks."""
        self._frame, self._classes, self._families = frame, classes, families
        self._wish = wish
        self._lead = passing.leads(wish, frame.kinds.typical, families)
        self._supposed = Supposed(frame)
        self._still = passing.standing(frame, wish, families)
        self._unsure = False
        """Whether seats that were chosen by points may be why there are no homes for all."""

    def answered(self) -> Seats | None:
        """No seats where there are none for certain; None where it cannot tell."""
        try:
            if not self._supposed.vacate(self._wish):
                return None
            found = self._promised()
        finally:
            self._supposed.undo()
        return () if found is None and not self._unsure else found

    def practise(self) -> None:
        """Have everything compiled that a question may need."""
        wish = self._wish
        for cluster in wish.in_turn():
            asked = self._asked(wish, cluster)
            rows = np.flatnonzero(wish.columns.cluster == cluster)
            changing.spare(self._frame.pool, self._frame.guard, asked.watts, wish.payer, wish.shared, rows)
            if (node := self._found(asked, rows)) >= 0:
                self._likely(asked, _EVERYWHERE, node, passing.FEW)
                changing.shift(self._frame.pool, self._frame.guard, node, _EVERYWHERE, 0, 0, 0, 0)

    def _promised(self) -> Seats | None:
        """As `searching.search`: where availability was promised, laid out ever wider until it is kept."""
        wish = self._wish
        promised = wish.contract.availability
        if promised is None:
            return self._homes(wish)
        for caps in availabilities.layouts(wish):
            found = self._homes(replace(wish, caps=caps))
            rows = [wish.columns.rows[b.node] for b in found or ()]
            if found is not None and availabilities.permille(wish, (*wish.stays(), *rows)) >= promised:
                return found
            self._unsure |= found is not None and len(found) > 1
        return None

    def _homes(self, wish: Wish) -> Seats | None:
        for cluster in wish.in_turn():
            asked = self._asked(wish, cluster)
            for rows in self._grounds(wish, asked):
                found = self._within(wish, asked, rows)
                if found is not None:
                    return found
        return None

    def _asked(self, wish: Wish, cluster: int) -> Asked:
        if self._classes.full:
            self._classes.clear()
            self._frame.pool.score[:] = 0
        asked = self._classes.asked(wish, cluster, self._lead)
        if self._classes.room > len(self._frame.pool.score):
            self._frame.widen(self._classes.room)
        return asked

    def _grounds(self, wish: Wish, asked: Asked) -> Iterator[Ints]:
        """Where to look at a time, as `searching` does."""
        over, replicas = wish.contract.together, len(wish.ask.replicas)
        if over is None or wish.stays():
            yield _EVERYWHERE
            return
        where = company.span(wish, over)
        here = np.flatnonzero((wish.columns.cluster == asked.cluster) & (where >= 0))
        here = here[np.argsort(where[here], kind="stable")]
        milli = wish.workload.contract.milli
        spare = changing.spare(self._frame.pool, self._frame.guard, milli, wish.payer, wish.shared, here)
        each = spare if wish.shared or not wish.needed else spare // wish.needed
        free = np.bincount(where[here], weights=spare)
        seats = np.bincount(where[here], weights=each if wish.needed else np.full(len(here), replicas))
        ends = np.searchsorted(where[here], np.arange(len(free) + 1))
        for domain in np.argsort(free, kind="stable").tolist():
            if seats[domain] >= replicas and ends[domain] < ends[domain + 1]:
                yield here[ends[domain] : ends[domain + 1]]

    def _within(self, wish: Wish, asked: Asked, rows: Ints) -> Seats | None:
        began, bindings = len(self._supposed), list[Binding]()
        beside = Passing(self._frame, wish, self._families, self._still, near=bool(len(rows)))
        try:
            for replica in sorted(wish.ask.replicas):
                node = self._next(wish, asked, rows, beside)
                if node < 0:
                    self._unsure |= bool(bindings)
                    return None
                bindings.append(self._seated(wish, beside, replica, node))
        finally:
            beside.end()
            self._supposed.undo(began)
        return tuple(bindings)

    def _next(self, wish: Wish, asked: Asked, rows: Ints, beside: Passing) -> int:
        """The best node for one more, or none: the nearest to the others first, where its work is after that."""
        beside.bar()
        for _, over, domain in objectives.nearest(wish, beside.room.seated):
            where = company.span(wish, over)
            near = rows[where[rows] == domain] if len(rows) else self._frame.members(wish, over, domain)
            found = self._best(asked, near, beside) if len(near) else -1
            if found >= 0:
                return found
        return self._best(asked, rows, beside)

    def _best(self, asked: Asked, rows: Ints, beside: Passing) -> int:
        size = passing.FEW
        while True:
            node = self._found(asked, rows)
            if node < 0 or beside.open(node):
                return node
            beside.ask(self._likely(asked, rows, node, size))
            size = min(passing.MORE * size, len(self._frame.columns.ids))

    def _found(self, asked: Asked, rows: Ints) -> int:
        weights, demand = self._classes.weights, self._classes.demand
        return int(finding.find(self._frame.pool, self._frame.guard, weights, demand, asked, rows))

    def _likely(self, asked: Asked, rows: Ints, node: int, size: int) -> Ints:
        """The node, and others that may come next."""
        weights, demand, found = self._classes.weights, self._classes.demand, np.zeros(size, dtype=np.int64)
        count = finding.likely(self._frame.pool, self._frame.guard, weights, demand, asked, rows, node, found)
        return np.unique(found[:count])

    def _seated(self, wish: Wish, beside: Passing, replica: int, node: int) -> Binding:
        guard = self._frame.guard
        taken = guard.taken[: wish.needed].copy()
        parted = beside.slots(node)
        slots = taken if parted is None else parted
        beside.seat(node, slots)
        if len(wish.ask.replicas) > 1:
            self._supposed.seat(wish, node, slots)
        named = tuple(sorted(guard.called[node, slots].tolist()))
        return Binding(replica=replica, node=wish.columns.ids[node], accelerators=named)
