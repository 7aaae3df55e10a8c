"""A fleet as a market: classes of replicas that want seats, groups of nodes alike that have them, and every limit.

Called by `worth`. Read off the engine's masks, so the law is nobody's here. It is looser than the truth, never
stricter: gangs, company and neighbours among those that are seated are left out, so are processors, memory and rails,
whose share of a device is whose, and a part of a replica counts as a part. So what `pricing` proves of it holds for
every placement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np

from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import WHOLE, BandwidthClass, Workload
from tools.placement.columns import NOBODY, Columns, Flags, Ints, counted, summed
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.table import standing
from tools.placement.fleets.likes import Enduring, alike
from tools.placement.fleets.worth import goods
from tools.placement.fleets.worth.goods import Limit, Share
from tools.placement.fleets.worth.grounds import Grounded, Seat, emptied, extended, seats, waiting
from tools.placement.online.kinds import different
from tools.placement.port import Ask
from tools.placement.searching import any_of
from tools.placement.wishes import Wish

_NOT_TOLD: Final = frozenset(
    {"min_available", "cost_ceiling", "availability", "priority", "preemptible", "together", "spread"}
)
"""What of a contract no mask of a replica alone reads."""
_AT_ONCE: Final = 64
"""Classes whose looks at nodes are in memory together."""


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
    def accelerators(self) -> int:
        """That each counts as: a share as one."""
        return self.workload.contract.accelerators_per_replica

    @property
    def milli(self) -> int:
        """Thousandths of accelerators that each takes."""
        return self.accelerators * self.workload.contract.milli

    @property
    def whole(self) -> bool:
        """Whether nobody else may have a part of what it takes."""
        return self.workload.contract.share is None


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def most(self) -> Ints:
        """By seat: how many replicas could sit there by the devices alone."""
        found: Ints = self.members[self.at] * self.each
        return found

    @cached_property
    def each(self) -> Ints:
        """By seat: how many one node of the group has room for."""
        return self._of_seats([c.seats for c in self.classes])

    @cached_property
    def watts(self) -> Ints:
        """By seat: what a replica adds to the draw of its rack."""
        return self._of_seats([c.watts for c in self.classes])

    @cached_property
    def milli(self) -> Ints:
        """By seat: the thousandths of accelerators of a replica."""
        return self.by_class([c.milli for c in self.classes])

    @cached_property
    def rack(self) -> Ints:
        """By seat."""
        found: Ints = self.columns.rack[self.first[self.at]]
        return found

    @cached_property
    def devices(self) -> Ints:
        """By group: thousandths of devices of one node that may be had."""
        return summed(self.columns.milli[self.first])

    @cached_property
    def whole(self) -> Ints:
        """By group: those of devices that nobody has a part of."""
        return counted(self.columns.free[self.first]) * WHOLE

    def by_class(self, figures: Sequence[int]) -> Ints:
        """By seat, what is told by class."""
        return np.array(list(figures) or [0], dtype=np.int64)[self.of]

    def covered(self, share: Share) -> Flags:
        """By seat: whether it counts towards a quota. Of a node of two models nobody can tell which would be used."""
        c = self.columns
        mine = self.by_class([k.workload.tenant in share.tenants for k in self.classes]).astype(np.bool_)
        rows = self.first[self.at]
        if share.bound.quota.site is not None:
            mine = mine & (c.site[rows] == c.names.sites.index(share.bound.quota.site))
        if share.bound.quota.model:
            model = share.bound.quota.model
            named = c.models.index(model) if model in c.models else len(c.models)
            mine = mine & ((c.model[rows] == named) | ~c.exists[rows]).all(axis=1)
        return mine

    def _of_seats(self, by_row: Sequence[Ints]) -> Ints:
        rows, ends = self.first[self.at], np.searchsorted(self.of, np.arange(len(by_row) + 1))
        found = [column[rows[ends[n] : ends[n + 1]]] for n, column in enumerate(by_row)]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def as_it_stands(snapshot: Snapshot, columns: Columns, rows: Flags, at: datetime | None = None) -> Market:
    """What waits, for what is free on these rows."""
    ground = extended(columns)
    found = _Classing(snapshot, ground, _longer(ground, rows), at=at).classes(waiting(snapshot))
    return _market(snapshot, ground, found, columns, ())


def as_it_could_be(snapshot: Snapshot, columns: Columns, rows: Flags, at: datetime | None = None) -> tuple[Market, int]:
    """What waits and what runs on these rows, all of it to be seated anew; and the thousandths of accelerators that
    those hold who cannot be.

    That is what stands where no mask would let it: it stays, and is no part of the market.
    """
    leaving, held, known = seats(snapshot, columns, rows), 0, Enduring()
    while True:
        ground = extended(emptied(columns, leaving))
        classing = _Classing(snapshot, ground, _longer(ground, rows), frozenset({Constraint.STAGES}), known, at)
        found = classing.classes(_wanted(snapshot, leaving))
        home = {name: k.seats for k in found for name in k.names}
        staying = [s for s in leaving if not _may_stay(s, home, ground)]
        if not staying:
            return _market(snapshot, ground, found, columns, leaving), held
        held += sum(s.held for s in staying)
        leaving = tuple(s for s in leaving if _may_stay(s, home, ground))


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


@dataclass(frozen=True)
class _Classing:
    """Who wants a seat on some rows, those that are alike together."""

    snapshot: Snapshot
    ground: Grounded
    rows: Flags
    beside: frozenset[Constraint] = frozenset()
    """What is not asked: where others stand who are to be seated anew."""
    enduring: Enduring = field(default_factory=Enduring)
    at: datetime | None = None
    """Whoever holds what is reserved by then has it."""

    def classes(self, wanted: Mapping[WorkloadId, Sequence[int]]) -> tuple[Class, ...]:
        """Nobody among them who could have no seat."""
        found: dict[object, tuple[Wish, list[WorkloadId], int]] = {}
        for name, replicas in wanted.items():
            workload = self.snapshot.workload(name)
            assert workload is not None, "it is wanted in this snapshot"
            wish = Wish(self.snapshot, self.ground.columns, Ask(name, tuple(replicas), at=self.at), workload)
            key = alike(wish, _NOT_TOLD)
            first, names, count = found.get(key, (wish, [], 0))
            found[key] = (first, [*names, name], count + len(replicas))
        made = (self._class(wish, tuple(names), count) for wish, names, count in found.values())
        return tuple(c for c in made if c.seats.any())

    def _class(self, wish: Wish, names: tuple[WorkloadId, ...], count: int) -> Class:
        c, contract = wish.columns, wish.workload.contract
        open_to = self.rows & ~any_of(self._masks(wish), len(c.ids))
        usable = suitable(wish, None).all & (_shareable(wish) if wish.shared else c.free)
        if wish.kept is not None:
            usable &= ~wish.kept.devices
        joined = contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and wish.needed > 1
        if wish.shared:
            seats = summed(c.milli * usable // contract.milli)
        else:
            seats = _in_domains(c, usable, wish.needed) if joined else counted(usable) // wish.needed
        # Under a cap a node draws no more; each device then counts its part of what is left below it.
        below = self._left * (wish.needed * contract.milli) // self._whole
        return Class(wish.workload, names, count, np.where(open_to, seats, 0), np.minimum(wish.watts, below))

    @cached_property
    def _left(self) -> Ints:
        """Watts below each node's cap."""
        c = self.ground.columns
        found: Ints = np.maximum(c.cap - c.idle - c.load, 0)
        return found

    @cached_property
    def _whole(self) -> Ints:
        """Thousandths of devices that each node has to give."""
        found: Ints = np.maximum(summed(self.ground.columns.milli), 1)
        return found

    def _masks(self, wish: Wish) -> Masks:
        return {name: mask for name, mask in standing(self.enduring.knowing(wish)).items() if name not in self.beside}


