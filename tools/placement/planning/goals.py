"""Each goal as guests and terms: who may sit anew, what seats are worth, and how the outcome is counted.

A unit of gain is worth more than all the trouble that a plan could make, so gain comes first and least disturbance
second; and the bound of the score is a bound of the gain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from estate.hardware import Health
from estate.ids import NodeId, RackId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.engine import MaskEngine
from tools.placement.planning import areas
from tools.placement.planning.moving import Costs, guests_on, movable
from tools.placement.planning.plans import Evacuate, Fill, Free, Left, Repack
from tools.placement.planning.reading import Terms
from tools.placement.planning.seats import Guest, Place
from tools.placement.planning.wishes import fitting, wished

MOST_GUESTS = 300
"""Replicas that are looked at beside those that a goal names; those on the emptiest nodes first."""
BEYOND = f"one plan looks at {MOST_GUESTS} replicas; plan again once it is done"
type Named = frozenset[tuple[WorkloadId, int]]


@dataclass(frozen=True, slots=True)
class Posed:
    """A goal made ready to be read as a problem."""

    aim: str
    counts: str
    """What a unit of gain is, in words."""
    guests: tuple[Guest, ...]
    terms: Terms
    weight: int
    """What a unit of gain scores."""
    most: int
    """No more than this can there be of it."""
    count: Callable[[Snapshot, MaskEngine], int]
    """What there is of it on an estate."""
    left: tuple[Left, ...] = ()
    why: str = ""
    """Why a replica moves that the goal does not name."""
    wish: Workload | None = None
    """What room is made for."""
    inside: frozenset[NodeId] = frozenset()
    """The nodes that the goal is about."""
    named: Named = frozenset()
    """The replicas that the goal itself would have moved."""
    fixed: int = 0
    """What there is of it that no seat decides on."""
    beyond: int = 0
    """Replicas that might have been looked at as well."""


def repack(snapshot: Snapshot, goal: Repack) -> Posed:
    """Blocks of free devices."""
    inside = areas.at_site(snapshot, goal.site) if goal.site else frozenset(n.id for n in snapshot.nodes())
    guests = movable(snapshot, inside, MOST_GUESTS)
    costs = Costs(snapshot, guests, goal)
    return Posed(
        aim=f"free blocks of {goal.size} connected accelerators{f' at {goal.site}' if goal.site else ''}",
        counts=f"free blocks of {goal.size}",
        guests=guests,
        terms=Terms(lambda g, p: -costs.of(g, p), only=inside, block=goal.size, block_score=costs.weight),
        weight=costs.weight,
        why=f"leaves a block of {goal.size} free behind it, or fills a gap",
        beyond=_beyond(snapshot, inside, guests),
        most=sum(_blocks_of(snapshot, n, goal.size, empty=True) for n in inside),
        count=lambda estate, _: sum(_blocks_of(estate, n, goal.size) for n in inside),
        inside=inside,
    )


def free(snapshot: Snapshot, goal: Free) -> Posed:
    """Room for what is wished for, or for what waits."""
    wish, waiting = wished(snapshot, goal)
    inside = areas.at_site(snapshot, goal.site) if goal.site else frozenset(n.id for n in snapshot.nodes())
    claims = tuple(Guest(wish, r, None) for r in waiting)
    around = frozenset(n.id for n in snapshot.nodes() if n.cluster == wish.cluster)
    guests = (*claims, *(g for g in movable(snapshot, around, MOST_GUESTS) if g.workload.id != wish.id))
    costs = Costs(snapshot, guests, goal)

    def score(guest: Guest, place: Place) -> int:
        gained = costs.weight if guest.binding is None and place.node in inside else 0
        return gained - costs.of(guest, place)

    what = f"{wish.contract.accelerators_per_replica} accelerators for {wish.tenant}"
    return Posed(
        aim=f"{len(claims)} × {what}{f' at {goal.site}' if goal.site else ''}",
        counts=f"homes of {what}",
        guests=guests,
        terms=Terms(score),
        weight=costs.weight,
        beyond=_beyond(snapshot, around, guests),
        why=f"makes room for {what}",
        most=len(claims),
        count=lambda estate, engine: len(fitting(engine, estate, wish, waiting, inside)[1].bindings),
        wish=wish,
        inside=inside,
    )


def evacuate(snapshot: Snapshot, goal: Evacuate, helpers: int = 0) -> Posed:
    """Out of an area; helpers are others that may make room elsewhere."""
    area = areas.nodes_of(snapshot, goal.area, goal.name)
    found = list(guests_on(snapshot, area))
    leaving = [g for g in found if isinstance(g, Guest)]
    left = [f for f in found if isinstance(f, Left)]
    if goal.across:
        leaving, left = _whole(snapshot, leaving, left)
    left += [Left(workload=g.workload.id, replicas=(g.replica,), reason=BEYOND) for g in leaving[MOST_GUESTS:]]
    leaving = leaving[:MOST_GUESTS]
    named = frozenset((g.workload.id, g.replica) for g in leaving if g.binding and g.binding.node in area)
    clusters = {g.workload.cluster for g in leaving}
    around = frozenset(n.id for n in snapshot.nodes() if n.cluster in clusters) - area
    known = {(g.workload.id, g.replica) for g in leaving}
    guests = (*leaving, *(g for g in movable(snapshot, around, helpers) if (g.workload.id, g.replica) not in known))
    costs = Costs(snapshot, guests, goal)

    def score(guest: Guest, place: Place) -> int:
        gained = costs.weight if (guest.workload.id, guest.replica) in named else 0
        return gained - costs.of(guest, place)

    return Posed(
        aim=f"nothing on {goal.area.value} {goal.name}",
        counts=f"replicas that have left {goal.area.value} {goal.name}",
        guests=guests,
        terms=Terms(score, avoid=area),
        weight=costs.weight,
        why=f"makes room for what leaves {goal.area.value} {goal.name}, or belongs to it",
        most=len(named),
        count=lambda estate, _: len(named) - len(named & _on(estate, area)),
        left=tuple(left),
        inside=area,
        named=named,
    )


def fill(snapshot: Snapshot, goal: Fill) -> Posed:
    """What waits, then whole workloads from fuller racks elsewhere until the site has its share."""
    inside = areas.at_site(snapshot, goal.site)
    clusters = {c.id for c in snapshot.facts.clusters if c.site == goal.site}
    waiting = [
        Guest(w, r, None)
        for w in snapshot.workloads()
        if w.cluster in clusters
        for r in sorted(set(range(w.replicas)) - {b.replica for b in w.bindings})
    ]
    beyond, waiting = max(len(waiting) - MOST_GUESTS, 0), waiting[:MOST_GUESTS]
    guests = (*waiting, *_brought(snapshot, inside, sum(map(_needs, waiting))))
    costs = Costs(snapshot, guests, goal)
    here = len(_on(snapshot, inside))
    return Posed(
        aim=f"work at {goal.site} again",
        counts=f"replicas at {goal.site}",
        guests=guests,
        terms=Terms(lambda g, p: costs.weight - costs.of(g, p), only=inside),
        weight=costs.weight,
        beyond=beyond,
        most=len(guests) + here,
        count=lambda estate, _: sum(len(w.on(n)) for n in inside for w in estate.workloads_on(n)),
        inside=inside,
        named=frozenset((g.workload.id, g.replica) for g in guests),
        fixed=here,
    )


def _on(snapshot: Snapshot, nodes: Iterable[NodeId]) -> Named:
    return frozenset((w.id, b.replica) for n in nodes for w in snapshot.workloads_on(n) for b in w.on(n))


def _beyond(snapshot: Snapshot, nodes: Iterable[NodeId], guests: Iterable[Guest]) -> int:
    """Where as many as a plan looks at run on these nodes, how many more there are."""
    found = sum(g.binding is not None for g in guests)
    there = sum(len(w.on(n)) for n in nodes for w in snapshot.workloads_on(n) if w.contract.accelerators_per_replica)
    return there - found if found == MOST_GUESTS else 0


def _needs(guest: Guest) -> int:
    return guest.workload.contract.accelerators_per_replica


def _blocks_of(snapshot: Snapshot, name: NodeId, size: int, *, empty: bool = False) -> int:
    """Blocks of free healthy devices of an open node, each in one NVLink domain (in the node where nobody tells of
    domains); as if nothing ran there where `empty`.
    """
    node = snapshot.node(name)
    if node is None or node.cordoned or node.health is not Health.HEALTHY or node.closing_taints:
        return 0
    taken = frozenset[int]() if empty else snapshot.taken(name)
    kinds: dict[tuple[object, ...], int] = defaultdict(int)
    for device in node.accelerators:
        if device.health is Health.HEALTHY and device.index not in taken:
            kinds[device.nvlink_domain, device.model, device.memory_mebibytes] += 1
    return sum(count // size for count in kinds.values())


def _whole(snapshot: Snapshot, leaving: list[Guest], left: list[Left]) -> tuple[list[Guest], list[Left]]:
    """Of workloads that run whole, all replicas: they may change their cluster. A copy runs before anything is stopped,
    so that nothing which is promised keeps them; only what a controller makes can be copied.
    """
    found: dict[tuple[WorkloadId, int], Guest] = {}
    for name in sorted({g.workload.id for g in leaving} | {g.workload for g in left}):
        workload = snapshot.workload(name)
        assert workload is not None, "it runs"
        alone = len(workload.bindings) == workload.replicas and not _bare(left, name)
        for binding in workload.bindings if alone else ():
            found[name, binding.replica] = Guest(workload, binding.replica, binding, across=True)
    rest = {(g.workload.id, g.replica): g for g in leaving}
    kept = [k for k in left if (k.workload, k.replicas[0]) not in found]
    return list((rest | found).values()), kept


def _bare(left: Iterable[Left], name: WorkloadId) -> bool:
    return any(k.workload == name and "no controller" in k.reason for k in left)


def _brought(snapshot: Snapshot, inside: frozenset[NodeId], coming: int) -> list[Guest]:
    """Whole workloads elsewhere, off the racks that are fullest by power, until the site's share is as everybody's."""
    total = {n.id: len(n.accelerators) for n in snapshot.nodes()}
    used = {n: len(snapshot.taken(n)) for n in total}
    share = sum(used.values()) / max(sum(total.values()), 1)
    lacking = share * sum(total.get(n, 0) for n in inside) - sum(used.get(n, 0) for n in inside) - coming
    found: list[Guest] = []
    for workload in _by_fullness(snapshot, inside):
        needs = workload.replicas * workload.contract.accelerators_per_replica
        if 0 < needs <= lacking and len(found) + workload.replicas <= MOST_GUESTS:
            found += [Guest(workload, b.replica, b, across=True) for b in workload.bindings]
            lacking -= needs
    return found


def _by_fullness(snapshot: Snapshot, inside: frozenset[NodeId]) -> list[Workload]:
    """The workloads that run whole, none of it inside, those on the fullest racks first."""

    def full(rack: RackId | None) -> int:
        return (
            0
            if rack is None
            else snapshot.rack_watts(rack) * 1000 // max(snapshot.facts.rack[rack].power_budget_watts, 1)
        )

    def fullness(workload: Workload) -> int:
        return max(full(snapshot.rack_of(b.node)) for b in workload.bindings)

    whole = [
        w
        for w in snapshot.workloads()
        if w.bindings and len(w.bindings) == w.replicas and not any(b.node in inside for b in w.bindings)
    ]
    return sorted(whole, key=lambda w: (-fullness(w), w.id))
