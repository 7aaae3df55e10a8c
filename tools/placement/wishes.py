"""An ask made ready for one snapshot (`Wish`), and what is left while its replicas are seated (`Room`).

Constraints read both; searches write the room. Neither knows a constraint by what it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    points: Callable[[Room, Ints], Ints] | None = field(default=None, compare=False)
    """What nodes are worth, more is better; where nobody says, the tightest are the best."""

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
        asked, all_ = self.ask.replicas, self.workload.replicas
        return len(asked) >= all_ and set(range(all_)) <= set(asked)

    def clusters(self) -> tuple[int, ...]:
        """Positions of the clusters to try."""
        return tuple(self.in_turn())

    def in_turn(self) -> Iterator[int]:
        """Those one after another: the workload's own first, and none where another has its name."""
        own, every = self.workload.cluster, self.columns.names.clusters
        yield from (i for i, c in enumerate(every) if c == own)
        if self.whole:
            yield from (i for i, c in enumerate(every) if c != own and not self._named_in(c))

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
        moved = set(wish.ask.replicas)
        kept = (wish.columns.rows.get(b.node) for b in wish.workload.bindings if b.replica not in moved)
        self.seated = [row for row in kept if row is not None]
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
