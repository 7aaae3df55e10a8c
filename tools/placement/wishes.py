"""An ask made ready for one snapshot (`Wish`), and what is left while its replicas are seated (`Room`).

Constraints read both; searches write the room. Neither knows a constraint by what it asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from estate import names, pledges
from estate.ids import ClusterId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Span, Workload, WorkloadContract
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.port import Ask

FAR: Final = 2**60
"""More than any limit: what a measure says where nobody knows."""


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
    caps: tuple[tuple[Span, int], ...] = ()
    """How many of its replicas may stand in one domain: tried by a search for what was promised of availability."""
    measures: dict[str, Ints] = field(default_factory=dict, compare=False)
    """What `measured` has answered."""
    joined: list[WorkloadContract] = field(default_factory=list, compare=False)
    """What `contract` has answered."""

    @property
    def contract(self) -> WorkloadContract:
        """What it was promised, by its cluster and by every contract of the estate that names it."""
        if not self.joined:
            self.joined.append(pledges.of(self.snapshot, self.workload, self.ask.at))
        return self.joined[0]

    def measured(self, name: str, measure: Callable[[Wish], Ints]) -> Ints:
        """A figure for each node that no seated replica changes, worked out once."""
        if name not in self.measures:
            self.measures[name] = measure(self)
        return self.measures[name]

    @property
    def facts(self) -> Facts:
        """The law base in force."""
        return self.snapshot.facts

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

    def kept(self) -> list[int]:
        """The nodes of its replicas that are not asked for."""
        moved = set(self.ask.replicas)
        rows = (self.columns.rows.get(b.node) for b in self.workload.bindings if b.replica not in moved)
        return [row for row in rows if row is not None]

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

    def __init__(self, wish: Wish, *, ignore_taken: bool = False) -> None:
        self._columns = wish.columns
        self.free = wish.columns.free.copy()
        self.load = wish.columns.load.copy()
        self.rack_drawn = wish.columns.rack_drawn.copy()
        self._vacate(wish)
        self.seated = wish.kept()
        """The nodes of its other replicas, and of those that were seated."""
        self.devices = wish.columns.healthy.copy() if ignore_taken else self.free

    def added(self, watts: int) -> Ints:
        """What a replica of `watts` would add to the draw of each node, below its cap."""
        c = self._columns
        more: Ints = np.minimum(c.idle + self.load + watts, c.cap) - np.minimum(c.idle + self.load, c.cap)
        return more

    def rack_after(self, watts: int) -> Ints:
        """For each node, what its rack would draw with one more replica there."""
        return self.rack_drawn[self._columns.rack] + self.added(watts) if self.rack_drawn.size else self.added(watts)

    def seat(self, row: int, slots: Ints, watts: int) -> None:
        """Take these devices of a node."""
        self.devices[row, slots] = False
        self.free[row, slots] = False
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
