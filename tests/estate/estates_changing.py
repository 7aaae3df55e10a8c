"""Changes drawn against a concrete estate, so that most of them take effect."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from estate import names, reserving
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    RepartitionAccelerator,
    ReplicaMove,
    ReserveCapacity,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.hardware import Taint, TaintEffect
from estate.ids import NodeId, ReservationId
from estate.snapshots import Snapshot
from estate.units import Watts
from estate.uses.reservations import Afterwards, Meanwhile, Seat, Terms
from estate.workloads import Binding, Workload
from tests import builders
from tests.drawing import among
from tests.partitioned import LAYOUTS

REVERSIBLE = (
    *("cordon", "uncordon", "taint", "untaint", "cap", "repartition"),
    *("move", "scale", "copy", "reserve", "release"),
)
"""The kinds whose inverse brings everything back."""
taints = st.builds(
    Taint,
    key=st.sampled_from(["placet.dev/fault", "placet.dev/rest"]),
    value=st.sampled_from(["", "xid-79"]),
    effect=st.sampled_from([TaintEffect.NO_SCHEDULE, TaintEffect.PREFER_NO_SCHEDULE]),
)


@st.composite
def changes(
    draw: st.DrawFn, estate: Snapshot, kinds: tuple[str, ...] = (*REVERSIBLE, "evict", "drain", "remove")
) -> Change:
    """One change of any kind on things that are there."""
    node = draw(among([n.id for n in estate.nodes()]))
    make = draw(among(kinds))
    match make:
        case "cordon":
            return CordonNode(node=node)
        case "uncordon":
            return UncordonNode(node=node)
        case "drain":
            return DrainNode(node=node)
        case "taint":
            return TaintNode(node=node, taint=draw(taints))
        case "untaint":
            return UntaintNode(node=node, taint=draw(taints))
        case "cap":
            return SetPowerCap(node=node, watts=draw(st.none() | st.integers(500, 9_000).map(Watts)))
        case "repartition":
            return RepartitionAccelerator(node=node, layout=draw(among(LAYOUTS)).name)
        case "evict":
            return draw(evictions(estate))
        case "reserve":
            return draw(reservations(estate))
        case "release":
            return draw(releases(estate))
    workload = draw(among(list(estate.workloads())))
    planners = {"move": moves, "copy": copies, "remove": removals, "scale": scalings}
    return draw(planners[make](estate, workload))


@st.composite
def evictions(draw: st.DrawFn, estate: Snapshot) -> Change:
    """One replica that runs, off a fenced node where there is one."""
    running = [(w.id, b) for w in estate.workloads() for b in w.bindings]
    fenced = [(w, b) for w, b in running if (node := estate.node(b.node)) is not None and node.fenced]
    if not running:
        return CordonNode(node=draw(among([n.id for n in estate.nodes()])))
    workload, binding = draw(among(fenced or running))
    return EvictPod(workload=workload, replica=binding.replica, node=binding.node)


@st.composite
def reservations(draw: st.DrawFn, estate: Snapshot) -> Change:
    """Some devices of one or two nodes, for hours of the same day."""
    nodes = draw(st.lists(among(list(estate.nodes())), min_size=1, max_size=2, unique_by=lambda n: n.id))
    indexes = st.sets(st.integers(0, 7), min_size=1, max_size=4)
    seats = tuple(Seat(node=n.id, accelerators=tuple(sorted(draw(indexes)))) for n in nodes)
    begins, lasts = draw(st.integers(0, 8)), draw(st.integers(1, 8))
    start = builders.START + timedelta(hours=begins)
    terms = Terms(
        tenant=draw(among(list(estate.facts.tenants))).id,
        seats=seats,
        watts_per_accelerator=draw(st.sampled_from([0, 700, 1200])),
        start=start,
        end=start + timedelta(hours=lasts),
        meanwhile=draw(st.sampled_from(Meanwhile)),
        afterwards=draw(st.sampled_from(Afterwards)),
    )
    return ReserveCapacity(reservation=ReservationId(draw(st.sampled_from(["r-1", "r-2", "r-3"]))), terms=terms)


@st.composite
def releases(draw: st.DrawFn, estate: Snapshot) -> Change:
    """One that stands, where any does."""
    standing = list(reserving.every(estate))
    if not standing:
        return draw(reservations(estate))
    held = draw(among(standing))
    return ReleaseCapacity(reservation=held.id, tenant=held.terms.tenant)


@st.composite
def moves(draw: st.DrawFn, estate: Snapshot, workload: Workload) -> Change:
    """Some replicas to devices that are free, or to nowhere."""
    running = {b.replica: b.node for b in workload.bindings}
    chosen = draw(st.lists(st.integers(0, max(workload.replicas - 1, 0)), min_size=1, unique=True))
    return MoveWorkload(
        workload=workload.id,
        moves=tuple(_move(draw, estate, workload, r, running.get(r)) for r in chosen),
    )


def _move(draw: st.DrawFn, estate: Snapshot, workload: Workload, replica: int, source: NodeId | None) -> ReplicaMove:
    if not draw(st.integers(0, 5)):
        return ReplicaMove(replica=replica, source=source, target=None)
    home = _free_binding(draw, estate, workload, replica)
    return ReplicaMove(replica=replica, source=source, target=home.node, accelerators=home.accelerators)


@st.composite
def copies(draw: st.DrawFn, estate: Snapshot, workload: Workload) -> Change:
    """Every replica once more, in the other cluster; and sometimes under a name that is taken."""
    other = draw(among(sorted({n.cluster for n in estate.nodes()})))
    there = workload.model_copy(update={"cluster": other})
    homes = [_free_binding(draw, estate, there, r) for r in range(max(workload.replicas, 1))]
    return CopyWorkload(workload=workload.id, to_cluster=other, bindings=tuple(homes))


@st.composite
def removals(draw: st.DrawFn, estate: Snapshot, workload: Workload) -> Change:
    """In favour of any other workload, its copy where there is one."""
    others = [w for w in estate.workloads() if w.id != workload.id]
    counterparts = [w for w in others if names.are_counterparts(w, workload)]
    named = draw(among(counterparts or others or [workload]))
    return RemoveWorkload(workload=workload.id, replaced_by=named.id)


@st.composite
def scalings(draw: st.DrawFn, estate: Snapshot, workload: Workload) -> Change:
    """Up by at most two, each placed or pending; or down."""
    replicas = draw(st.integers(0, workload.replicas + 2))
    added = range(workload.replicas, replicas)
    placed = tuple(_free_binding(draw, estate, workload, r) for r in added if draw(st.booleans()))
    return ScaleWorkload(workload=workload.id, replicas=replicas, bindings=placed)


def _free_binding(draw: st.DrawFn, estate: Snapshot, workload: Workload, replica: int) -> Binding:
    here = [n for n in estate.nodes() if n.cluster == workload.cluster]
    node = draw(among(here))
    free = [a.index for a in node.accelerators if a.index not in estate.taken(node.id)]
    needed = workload.contract.accelerators_per_replica
    return Binding(replica=replica, node=node.id, accelerators=tuple(free[:needed]))
