"""A reservation that could not be kept, made good: other devices for those that are lost, or whoever stays moved away.

Pure; called by `placing`. What is sound stays reserved. The gate judges the changes as it judges any others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from estate import reserving
from estate.changes import Change, MoveWorkload, ReleaseCapacity, ReplicaMove, ReserveCapacity
from estate.ids import NodeId, ReservationId, Uid, WorkloadId
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation, Seat
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from policies import reservations
from tools.placement.offering import timelines
from tools.placement.offering.reservations import named
from tools.placement.port import Ask, Engine, NoPlacement

_NAME = WorkloadId("reserved-again")


@dataclass(frozen=True, slots=True)
class Remade:
    """The changes, or why there are none."""

    changes: tuple[Change, ...] = ()
    why_not: str = ""


def again(snapshot: Snapshot, engine: Engine, name: ReservationId, avoid: frozenset[NodeId], now: datetime) -> Remade:
    """What makes that reservation good again."""
    held = reserving.found(snapshot, name)
    if held is None:
        return Remade(why_not=f"{name}: it is not reserved any more")
    lost = {node for node, _ in reserving.unsound(snapshot, held.terms)}
    if not lost:
        return _cleared(snapshot, engine, held, now)
    kept = tuple(s for s in held.seats if s.node not in lost)
    bare = snapshot.with_stock(snapshot.stock.without(held.ref))
    running = timelines.during(bare, max(held.start, now), held.end)
    taken = avoid | lost | {s.node for s in kept}
    found = list[Seat]()
    for seat in (s for s in held.seats if s.node in lost):
        wanted = _wanted(snapshot, held, seat)
        answer = engine.place(running.with_workload(wanted), Ask(_NAME, (0,), avoid=taken, at=now))
        if isinstance(answer, NoPlacement):
            return Remade(why_not=f"{name}: no other {len(seat.accelerators)} accelerators: {answer.nearest}")
        (home,) = answer.bindings
        found.append(Seat(node=home.node, accelerators=tuple(sorted(home.accelerators))))
        taken |= {home.node}
    seats = tuple(sorted((*kept, *found), key=lambda s: s.node))
    terms = held.terms.model_copy(update={"seats": seats})
    gone = ReleaseCapacity(reservation=held.id, tenant=held.tenant, reason=f"{', '.join(sorted(lost))} is lost")
    return Remade((gone, ReserveCapacity(reservation=named(terms), terms=terms)))


def _wanted(snapshot: Snapshot, held: Reservation, seat: Seat) -> Workload:
    """A replica like the seat: as many accelerators of the models that were there, where the tenant has a namespace."""
    cluster = reservations.cluster_of(snapshot, held.seats)
    tenant = snapshot.facts.tenant.get(held.tenant)
    space = next((n.name for n in tenant.namespaces if n.cluster == cluster), "") if tenant is not None else ""
    node = snapshot.node(seat.node)
    models = {a.model for a in node.accelerators if a.index in seat.accelerators} if node is not None else set()
    return Workload(
        id=_NAME,
        uid=Uid("reserved-again"),
        tenant=held.tenant,
        cluster=cluster,
        namespace=space,
        name="reserved-again",
        kind=WorkloadKind.BATCH,
        contract=WorkloadContract(
            accelerators_per_replica=len(seat.accelerators), models=tuple(sorted(str(m) for m in models))
        ),
        replicas=1,
        watts_per_accelerator=held.watts_per_accelerator,
    )


def _cleared(snapshot: Snapshot, engine: Engine, held: Reservation, now: datetime) -> Remade:
    """Whoever may be moved and still sits there goes where there is room."""
    seats, changes = frozenset(s.node for s in held.seats), list[Change]()
    for workload, sitting in _sitting(snapshot, held):
        if not workload.contract.preemptible:
            return Remade(why_not=f"{held.id}: `{workload.id}` is still there, and may not be moved for others")
        replicas = tuple(sorted(b.replica for b in sitting))
        answer = engine.place(snapshot, Ask(workload.id, replicas, avoid=seats, at=now))
        if isinstance(answer, NoPlacement):
            return Remade(why_not=f"{held.id}: `{workload.id}` has no other home: {answer.nearest}")
        changes.append(MoveWorkload(workload=workload.id, moves=tuple(_moves(sitting, answer.bindings))))
    return Remade(tuple(changes), "" if changes else f"{held.id}: it can be kept as it is")


def _sitting(snapshot: Snapshot, held: Reservation) -> Iterator[tuple[Workload, list[Binding]]]:
    found = {w.id: w for _, _, w in reserving.others_on(snapshot, held.terms)}
    for name in sorted(found):
        on = [b for b in found[name].bindings if any((b.node, i) in held.terms.devices for i in b.accelerators)]
        yield found[name], on


def _moves(sitting: list[Binding], homes: tuple[Binding, ...]) -> Iterator[ReplicaMove]:
    running = {b.replica: b.node for b in sitting}
    for home in homes:
        yield ReplicaMove(
            replica=home.replica, source=running[home.replica], target=home.node, accelerators=home.accelerators
        )
