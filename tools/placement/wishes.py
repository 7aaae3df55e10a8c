"""An ask made ready for one snapshot (`Wish`), and what is left while its replicas are seated (`Room`).

Constraints read both; searches write the room. Neither knows a constraint by what it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np

from estate import names, pledges
from estate.ids import ClusterId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import WHOLE, Span, Workload, WorkloadContract
from tools.placement.columns import NOBODY, SEVERAL, Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.insides import UNTOLD, Seat
from tools.placement.port import Ask
from tools.placement.reserved import Kept, kept
from tools.placement.spending import Spending, spent

FAR: Final = 2**60
"""More than any limit: what a measure says where nobody knows."""


class Suited(NamedTuple):
    """The devices of an accepted model, those with enough memory, those of the asked size, and those unthrottled."""

    of_model: Flags
    of_memory: Flags
    of_size: Flags
    of_limit: Flags

    @property
    def all(self) -> Flags:
        """Those that will do, free or not."""
        found: Flags = self.of_model & self.of_memory & self.of_size & self.of_limit
        return found


@dataclass(frozen=True, slots=True)
class Wish:
    """One ask on one snapshot: the workload, what each replica needs, and the clusters that come into question."""

    snapshot: Snapshot
    columns: Columns
    ask: Ask
    workload: Workload
    known: Masks | None = None
    """Its enduring masks, where somebody has worked them out before."""
    suited: dict[Constraint | None, Suited] = field(default_factory=dict, compare=False)
    """What `suitable` has answered: it is asked anew for every replica."""
    spans: dict[Span, Ints] = field(default_factory=dict, compare=False)
    """What `span` has answered."""
    points: Callable[[Room, Ints], Ints] | None = field(default=None, compare=False)
    """What nodes are worth, more is better; where nobody says, the tightest are the best."""
    reservations: list[Kept | None] = field(default_factory=list, compare=False)
    """What `kept` has answered."""
    caps: tuple[tuple[Span, int], ...] = ()
    """How many of its replicas may stand in one domain: tried by a search for what was promised of availability."""
    measures: dict[str, Ints] = field(default_factory=dict, compare=False)
    """What `measured` has answered."""
    joined: list[WorkloadContract] = field(default_factory=list, compare=False)
    """What `contract` has answered."""
    counted: Snapshot | None = None
    """The estate whose holdings count towards quotas, where the columns have seats that `snapshot` has not."""
    spendings: dict[tuple[int, ...], tuple[Spending, ...]] = field(default_factory=dict, compare=False)
    """What `spending` has answered."""

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
    def kept(self) -> Kept | None:
        """What reservations keep from it; None: nothing is reserved for others."""
        if not self.reservations:
            self.reservations.append(kept(self.snapshot, self.columns, self.workload, self.ask.at))
        return self.reservations[0]

    @property
    def spending(self) -> tuple[Spending, ...]:
        """What it counts towards: its tenant's quotas, and those of everybody above it."""
        asked = self.ask.replicas
        if asked not in self.spendings:
            known = self.counted or self.snapshot
            self.spendings[asked] = spent(self.columns.books, known, self.workload, asked)
        return self.spendings[asked]

    @property
    def needed(self) -> int:
        """Accelerators of each replica."""
        return self.workload.contract.accelerators_per_replica

    @property
    def shared(self) -> bool:
        """Whether each replica takes a share of a device."""
        return self.workload.contract.share is not None

    @property
    def payer(self) -> int:
        """The tenant's position in `names.tenants`; `SEVERAL` for one that no fact knows."""
        known = self.columns.names.tenants
        return known.index(self.workload.tenant) if self.workload.tenant in known else SEVERAL

    @property
    def watts(self) -> int:
        """What one replica adds to a node's load."""
        return self.needed * self.workload.watts_per_accelerator

    @property
    def whole(self) -> bool:
        """Whether every replica is asked for, so that the workload may change its cluster."""
        asked, all_ = self.ask.replicas, self.workload.replicas
        return len(asked) >= all_ and set(range(all_)) <= set(asked)

    def stays(self) -> list[int]:
        """The nodes of its replicas that are not asked for."""
        moved = set(self.ask.replicas)
        rows = (self.columns.rows.get(b.node) for b in self.workload.bindings if b.replica not in moved)
        return [row for row in rows if row is not None]

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
    """What is left while replicas are seated: devices, the nodes' load, the racks' draw. A scratch copy.

    Of what the contract does not mention nothing is copied: it cannot run out while its replicas are seated.
    """

    def __init__(self, wish: Wish, *, ignore_taken: bool = False, ignore_reserved: bool = False) -> None:
        self._columns, self._contract = wish.columns, wish.workload.contract
        c, contract = wish.columns, self._contract
        self.free = c.free.copy()
        self.load = c.load.copy()
        self.rack_drawn = c.rack_drawn.copy()
        self.cpu = c.cpu_free.copy() if contract.millicores else c.cpu_free
        self.memory = c.memory_free.copy() if contract.host_mebibytes else c.memory_free
        self.milli, self.sharer = (c.milli.copy(), c.sharer.copy()) if wish.shared else (c.milli, c.sharer)
        self._payer = wish.payer
        self.seats: list[Seat] = []
        """What was lifted and seated, for the parts of nodes."""
        self.taken: list[tuple[int, Ints]] = []
        """The nodes and slots of those that were seated, for quotas."""
        self._vacate(wish)
        self.seated = wish.stays()
        """The nodes of its other replicas, and of those that were seated."""
        self.open = self._shareable(wish) if wish.shared else self.free
        """The devices that could be taken as things are: wholly free ones, or those with a share to spare."""
        self.unreserved = self.open
        """What could be taken if nothing were reserved."""
        if ignore_taken:
            self.unreserved, self.milli = c.healthy.copy(), c.healthy * WHOLE
        self.devices = self.unreserved
        """What may be taken."""
        self.undrawn: Ints | None = None
        """Watts of each rack that are kept for what is reserved there."""
        if wish.kept is not None and not ignore_reserved:
            self.devices = self.unreserved & ~wish.kept.devices
            self.undrawn = wish.kept.undrawn

    def seats_on(self, wish: Wish) -> Ints:
        """How many replicas each node has devices for, at most."""
        if wish.shared:
            return self.units(wish)
        if not wish.needed:
            return np.full(len(self.devices), len(wish.ask.replicas), dtype=np.int64)
        found: Ints = self.units(wish) // wish.needed
        return found

    def units(self, wish: Wish) -> Ints:
        """How many devices, or shares of that size, each node has to give."""
        if not wish.shared:
            found: Ints = self.devices.sum(axis=1)
            return found
        shares: Ints = (self.milli * self.devices // wish.workload.contract.milli).sum(axis=1)
        return shares

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
        """Take these devices of a node, or a share of them."""
        self.free[row, slots] = False
        if self._contract.share is None:
            for left in (self.devices, self.unreserved):
                left[row, slots] = False
        else:
            self._share(row, slots)
        self._request(row, slots, 1)
        self.taken.append((row, slots))
        self.seated.append(row)
        self._change_load(row, watts)

    def _share(self, row: int, slots: Ints) -> None:
        left = self.milli[row, slots] = np.maximum(self.milli[row, slots] - self._contract.milli, 0)
        for shared in (self.devices, self.unreserved, self.open):
            shared[row, slots] &= left >= self._contract.milli
        self.sharer[row, slots] = np.where(left > 0, self._payer, NOBODY)

    def columns(self, present: Flags) -> Columns:
        """The columns once all are seated, with `present` for whose work runs where."""
        c = self._columns
        rows = {seat.row for seat in self.seats}
        return replace(
            c,
            free=self.free,
            load=self.load,
            rack_drawn=self.rack_drawn,
            present=present,
            cpu_free=self.cpu,
            memory_free=self.memory,
            milli=self.thousandths(),
            sharer=self.sharer,
            seats=(*c.seats, *self.seats),
            insides={kind: held.without(rows) for kind, held in list(c.insides.items())},
        )

    def thousandths(self, rows: Ints | slice = slice(None)) -> Ints:
        """What is free of each device, whatever its size."""
        if self._contract.share is not None:
            return self.milli[rows]
        before, free = self._columns.free[rows], self.free[rows]
        found: Ints = np.where(before & ~free, 0, np.where(free & ~before, WHOLE, self.milli[rows]))
        return found

    def _shareable(self, wish: Wish) -> Flags:
        found: Flags = (self.milli >= self._contract.milli) & ((self.sharer == NOBODY) | (self.sharer == wish.payer))
        return found

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now."""
        moved = set(wish.ask.replicas)
        for binding in wish.workload.bindings:
            row = wish.columns.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.healthy[row]
            if self._contract.share is not None:
                self.milli[row, held] += self._contract.milli
                held &= self.milli[row] >= WHOLE
                self.sharer[row, held] = NOBODY
            self.free[row] |= held
            self._request(row, np.flatnonzero(np.isin(wish.columns.index[row], binding.accelerators)), -1)
            self._change_load(row, -wish.workload.watts_per_accelerator * len(binding.accelerators))

    def _request(self, row: int, slots: Ints, sign: int) -> None:
        """Processors and memory of a node, and of its parts."""
        contract = self._contract
        if contract.millicores and self.cpu[row] < UNTOLD:
            self.cpu[row] -= sign * contract.millicores
        if contract.host_mebibytes and self.memory[row] < UNTOLD:
            self.memory[row] -= sign * contract.host_mebibytes
        if contract.millicores or contract.host_mebibytes or contract.rails:
            self.seats.append(Seat(row, slots, contract, sign))

    def _change_load(self, row: int, watts: int) -> None:
        c = self._columns
        before = min(c.idle[row] + self.load[row], c.cap[row])
        self.load[row] += watts
        if c.rack[row] >= 0:
            self.rack_drawn[c.rack[row]] += min(c.idle[row] + self.load[row], c.cap[row]) - before
