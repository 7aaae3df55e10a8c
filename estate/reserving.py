"""What reservations keep from whom, read off a snapshot: devices in a time, and watts that nobody draws yet. Pure.

Changes, gate, placement and sensors ask it. A reservation counts for as long as it stands in the estate: the inventory
takes it out when it has ended, so that most of these need no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from estate.hardware import Health, Node
from estate.ids import NodeId, RackId, ReservationId, SiteId, TenantId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.reservations import WORD, Afterwards, Meanwhile, Reservation, Seat, Terms
from estate.workloads import Binding, Workload

UNKEPT: Final = "reservation-unkept"
"""The code of the event that what is reserved could not be had as things are."""


def found(snapshot: Snapshot, name: ReservationId) -> Reservation | None:
    """The reservation of that name."""
    item = snapshot.stock.get(Ref(WORD, name))
    return item if isinstance(item, Reservation) else None


def every(snapshot: Snapshot) -> Iterator[Reservation]:
    """All of them, by id."""
    return (item for item in snapshot.stock.all(WORD) if isinstance(item, Reservation))


def on(snapshot: Snapshot, node: NodeId) -> Iterator[Reservation]:
    """Those with a seat on a node, by id."""
    named = (r for r in snapshot.stock.naming(Ref("node", node)) if r.kind == WORD)
    return (item for ref in named if isinstance(item := snapshot.stock.get(ref), Reservation))


def held_by(terms: Terms, workload: Workload) -> bool:
    """Whether it was reserved for this work."""
    return terms.tenant == workload.tenant and terms.workload in (None, workload.id)


def admits(terms: Terms, workload: Workload, now: datetime | None) -> bool:
    """Whether this work may use the devices until it starts. Where nobody tells the time, only who says when it ends.

    Work is taken at its word: a deadline is the only end that anybody states.
    """
    if terms.meanwhile is Meanwhile.NOBODY or (now is not None and now >= terms.start):
        return False
    deadline = workload.contract.deadline
    if deadline is not None and deadline <= terms.start:
        return True
    movable = workload.contract.preemptible and now is not None
    return movable and terms.meanwhile is Meanwhile.PREEMPTIBLE


def kept_from(
    snapshot: Snapshot, workload: Workload, fresh: Iterable[Binding], now: datetime | None = None
) -> Iterator[tuple[Binding, Reservation]]:
    """The bindings that would sit on a device kept for somebody else, each with the reservation."""
    for binding in fresh:
        for reserved in on(snapshot, binding.node):
            taken = any((binding.node, i) in reserved.terms.devices for i in binding.accelerators)
            if taken and keeps_off(reserved.terms, workload, now):
                yield binding, reserved


def keeps_off(terms: Terms, workload: Workload, now: datetime | None) -> bool:
    """Whether these devices are not for this work, now or later."""
    over = now is not None and terms.end <= now
    return not (over or held_by(terms, workload) or admits(terms, workload, now))


def leaves_by(snapshot: Snapshot, workload: Workload) -> datetime | None:
    """When it says to be gone: its deadline, or the end of a reservation that it holds and yields at; None: never."""
    ends = [workload.contract.deadline] if workload.contract.deadline is not None else []
    for reserved in {r.id: r for b in workload.bindings for r in on(snapshot, b.node)}.values():
        terms = reserved.terms
        if terms.afterwards is Afterwards.YIELDS and held_by(terms, workload) and _within(workload, terms):
            ends.append(terms.end)
    return min(ends, default=None)


def _within(workload: Workload, terms: Terms) -> bool:
    return all((b.node, i) in terms.devices for b in workload.bindings for i in b.accelerators)


def stays_past(snapshot: Snapshot, terms: Terms) -> Iterator[tuple[NodeId, int, Workload]]:
    """The devices of `terms` that work holds which is not the holder's, may not be moved, and is not gone in time."""
    for node, index, workload in others_on(snapshot, terms):
        leaves = leaves_by(snapshot, workload)
        if not workload.contract.preemptible and (leaves is None or leaves > terms.start):
            yield node, index, workload


def unsound(snapshot: Snapshot, terms: Terms) -> Iterator[tuple[NodeId, str]]:
    """The nodes of which what is reserved cannot be used as things are, each with why."""
    for seat in terms.seats:
        node = snapshot.node(seat.node)
        fault = "is gone" if node is None else _unfit(node, seat)
        if fault:
            yield seat.node, f"{seat.node} {fault}"


def _unfit(node: Node, seat: Seat) -> str:
    if node.health is not Health.HEALTHY:
        return f"is {node.health.value}"
    devices = {a.index: a.health for a in node.accelerators}
    sick = [i for i in seat.accelerators if devices.get(i) is not Health.HEALTHY]
    if sick:
        health = devices.get(sick[0])
        return f"accelerator {sick[0]} is {health.value if health is not None else 'gone'}"
    return "is fenced" if node.fenced else ""


