"""An ask made ready for one snapshot: the workload, what each replica needs, and what was worked out for it once.

Constraints and searches read it. It knows no constraint by what that asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estate import names, pledges
from estate.ids import ClusterId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Span, Workload, WorkloadContract
from tools.placement.columns import SEVERAL, Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.port import Ask
from tools.placement.reserved import Claims, Kept, claims, kept, own
from tools.placement.spending import Spending, spent

if TYPE_CHECKING:
    from tools.placement.rooms import Room

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
    claimed: list[Claims | None] = field(default_factory=list, compare=False)
    """What `claims` has answered."""
    base: Ints | None = field(default=None, compare=False)
    """What each rack draws as things are, reserved watts and all, where the columns suppose something else."""
    held: list[Flags | None] = field(default_factory=list, compare=False)
    """What `own` has answered."""
    caps: tuple[tuple[Span, int], ...] = ()
    """How many of its replicas may stand in one domain: tried by a search for what was promised of availability."""
    measures: dict[str, Ints] = field(default_factory=dict, compare=False)
    """What `measured` has answered."""
    alike: Alike | None = field(default=None, compare=False)
    """Which nodes are alike, where somebody knows."""
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

    def measured(self, name: str, measure: Callable[[Wish], Ints], *, of_kind: bool = False) -> Ints:
        """A figure for each node that no seated replica changes, worked out once; `of_kind`: the same for all of a
        kind (`online.kinds`), and worked out once for each where somebody knows them."""
        if name not in self.measures:
            alike = self.alike if of_kind else None
            self.measures[name] = measure(self) if alike is None else measure(self.typical(alike))[alike.kind]
        return self.measures[name]

    def typical(self, alike: Alike) -> Wish:
        """The same wish on one node of each kind."""
        return Wish(self.snapshot, alike.columns, self.ask, self.workload, joined=self.joined)

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
    def own(self) -> Flags | None:
        """The devices that are reserved for it now; None: there are none."""
        if not self.held:
            self.held.append(own(self.snapshot, self.columns, self.workload, self.ask.at))
        return self.held[0]

    @property
    def spending(self) -> tuple[Spending, ...]:
        """What it counts towards: its tenant's quotas, and those of everybody above it."""
        asked = self.ask.replicas
        if asked not in self.spendings:
            known = self.counted or self.snapshot
            self.spendings[asked] = spent(self.columns.books, known, self.workload, asked)
        return self.spendings[asked]

    @property
    def claims(self) -> Claims | None:
        """Everything that is reserved, its own as well; None: nothing is."""
        if not self.claimed:
            self.claimed.append(claims(self.snapshot, self.columns, self.workload))
        return self.claimed[0]

    @property
    def spoken_for(self) -> Ints:
        """What each rack draws as things are, and what is kept there for what is reserved."""
        if self.base is not None:
            return self.base
        drawn, held = self.columns.rack_drawn, self.claims
        return drawn if held is None else drawn + held.undrawn

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


class Alike(NamedTuple):
    """One node of each kind, and the kind of each node."""

    columns: Columns
    kind: NDArray[np.int32]
