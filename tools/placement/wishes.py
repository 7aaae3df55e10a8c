"""An ask made ready for one snapshot (`Wish`), and what is left while its replicas are seated (`Room`).

Constraints read both; searches write the room. Neither knows a constraint by what it asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from estate import names
from estate.ids import ClusterId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Span, Workload
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.port import Ask
from tools.placement.reserved import Kept, kept


@dataclass(frozen=True, slots=True)
class Wish:
    """One ask on one snapshot: the workload, what each replica needs, and the clusters that come into question."""

    snapshot: Snapshot
    columns: Columns
    ask: Ask
    workload: Workload
    known: Masks | None = None
    """Its enduring masks, where somebody has worked them out before."""
    suited: dict[Constraint | None, tuple[Flags, Flags]] = field(default_factory=dict, compare=False)
    """What `suitable` has answered: it is asked anew for every replica."""
    spans: dict[Span, Ints] = field(default_factory=dict, compare=False)
    """What `span` has answered."""
    reservations: list[Kept | None] = field(default_factory=list, compare=False)
    """What `kept` has answered."""

    @property
    def facts(self) -> Facts:
        """The law base in force."""
        return self.snapshot.facts

    @property
    def kept(self) -> Kept | None:
        """What reservations keep from it; None: nothing is reserved for others."""
        if not self.reservations:
            self.reservations.append(kept(self.snapshot, self.columns, self.workload, self.ask.at))
        return self.reservations[0]

    @property
    def needed(self) -> int:
        """Accelerators of each replica."""
        return self.workload.contract.accelerators_per_replica

    @property
    def watts(self) -> int:
        """What one replica adds to a node's load."""
        return self.needed * self.workload.watts_per_accelerator

    @property
    def whole(self) -> bool:
        """Whether every replica is asked for, so that the workload may change its cluster."""
        return set(range(self.workload.replicas)) <= set(self.ask.replicas)

    def clusters(self) -> tuple[int, ...]:
        """Positions of the clusters to try, the workload's own first; none where another has its name."""
        own, every = self.workload.cluster, enumerate(self.columns.names.clusters)
        if not self.whole:
            return tuple(i for i, c in every if c == own)
        open_to = [i for i, c in every if c == own or not self._named_in(c)]
        return tuple(sorted(open_to, key=lambda i: (self.columns.names.clusters[i] != own, i)))

    def _named_in(self, cluster: ClusterId) -> bool:
        there = names.elsewhere(self.workload, cluster, self.workload.namespace)
        return self.snapshot.workload(there) is not None


class Room:
    """What is left while replicas are seated: devices, the nodes' load, the racks' draw. A scratch copy."""

    def __init__(self, wish: Wish, *, ignore_taken: bool = False, ignore_reserved: bool = False) -> None:
        self._columns = wish.columns
        self.free = wish.columns.free.copy()
        self.load = wish.columns.load.copy()
        self.rack_drawn = wish.columns.rack_drawn.copy()
        self._vacate(wish)
        moved = set(wish.ask.replicas)
        kept = (wish.columns.rows.get(b.node) for b in wish.workload.bindings if b.replica not in moved)
        self.seated = [row for row in kept if row is not None]
        """The nodes of its other replicas, and of those that were seated."""
        self.devices = self.unreserved = wish.columns.healthy.copy() if ignore_taken else self.free
        """What may be taken; and what might, if nothing were reserved."""
        self.undrawn: Ints | None = None
        """Watts of each rack that are kept for what is reserved there."""
        if wish.kept is not None and not ignore_reserved:
            self.devices = self.unreserved & ~wish.kept.devices
            self.undrawn = wish.kept.undrawn

    def added(self, watts: int) -> Ints:
        """What a replica of `watts` would add to the draw of each node, below its cap."""
        c = self._columns
        more: Ints = np.minimum(c.idle + self.load + watts, c.cap) - np.minimum(c.idle + self.load, c.cap)
        return more

    def rack_after(self, watts: int) -> Ints:
        """For each node, what its rack would draw with one more replica there."""
        if not self.rack_drawn.size:
            return self.added(watts)
        return self.spoken_for[self._columns.rack] + self.added(watts)

    @property
    def spoken_for(self) -> Ints:
        """What each rack draws, and what is kept for reservations there."""
        return self.rack_drawn if self.undrawn is None else self.rack_drawn + self.undrawn

    def seat(self, row: int, slots: Ints, watts: int) -> None:
        """Take these devices of a node."""
        for left in (self.devices, self.unreserved, self.free):
            left[row, slots] = False
        self.seated.append(row)
        self._change_load(row, watts)

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now."""
        moved = set(wish.ask.replicas)
        for binding in wish.workload.bindings:
            row = wish.columns.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.healthy[row]
            self.free[row] |= held
            self._change_load(row, -wish.workload.watts_per_accelerator * len(binding.accelerators))

    def _change_load(self, row: int, watts: int) -> None:
        c = self._columns
        before = min(c.idle[row] + self.load[row], c.cap[row])
        self.load[row] += watts
        if c.rack[row] >= 0:
            self.rack_drawn[c.rack[row]] += min(c.idle[row] + self.load[row], c.cap[row]) - before
