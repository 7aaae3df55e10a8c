"""A fleet as a market: classes of replicas that want seats, groups of nodes alike that have them, and every limit.

Called by `worth`. Read off the engine's masks, so the law is nobody's here. It is looser than the truth, never
stricter: gangs, company and neighbours among those that are seated are left out, and a part of a replica counts as a
part. So what `pricing` proves of it holds for every placement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass, Workload
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.table import standing
from tools.placement.fleets.worth import goods
from tools.placement.fleets.worth.goods import Limit, Share
from tools.placement.fleets.worth.grounds import Grounded, Seat, emptied, extended, seats, waiting
from tools.placement.port import Ask
from tools.placement.searching import any_of
from tools.placement.wishes import Wish

_NOT_TOLD: Final = {"min_available": 0, "latency": None, "cost_ceiling": None, "deadline": None} | dict.fromkeys(
    ("together", "spread")
)
"""What of a contract no mask of a replica alone reads."""


@dataclass(frozen=True, slots=True)
class Class:
    """Replicas that no constraint can tell apart."""

    workload: Workload
    """One of theirs."""
    names: tuple[WorkloadId, ...]
    replicas: int
    seats: Ints
    """By row: how many of them it has room for by itself."""
    watts: Ints
    """By row: what one of them adds to its draw at least."""

    @property
    def size(self) -> int:
        """Accelerators of each."""
        return self.workload.contract.accelerators_per_replica


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The linear programme's numbers: seats of class by group, and what each of them takes."""

    classes: tuple[Class, ...]
    limits: tuple[Limit, ...]
    shares: tuple[Share, ...]
    columns: Columns
    first: Ints
    """By group: one of its rows."""
    members: Ints
    """By group: how many nodes it has; a supposed machine is a group of none."""
    like: Ints
    """By group: the node that a supposed machine is like, -1 for what is there."""
    of: Ints
    """By seat: its class."""
    at: Ints
    """By seat: its group."""

    @property
    def most(self) -> Ints:
        """By seat: how many replicas could sit there by the devices alone."""
        return self.members[self.at] * self.each

    @property
    def each(self) -> Ints:
        """By seat: how many one node of the group has room for."""
        table = np.stack([c.seats for c in self.classes]) if self.classes else np.zeros((0, 0), dtype=np.int64)
        found: Ints = table[self.of, self.first[self.at]]
        return found

    @property
    def size(self) -> Ints:
        """By seat: the accelerators of a replica."""
        return np.array([c.size for c in self.classes] or [0], dtype=np.int64)[self.of]

    @property
    def devices(self) -> Ints:
        """By group: free devices of one node."""
        found: Ints = self.columns.free[self.first].sum(axis=1)
        return found

    @property
    def watts(self) -> Ints:
        """By seat: what a replica adds to the draw of its rack."""
        table = np.stack([c.watts for c in self.classes]) if self.classes else np.zeros((0, 0), dtype=np.int64)
        found: Ints = table[self.of, self.first[self.at]]
        return found

    def covered(self, share: Share) -> Flags:
        """By seat: whether it counts towards a quota. Of a node of two models nobody can tell which would be used."""
        c = self.columns
        mine = np.array([k.workload.tenant in share.tenants for k in self.classes] or [False], dtype=np.bool_)[self.of]
        rows = self.first[self.at]
        if share.bound.quota.site is not None:
            mine = mine & (c.site[rows] == c.names.sites.index(share.bound.quota.site))
        if share.bound.quota.model:
            named = c.models.index(share.bound.quota.model) if share.bound.quota.model in c.models else len(c.models)
            mine = mine & ((c.model[rows] == named) | ~c.exists[rows]).all(axis=1)
        return mine


def as_it_stands(snapshot: Snapshot, columns: Columns, rows: Flags) -> Market:
    """What waits, for what is free on these rows."""
    ground = extended(columns)
    found = _classes(snapshot, ground, waiting(snapshot), _longer(ground, rows))
    return _market(snapshot, ground, found, columns, ())


def as_it_could_be(snapshot: Snapshot, columns: Columns, rows: Flags) -> tuple[Market, int]:
    """What waits and what runs on these rows, all of it to be seated anew; and the accelerators of what cannot be.

    That is what stands where no mask would let it: it stays, and is no part of the market.
    """
    leaving = seats(snapshot, columns, rows)
    ground = extended(emptied(columns, leaving))
    found = _classes(snapshot, ground, _wanted(snapshot, leaving), _longer(ground, rows))
    home = {name: k.seats for k in found for name in k.names}
    staying = [s for s in leaving if not _may_stay(s, home, ground)]
    if staying:
        leaving = tuple(s for s in leaving if _may_stay(s, home, ground))
        ground = extended(emptied(columns, leaving))
        found = _classes(snapshot, ground, _wanted(snapshot, leaving), _longer(ground, rows))
    return _market(snapshot, ground, found, columns, leaving), sum(len(s.binding.accelerators) for s in staying)


def _may_stay(seat: Seat, home: Mapping[WorkloadId, Ints], ground: Grounded) -> bool:
    found = home.get(seat.workload.id)
    return found is not None and bool(found[ground.columns.rows[seat.binding.node]])