def _shareable(wish: Wish) -> Flags:
    c = wish.columns
    found: Flags = (c.milli >= wish.workload.contract.milli) & ((c.sharer == NOBODY) | (c.sharer == wish.payer))
    return found


def _in_domains(columns: Columns, usable: Flags, size: int) -> Ints:
    found = np.zeros(len(columns.ids), dtype=np.int64)
    for domain in range(int(columns.domain.max(initial=-1)) + 1):
        found += counted(usable & (columns.domain == domain)) // size
    return found


def _market(
    snapshot: Snapshot, ground: Grounded, found: tuple[Class, ...], now: Columns, leaving: Sequence[Seat]
) -> Market:
    """The market of these classes on this ground; `now` is how the fleet is before anybody leaves."""
    back = Counter((s.workload.tenant, *used) for s in leaving for used in _held(snapshot, s))
    shares = goods.shares(snapshot, now, back)
    found = _merged(found, shares)
    first, members, like = _groups(ground, found)
    open_to = (np.flatnonzero(c.seats[first]) for c in found)
    pairs = [np.stack([np.full(len(at), n, dtype=np.int64), at]) for n, at in enumerate(open_to)]
    of, at = np.concatenate([np.zeros((2, 0), dtype=np.int64), *pairs], axis=1)
    return Market(
        classes=found,
        limits=goods.limits(snapshot, ground.columns, now.rack_drawn),
        shares=shares,
        columns=ground.columns,
        first=first,
        members=members,
        like=like,
        of=of,
        at=at,
    )