def others_on(snapshot: Snapshot, terms: Terms) -> Iterator[tuple[NodeId, int, Workload]]:
    """The devices that work holds now which is not the holder's."""
    for seat in terms.seats:
        for workload in snapshot.workloads_on(seat.node):
            if not held_by(terms, workload):
                held = {i for b in workload.on(seat.node) for i in b.accelerators}
                yield from ((seat.node, i, workload) for i in seat.accelerators if i in held)


def rivals(snapshot: Snapshot, terms: Terms) -> Iterator[tuple[NodeId, int, Reservation]]:
    """The devices of `terms` that are reserved already for some of its time, each with that reservation."""
    for seat in terms.seats:
        for other in on(snapshot, seat.node):
            if other.terms.meets(terms.start, terms.end):
                common = terms.devices & other.terms.devices
                yield from ((n, i, other) for n, i in sorted(common) if n == seat.node)


def in_rack(snapshot: Snapshot, rack: RackId) -> tuple[Reservation, ...]:
    """Those with a seat in a rack, by id."""
    if next(snapshot.stock.all(WORD), None) is None:
        return ()
    return tuple({r.id: r for n in snapshot.facts.rack[rack].nodes for r in on(snapshot, n)}.values())


def undrawn_watts(snapshot: Snapshot, among: Iterable[Reservation]) -> dict[RackId, int]:
    """What reserved devices may draw in each rack beyond what is drawn there now, at the fullest time of it."""
    running: dict[RackId, list[tuple[Terms, int]]] = defaultdict(list)
    for reserved in among:
        for rack, watts in _undrawn(snapshot, reserved.terms).items():
            running[rack].append((reserved.terms, watts))
    return {rack: _fullest(known) for rack, known in running.items()}


def _undrawn(snapshot: Snapshot, terms: Terms) -> dict[RackId, int]:
    watts: dict[RackId, int] = defaultdict(int)
    for seat in terms.seats:
        rack = snapshot.rack_of(seat.node)
        if rack is not None:
            drawn = _drawn_on(snapshot, seat.node)
            watts[rack] += sum(max(0, terms.watts_per_accelerator - drawn.get(i, 0)) for i in seat.accelerators)
    return watts


def _drawn_on(snapshot: Snapshot, node: NodeId) -> dict[int, int]:
    load = snapshot.workloads_on(node)
    return {i: w.watts_per_accelerator for w in load for b in w.on(node) for i in b.accelerators}


class Unused(NamedTuple):
    """What is reserved for some tenants that their work does not hold now, at the fullest time."""

    devices: int
    watts: int
    by: tuple[ReservationId, ...]


type Claim = tuple[Reservation, frozenset[tuple[NodeId, int]]]
"""A reservation, and the devices of it, by node and index, that nobody of those who may claim them holds now."""


def unused(snapshot: Snapshot, tenants: Collection[TenantId], site: SiteId | None = None, model: str = "") -> Unused:
    """What these tenants may still claim, of one site and model where such are named."""
    return unclaimed(claims(snapshot, tenants, site, model))


def claims(
    snapshot: Snapshot, tenants: Collection[TenantId], site: SiteId | None = None, model: str = ""
) -> tuple[Claim, ...]:
    """The devices behind that, by reservation."""

    def of(seat: Seat) -> Iterator[tuple[NodeId, int]]:
        wanted = _of_kind(snapshot, seat, site, model)
        idle = wanted - _of_tenants(snapshot, seat.node, tenants) if wanted else wanted
        return ((seat.node, index) for index in idle)

    known = (r for r in every(snapshot) if r.terms.tenant in tenants)
    return tuple((r, frozenset(d for seat in r.terms.seats for d in of(seat))) for r in known)


def unclaimed(found: Iterable[Claim], taken: Collection[tuple[NodeId, int]] = frozenset()) -> Unused:
    """How much that is, once they hold the devices `taken` as well."""
    left = [(r, len(devices.difference(taken))) for r, devices in found]
    idle = [(r.terms, count) for r, count in left]
    watts = [(terms, count * terms.watts_per_accelerator) for terms, count in idle]
    return Unused(_fullest(idle), _fullest(watts), tuple(r.id for r, count in left if count))


def _of_kind(snapshot: Snapshot, seat: Seat, site: SiteId | None, model: str) -> set[int]:
    """The devices of a seat that stand at the site and are of the model."""
    if site is not None and snapshot.site_of(seat.node) != site:
        return set()
    if not model:
        return set(seat.accelerators)
    node = snapshot.node(seat.node)
    return {a.index for a in (node.accelerators if node else ()) if a.model == model and a.index in seat.accelerators}


def _of_tenants(snapshot: Snapshot, node: NodeId, tenants: Collection[TenantId]) -> set[int]:
    load = (w for w in snapshot.workloads_on(node) if w.tenant in tenants)
    return {i for w in load for b in w.on(node) for i in b.accelerators}


def _fullest(found: list[tuple[Terms, int]]) -> int:
    """The most at one time: the sum can only be largest where one of them starts."""
    starts = {terms.start for terms, _ in found}
    return max((sum(n for terms, n in found if terms.start <= at < terms.end) for at in starts), default=0)
