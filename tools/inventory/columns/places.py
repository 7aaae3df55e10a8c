"""Where nodes stand, and what racks and sites add up to: kept current as nodes change what they add.

Called by `machines`. A node's share is read off its own columns, so that what it added before is never asked again.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from estate.ids import NodeId, RackId, SiteId
from estate.law import Facts
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Numbers, Rows
from tools.inventory.columns.readings import sums
from tools.inventory.columns.sums import (
    CLOSED,
    FENCED_NODES,
    FREE,
    MILLIWATTS,
    NODES,
    NOWHERE,
    WATTS,
    Levels,
    Totals,
)

SEEN, FENCED, OPEN, PLAIN, CAPPED = 1, 2, 4, 8, 16
"""The bits of a node's `state`. `OPEN`: it may receive work. `PLAIN`: its devices are numbered 0, 1, 2, …"""


class Places:
    """The shares of nodes, and their sums. One task writes."""

    def __init__(self, facts: Facts, shift: int, ages: Ages) -> None:
        self.facts, self._ages = facts, ages
        self.racks: Totals[RackId] = Totals(ages)
        self.sites: Totals[SiteId] = Totals(ages)
        self.levels = Levels()
        self.site_of = array("q")
        """The row of the site of each rack's row."""
        self.columns = {
            "state": Numbers("b", 0, shift, ages),
            "rack": Numbers("i", NOWHERE, shift, ages),
            "watts": Numbers("q", 0, shift, ages),
            "milliwatts": Numbers("q", 0, shift, ages),
            "free": Numbers("i", 0, shift, ages),
        }
        self.state, self.watts, self.free = (self.columns[n] for n in ("state", "watts", "free"))
        self.milliwatts, self._rack = self.columns["milliwatts"], self.columns["rack"]

    def rack(self, node: NodeId) -> int:
        """The row of the rack of a node; `NOWHERE` where no fact places it."""
        name = self.facts.rack_of.get(node)
        row = self.racks.row(name)
        if name is not None and row == len(self.site_of):
            self.site_of.append(self.sites.row(self.facts.rack[name].site))
        return row

    def obey(self, facts: Facts) -> None:
        """Other facts are in force; every node must `stand` anew after this, and none may change before it does."""
        self.facts = facts
        self.racks, self.sites, self.site_of = Totals(self._ages), Totals(self._ages), array("q")
        self.levels.begin()

    def stand(self, row: int, node: NodeId) -> None:
        """The node, which adds nothing yet, stands where facts say, with all it adds."""
        state, watts, free, milliwatts = self.state[row], self.watts[row], self.free[row], self.milliwatts[row]
        for column in (self.state, self.watts, self.free, self.milliwatts):
            column.set(row, 0)
        self._rack.set(row, self.rack(node))
        self.measure(row, milliwatts)
        self.exchange(row, state, watts, free)

    def shift(self, row: int, state: int, watts: int, freed: int) -> None:
        """A node in that state draws so much more, and has so many more free devices."""
        which = FREE if state & OPEN else CLOSED
        if watts:
            self.watts.open(row)[row] += watts
        rack = self._rack[row]
        if rack >= 0:
            rack_sums, at = self.racks.open(rack)
            rack_sums[at + WATTS] += watts
            rack_sums[at + which] += freed
            site_sums, at = self.sites.open(self.site_of[rack])
            site_sums[at + WATTS] += watts
            site_sums[at + which] += freed
        if freed:
            free = self.free.open(row)
            had = free[row]
            free[row] = had + freed
            if state & OPEN:
                self.levels.exchange(had, had + freed, 0)
            else:
                self.levels.closed += freed

    def exchange(self, row: int, state: int, watts: int, free: int) -> None:
        """The node adds this to the sums, and no longer what it added before."""
        was, drew, had = self.state[row], self.watts[row], self.free[row]
        self.state.set(row, state)
        self.watts.set(row, watts)
        self.free.set(row, free)
        open_before, open_after = (had if was & OPEN else None), (free if state & OPEN else None)
        opened = (open_after or 0) - (open_before or 0)
        closed = free - had - opened
        self.levels.exchange(open_before, open_after, closed)
        rack = self._rack[row]
        if rack >= 0:
            for added, at in (self.racks.open(rack), self.sites.open(self.site_of[rack])):
                added[at + WATTS] += watts - drew
                added[at + NODES] += (state & SEEN) - (was & SEEN)
                added[at + FENCED_NODES] += bool(state & FENCED) - bool(was & FENCED)
                added[at + FREE] += opened
                added[at + CLOSED] += closed

    def exchange_all(self, rows: Rows, state: Rows, watts: Rows, free: Rows) -> None:
        """Each of these different nodes adds this to the sums, and no longer what it added before."""
        was, drew, had = (c.take(rows).astype(np.int64) for c in (self.state, self.watts, self.free))
        for column, before, now in ((self.state, was, state), (self.watts, drew, watts), (self.free, had, free)):
            other = before != now
            column.put(rows[other], now[other])
        open_before = was & OPEN > 0
        opened = np.where(state & OPEN, free, 0) - np.where(open_before, had, 0)
        closed = free - had - opened
        self.levels.exchange_all(had[open_before], free[state & OPEN > 0], int(closed.sum()))
        racks = self._rack.take(rows).astype(np.int64)
        placed = racks >= 0
        sites = np.frombuffer(self.site_of, dtype=np.int64)
        added = {
            WATTS: watts - drew,
            NODES: (state & SEEN) - (was & SEEN),
            FENCED_NODES: (state & FENCED > 0).astype(np.int64) - (was & FENCED > 0),
            FREE: opened,
            CLOSED: closed,
        }
        for which, amounts in added.items():
            other = placed & (amounts != 0)
            if other.any():
                self.racks.add(racks[other], which, amounts[other])
                self.sites.add(sites[racks[other]], which, amounts[other])

    def measure(self, row: int, milliwatts: int) -> None:
        """The devices of the node draw so much more, as measured."""
        if milliwatts:
            self.measured(np.array([row]), np.array([milliwatts]))

    def measured(self, nodes: Rows, milliwatts: NDArray[np.int64]) -> None:
        """The devices of these ascending nodes draw so much more, as measured."""
        self.milliwatts.put(nodes, self.milliwatts.take(nodes) + milliwatts)
        racks = self._rack.take(nodes).astype(np.int64)
        placed = racks >= 0
        rows, shares = sums(racks[placed], milliwatts[placed])
        self.racks.add(rows, MILLIWATTS, shares)
        sites, shares = sums(np.frombuffer(self.site_of, dtype=np.int64)[rows], shares)
        self.sites.add(sites, MILLIWATTS, shares)