def _merged(found: Iterable[Class], shares: Sequence[Share]) -> tuple[Class, ...]:
    """Those together that have the same seats and count towards the same quotas."""
    kinds: dict[object, Class] = {}
    for one in found:
        owed = tuple(n for n, s in enumerate(shares) if one.workload.tenant in s.tenants)
        watts = np.where(one.seats > 0, one.watts, 0)
        key = (owed, one.milli, one.whole, one.seats.tobytes(), watts.tobytes())
        known = kinds.get(key)
        names, count = ((), 0) if known is None else (known.names, known.replicas)
        kinds[key] = replace(one, names=(*names, *one.names), replicas=count + one.replicas, watts=watts)
    return tuple(kinds.values())


def _held(snapshot: Snapshot, seat: Seat) -> Iterator[tuple[str, str]]:
    """The site and model of each accelerator that it holds."""
    node, site = snapshot.node(seat.binding.node), snapshot.site_of(seat.binding.node) or ""
    models = {a.index: a.model for a in node.accelerators} if node is not None else {}
    yield from ((site, models.get(index, "")) for index in seat.binding.accelerators)


def _groups(ground: Grounded, found: Sequence[Class]) -> tuple[Ints, Ints, Ints]:
    """Nodes that are the same to everybody, by what they have and where they stand; each supposed machine by itself."""
    c, real = ground.columns, ground.real
    models = np.where(c.exists, c.model, -1)
    looks = [c.rack, c.site, counted(c.free), summed(c.milli), *models.T]
    looks += [column for k in found for column in (k.seats, k.watts)]
    kind = np.zeros(real, dtype=np.int64)
    for begin in range(0, len(looks), _AT_ONCE):
        part = np.stack([kind, *(look[:real] for look in looks[begin : begin + _AT_ONCE])], axis=1)
        kind = different(part)[1].ravel()
    _, first, count = np.unique(kind, return_index=True, return_counts=True)
    order = np.argsort(first)
    supposed = np.arange(real, len(c.ids), dtype=np.int64)
    return (
        np.concatenate([first[order].astype(np.int64), supposed]),
        np.concatenate([count[order].astype(np.int64), np.zeros(len(supposed), dtype=np.int64)]),
        np.concatenate([np.full(len(first), -1, dtype=np.int64), np.array(ground.supposed, dtype=np.int64)]),
    )
