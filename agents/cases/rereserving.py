"""A reservation that could not be kept, made good: other devices for those that are lost, and nobody else there then.

Pure; called by `placing`. What is sound stays reserved. The gate judges the changes as it judges any others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agents.cases.clearing import Clearing
from estate import reserving
from estate.changes import Change, ReleaseCapacity, ReserveCapacity
from estate.ids import NodeId, ReservationId, Uid, WorkloadId
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation, Seat
from estate.workloads import Workload, WorkloadContract, WorkloadKind
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
    """Whoever is in the way goes where there is room, or stops."""
    clearing = Clearing(snapshot, engine, held, now)
    clearing.clear()
    if not clearing.changes and not clearing.left:
        return Remade(why_not=f"{held.id}: it can be kept as it is")
    return Remade(tuple(clearing.changes), f"{held.id}: {'; '.join(clearing.left)}" if clearing.left else "")
