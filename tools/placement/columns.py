"""Columnar (NumPy) views of a snapshot: what masks and scores read. Built once, then only touched rows are refilled.

Rows are nodes by id; devices lie in a padded matrix of nodes × slots. Numbers stand for names (`-1`: no fact says).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estate.devices import Vendor
from estate.hardware import Health, Taint
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId
from estate.law import Facts
from estate.machines import Software
from estate.snapshots import Snapshot
from estate.workloads import Locality
from policies.quotas import Books
from policies.reserves import NOTHING, Reserves
from tools.placement.insides import Inside, Parts, Seat

if TYPE_CHECKING:
    from tools.placement.carriers import Carriers

type Flags = NDArray[np.bool_]
type Ints = NDArray[np.int64]

UNCAPPED = 10**12
NOBODY, SEVERAL = -1, -2
"""In `sharer`: who shares a device, where that is not one known tenant."""
HEALTHS = tuple(Health)
HEALTHY = HEALTHS.index(Health.HEALTHY)
SHARED = frozenset(
    {
        *("names", "rows", "ids", "models", "makers", "profiles", "installed", "taints", "rack_budget"),
        *("seats", "insides", "books", "carriers", "reserves"),
    }
)
"""What a renewal does not copy as an array."""
_OF_RACKS = frozenset({"rack_drawn", "rack_budget"})
UNKNOWN_TENANT = -1
"""The last row of `present`: work of a tenant that no fact knows."""


@dataclass(frozen=True, slots=True)
class Names:
    """The law base's names in sorted order; a column holds their positions."""

    sites: tuple[SiteId, ...]
    racks: tuple[RackId, ...]
    clusters: tuple[ClusterId, ...]
    tenants: tuple[TenantId, ...]

    @classmethod
    def of(cls, facts: Facts, clusters: Iterable[ClusterId]) -> Names:
        """Every name of the facts, and the clusters that nodes claim to be of."""
        return cls(
            sites=tuple(sorted(facts.site)),
            racks=tuple(sorted(facts.rack)),
            clusters=tuple(sorted({*facts.cluster, *clusters})),
            tenants=tuple(sorted(facts.tenant)),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """One snapshot as arrays. Never written after it was built; searches copy what they change."""

    names: Names
    rows: Mapping[NodeId, int]
    """The row of each node."""
    ids: tuple[NodeId, ...]
    cluster: Ints
    site: Ints
    rack: Ints
    cordoned: Flags
    taint: Ints
    """The position in `taints` of those that close the node."""
    health: Ints
    """Of the node, as its position in `HEALTHS`."""
    idle: Ints
    load: Ints
    cap: Ints
    cpu_free: Ints
    """Millicores that pods may still request beside those that do; `UNTOLD`: nobody tells what the node has."""
    memory_free: Ints
    """Mebibytes, likewise."""
    index: Ints
    model: Ints
    memory: Ints
    domain: Ints
    exists: Flags
    healthy: Flags
    free: Flags
    milli: Ints
    """Thousandths of each device that are free; of one that is not healthy none."""
    shares: Flags
    """The devices that replicas may share."""
    sharer: Ints
    """Whose replicas hold a part of a device, not all of it, as a position in `names.tenants`; `NOBODY`, or `SEVERAL`,
    which stands for a tenant that no fact knows as well."""
    profile: Ints
    """The position in `profiles` of the name by which a device must be asked for."""
    limit: Ints
    """The power limit of each device, in watts; -1: nobody tells."""
    software: Ints
    """What is installed on each node, as a position in `installed`."""
    present: Flags
    models: tuple[str, ...]
    makers: tuple[Vendor | None, ...]
    """Of each model; None: nobody tells."""
    profiles: tuple[str, ...]
    """Names of slices; the empty one stands for whole devices."""
    installed: tuple[tuple[Software, ...], ...]
    """The different sets of software; a fleet has few."""
    taints: tuple[tuple[Taint, ...], ...]
    """The different sets of closing taints; a fleet has few."""
    rack_drawn: Ints
    rack_budget: Ints
    """Without what the house keeps free."""
    seats: tuple[Seat, ...] = ()
    """What was seated or lifted since these nodes were read, for the parts inside of them."""
    insides: dict[Locality | None, Inside] = field(default_factory=dict, compare=False)
    """The parts of nodes, as far as somebody asked for them."""
    books: Books = field(default_factory=Books, compare=False)
    """What tenants hold, for quotas of one site or model; shared by all columns of a line."""
    carriers: list[Carriers] = field(default_factory=list, compare=False)
    """What carries the watts of its racks, where somebody asked; shared by all columns of one line."""
    reserves: Reserves = NOTHING
    """What the house keeps free of what supplies and cools racks."""

    def housed(self, books: Books, reserves: Reserves) -> Columns:
        """The same in a house that bounds tenants and keeps some of its power and cooling free."""
        budget = np.array([reserves.left(w) for w in self.rack_budget.tolist()], dtype=np.int64)
        return replace(self, books=books, reserves=reserves, rack_budget=budget)

    def inside(self, snapshot: Snapshot, locality: Locality | None, rows: Iterable[int]) -> Parts:
        """The parts of that kind, known of these nodes. `snapshot` is the one that the columns are of."""
        held = self.insides.setdefault(locality, Inside(locality, *self.exists.shape))
        for row in rows:
            node = None if held.known[row] else snapshot.node(self.ids[row])
            if node is not None:
                running = [(w, b) for w in snapshot.workloads_on(node.id) for b in w.on(node.id)]
                held.fill(row, node, running, self.seats)
        return held.parts()

    @property
    def fit(self) -> Flags:
        """The nodes that are healthy."""
        found: Flags = self.health == HEALTHY
        return found

    @property
    def draw(self) -> Ints:
        """What each node draws, in watts."""
        drawn: Ints = np.minimum(self.idle + self.load, self.cap)
        return drawn

    def of(self, rows: Ints) -> Columns:
        """A copy of these rows alone, with what is known of their insides."""
        ids = tuple(self.ids[row] for row in rows.tolist())
        cut = {name: getattr(self, name)[rows] for name in BY_NODE}
        places = {name: row for row, name in enumerate(ids)}
        parts = {kind: held.of(rows) for kind, held in self.insides.items()}
        present = self.present[:, rows]
        return replace(self, ids=ids, rows=places, present=present, seats=(), insides=parts, **cut)

    def learn(self, rows: Ints, other: Columns) -> None:
        """What `other`, a copy of these rows, has found out of their insides."""
        for kind, held in other.insides.items():
            self.insides.setdefault(kind, Inside(kind, *self.exists.shape)).learn(rows, held)


BY_NODE = tuple(f.name for f in fields(Columns) if f.name not in SHARED | _OF_RACKS | {"present"})
"""The arrays whose first axis is the node."""


def counted(flags: Flags) -> Ints:
    """How many are set in each row. Rows are short, and a product takes a fortieth of a sum's time."""
    found: Ints = (flags.astype(np.float32) @ np.ones(flags.shape[1], dtype=np.float32)).astype(np.int64)
    return found


def summed(figures: Ints) -> Ints:
    """The sum of each short row, likewise; of whole numbers that a float holds exactly."""
    found: Ints = (figures.astype(np.float64) @ np.ones(figures.shape[1])).astype(np.int64)
    return found


def resettled(before: Columns, ids: Sequence[NodeId]) -> tuple[Columns, Ints]:
    """The same frame with these nodes, in this order, and the row that each had; -1 where it is to be filled yet."""
    had = np.array([before.rows.get(name, -1) for name in ids], dtype=np.int64)
    rows = {name: row for row, name in enumerate(ids)}
    return replace(before.of(np.maximum(had, 0)), ids=tuple(ids), rows=rows, insides={}), had
