"""Who would have to yield to a wish: work of a lower priority that its own contract says may be stopped. Pure.

Called where a wish of some priority finds no home. Nobody else is ever named, whosever they are: not who is not
preemptible, not a gang of which one member is not, not more replicas than `min_available` leaves. It names; a
preemption is proposed, judged and carried out like every other change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from estate import gangs, pledges
from estate.changes import Change, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.ids import TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint
from tools.placement.port import Engine, Preemption, Yield
from tools.placement.relaxing import misses
from tools.placement.searching import search
from tools.placement.wishes import Wish

_MOST_TRIED = 32
"""Groups that are looked at one by one for whether they could stay."""
type _Stops = Mapping[WorkloadId, tuple[Binding, ...]]


@dataclass(frozen=True, slots=True)
class Yielded:
    """Who yields, and the estate without them."""

    preemption: Preemption
    snapshot: Snapshot


def preemption(engine: Engine, wish: Wish) -> Yielded | None:
    """The fewest that are found, the least of them first; None where nobody could yield, or it would not help."""
    if wish.contract.priority <= 0:
        return None
    groups = sorted(_groups(wish), key=lambda group: _worth(wish, group))
    if not groups:
        return None
    seated = _seated(engine, wish, groups, misses(wish, Constraint.FREE))
    if not seated.complete:
        return None
    racks = {wish.snapshot.rack_of(b.node) for b in seated.bindings}
    near = [g for g in groups if any(wish.snapshot.rack_of(b.node) in racks for bs in g.values() for b in bs)]
    kin = _sharing_quotas(wish)
    closer = [g for g in groups if g in near or any(_tenant(wish, name) in kin for name in g)]
    enough = next((some for some in (near, closer) if _seated(engine, wish, some).complete), groups)
    return _fewest(engine, wish, enough)


def _sharing_quotas(wish: Wish) -> frozenset[TenantId]:
    """Whose work counts towards what the wish counts towards."""
    below = wish.facts.tenants_below
    return frozenset(t for spending in wish.spending for t in below[spending.bound.tenant])


def _tenant(wish: Wish, name: WorkloadId) -> TenantId | None:
    found = wish.snapshot.workload(name)
    return None if found is None else found.tenant


def _first_enough(engine: Engine, wish: Wish, leaving: list[_Stops]) -> list[_Stops]:
    """The first so many of them, by halving: they are in the order in which they are to go."""
    least, most = 0, len(leaving)
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if _seated(engine, wish, leaving[:middle]).complete else (middle + 1, most)
    return leaving[:most]


def _fewest(engine: Engine, wish: Wish, leaving: list[_Stops]) -> Yielded:
    """Those that cannot stay, tried from the worthiest on."""
    if len(leaving) > _MOST_TRIED:
        leaving = _first_enough(engine, wish, leaving)
    if len(leaving) <= _MOST_TRIED:
        for group in reversed(list(leaving)):
            fewer = [g for g in leaving if g is not group]
            if _seated(engine, wish, fewer).complete:
                leaving = fewer
    seats = tuple(_seated(engine, wish, leaving).bindings)
    yields = tuple(_told(wish, name, bindings) for group in leaving for name, bindings in sorted(group.items()))
    changes = _changes(wish, leaving, seats)
    return Yielded(Preemption(yields=yields, bindings=seats, changes=changes), _without(wish.snapshot, leaving))


def _changes(wish: Wish, leaving: list[_Stops], seats: tuple[Binding, ...]) -> tuple[Change, ...]:
    stops: dict[WorkloadId, set[int]] = {}
    for group in leaving:
        for name, bindings in group.items():
            stops.setdefault(name, set()).update(b.replica for b in bindings)
    running = {b.replica: b.node for b in wish.workload.bindings}
    moves = tuple(
        ReplicaMove(replica=b.replica, source=running.get(b.replica), target=b.node, accelerators=b.accelerators)
        for b in seats
    )
    home = wish.snapshot.node(seats[0].node)
    if home is None or home.cluster != wish.workload.cluster or any(m.replica >= wish.workload.replicas for m in moves):
        return ()
    return (
        *(_stopped(wish.snapshot, name, replicas) for name, replicas in sorted(stops.items())),
        MoveWorkload(workload=wish.workload.id, moves=moves),
    )


def _stopped(snapshot: Snapshot, name: WorkloadId, replicas: set[int]) -> Change:
    """Fewer of it where the last ones stop, which can be taken back; else those by number."""
    workload = snapshot.workload(name)
    assert workload is not None, "who yields was found in this estate"
    if {b.replica for b in workload.bindings if b.replica >= min(replicas)} == replicas:
        return ScaleWorkload(workload=name, replicas=min(replicas))
    at = {b.replica: b.node for b in workload.bindings}
    return MoveWorkload(
        workload=name, moves=tuple(ReplicaMove(replica=r, source=at[r], target=None) for r in sorted(replicas))
    )


def _seated(engine: Engine, wish: Wish, leaving: list[_Stops], prefer: Ints | None = None) -> Attempt:
    """The wish on the estate without these."""
    bare = _without(wish.snapshot, leaving)
    columns = engine.columns_of(bare)
    return search(
        replace(wish, snapshot=bare, columns=columns, known=None, suited={}, spans={}, measures={}, spendings={}),
        prefer=prefer,
    )


def _groups(wish: Wish) -> Iterator[_Stops]:
    """What stops together and may: the running replicas that could yield one by one, or gang by gang."""
    met: set[tuple[WorkloadId, int]] = set()
    gone: Counter[WorkloadId] = Counter()
    for workload in wish.snapshot.workloads():
        if not workload.bindings or not _may_yield(wish, workload):
            continue
        spare = len(workload.bindings) - pledges.of(wish.snapshot, workload, wish.ask.at).min_available
        for binding in sorted(workload.bindings, key=lambda b: -b.replica)[: max(spare, 0)]:
            stops = gangs.together(wish.snapshot, {workload.id: (binding,)})
            group = {name: bindings for name, bindings in stops.items() if bindings}
            names = {(name, b.replica) for name, bindings in group.items() for b in bindings}
            if not names & met and _whole(wish, group, gone):
                met |= names
                gone.update(name for name, _ in names)
                yield group


def _may_yield(wish: Wish, workload: Workload) -> bool:
    contract = pledges.of(wish.snapshot, workload, wish.ask.at)
    return workload.id != wish.workload.id and contract.preemptible and contract.priority < wish.contract.priority


def _whole(wish: Wish, group: _Stops, gone: Counter[WorkloadId]) -> bool:
    """Whether every member of it may stop, and leaves its workload what that keeps running."""
    for name, bindings in group.items():
        member = wish.snapshot.workload(name)
        if member is None or not _may_yield(wish, member):
            return False
        least = pledges.of(wish.snapshot, member, wish.ask.at).min_available
        if len(member.bindings) - gone[name] - len(bindings) < least:
            return False
    return True


def _worth(wish: Wish, group: _Stops) -> tuple[int, int, str]:
    """The lowest priority first, then who holds least."""
    members = [(w, bindings) for n, bindings in group.items() if (w := wish.snapshot.workload(n)) is not None]
    top = max(pledges.of(wish.snapshot, w, wish.ask.at).priority for w, _ in members)
    return top, sum(len(b.accelerators) for _, bs in members for b in bs), min(group)


def _without(snapshot: Snapshot, groups: list[_Stops]) -> Snapshot:
    leaving: dict[WorkloadId, list[Binding]] = {}
    for group in groups:
        for name, bindings in group.items():
            leaving.setdefault(name, []).extend(bindings)
    for name, stops in leaving.items():
        workload = snapshot.workload(name)
        assert workload is not None, "who yields was found in this estate"
        snapshot = snapshot.with_workload(workload.without(stops))
    return snapshot


def _told(wish: Wish, name: WorkloadId, bindings: tuple[Binding, ...]) -> Yield:
    workload = wish.snapshot.workload(name)
    assert workload is not None, "who yields was found in this estate"
    return Yield(
        workload=name,
        tenant=workload.tenant,
        priority=pledges.of(wish.snapshot, workload, wish.ask.at).priority,
        replicas=tuple(sorted(b.replica for b in bindings)),
        nodes=tuple(sorted({b.node for b in bindings})),
    )