def _wanted(snapshot: Snapshot, leaving: Iterable[Seat]) -> dict[WorkloadId, tuple[int, ...]]:
    found = {name: list(replicas) for name, replicas in waiting(snapshot).items()}
    for seat in leaving:
        found.setdefault(seat.workload.id, []).append(seat.binding.replica)
    return {name: tuple(sorted(replicas)) for name, replicas in found.items()}


def _longer(ground: Grounded, rows: Flags) -> Flags:
    """With the supposed machines that are like one of these rows."""
    found: Flags = np.concatenate([rows, rows[np.array(ground.supposed, dtype=np.int64)]])
    return found


def _classes(
    snapshot: Snapshot, ground: Grounded, wanted: Mapping[WorkloadId, Sequence[int]], rows: Flags
) -> tuple[Class, ...]:
    """Who wants a seat, those that are alike together; nobody who could have none."""
    found: dict[tuple[object, ...], tuple[Wish, list[WorkloadId], int]] = {}
    for name, replicas in wanted.items():
        workload = snapshot.workload(name)
        assert workload is not None, "it is wanted in this snapshot"
        wish = Wish(snapshot, ground.columns, Ask(name, tuple(replicas)), workload)
        key = (*_alike(workload), wish.clusters())
        first, names, count = found.get(key, (wish, [], 0))
        found[key] = (first, [*names, name], count + len(replicas))
    made = (_class(wish, tuple(names), count, rows) for wish, names, count in found.values())
    return tuple(c for c in made if c.seats.any())


def _alike(workload: Workload) -> tuple[object, ...]:
    """What tells workloads apart where they are alone."""
    contract = workload.contract.model_copy(update=_NOT_TOLD)
    who = (workload.tenant, workload.namespace, workload.datasets, workload.tolerations)
    return (*who, contract, workload.watts_per_accelerator)


def _class(wish: Wish, names: tuple[WorkloadId, ...], count: int, rows: Flags) -> Class:
    c, size = wish.columns, wish.needed
    open_to = rows & ~any_of(standing(wish), len(c.ids))
    usable = c.free & suitable(wish, None).all
    joined = wish.workload.contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and size > 1
    seats = _in_domains(c, usable, size) if joined else usable.sum(axis=1) // size
    # Under a cap a node draws no more; each device then counts its part of what is left below it.
    below = np.maximum(c.cap - c.idle - c.load, 0) * size // np.maximum(c.free.sum(axis=1), 1)
    return Class(wish.workload, names, count, np.where(open_to, seats, 0), np.minimum(wish.watts, below))


def _in_domains(columns: Columns, usable: Flags, size: int) -> Ints:
    found = np.zeros(len(columns.ids), dtype=np.int64)
    for domain in range(int(columns.domain.max(initial=-1)) + 1):
        found += (usable & (columns.domain == domain)).sum(axis=1) // size
    return found


def _market(
    snapshot: Snapshot, ground: Grounded, found: tuple[Class, ...], now: Columns, leaving: Sequence[Seat]
) -> Market:
    """The market of these classes on this ground; `now` is how the fleet is before anybody leaves."""
    first, members, like = _groups(ground, found)
    of, at = np.nonzero(np.stack([c.seats[first] for c in found])) if found else (np.zeros(0, dtype=np.int64),) * 2
    back = Counter((s.workload.tenant, *used) for s in leaving for used in _held(snapshot, s))
    return Market(
        classes=found,
        limits=goods.limits(snapshot, ground.columns, now.rack_drawn),
        shares=goods.shares(snapshot, now, back),
        columns=ground.columns,
        first=first,
        members=members,
        like=like,
        of=of.astype(np.int64),
        at=at.astype(np.int64),
    )


def _held(snapshot: Snapshot, seat: Seat) -> Iterator[tuple[str, str]]:
    """The site and model of each accelerator that it holds."""
    node, site = snapshot.node(seat.binding.node), snapshot.site_of(seat.binding.node) or ""
    models = {a.index: a.model for a in node.accelerators} if node is not None else {}
    yield from ((site, models.get(index, "")) for index in seat.binding.accelerators)


def _groups(ground: Grounded, found: tuple[Class, ...]) -> tuple[Ints, Ints, Ints]:
    """Nodes that are the same to everybody, by what they have and where they stand; each supposed machine by itself."""
    c, real = ground.columns, ground.real
    models = np.where(c.exists, c.model, -1)
    looks = [c.rack[:, None], c.site[:, None], c.free.sum(axis=1)[:, None], models]
    looks += [np.stack([k.seats, np.where(k.seats > 0, k.watts, 0)], axis=1) for k in found]
    table = np.concatenate(looks, axis=1)[:real]
    _, first, count = np.unique(table, axis=0, return_index=True, return_counts=True)
    supposed = np.arange(real, len(c.ids), dtype=np.int64)
    return (
        np.concatenate([first.astype(np.int64), supposed]),
        np.concatenate([count.astype(np.int64), np.zeros(len(supposed), dtype=np.int64)]),
        np.concatenate([np.full(len(first), -1, dtype=np.int64), np.array(ground.supposed, dtype=np.int64)]),
    )
