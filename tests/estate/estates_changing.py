"""Changes drawn against a concrete estate, so that most of them take effect."""

from __future__ import annotations

from hypothesis import strategies as st

from estate.changes import Change, CordonNode, MoveWorkload, ReplicaMove, ScaleWorkload, SetPowerCap, UncordonNode
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.units import Watts
from estate.workloads import Binding, Workload


@st.composite
def changes(draw: st.DrawFn, estate: Snapshot) -> Change:
    """One change of any kind on things that are there."""
    node = draw(st.sampled_from([n.id for n in estate.nodes()]))
    make = draw(st.sampled_from(["cordon", "uncordon", "cap", "move", "scale"]))
    match make:
        case "cordon":
            return CordonNode(node=node)
        case "uncordon":
            return UncordonNode(node=node)
        case "cap":
            return SetPowerCap(node=node, watts=draw(st.none() | st.integers(500, 9_000).map(Watts)))
    workload = draw(st.sampled_from(list(estate.workloads())))
    return draw(moves(estate, workload) if make == "move" else scalings(estate, workload))


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
def scalings(draw: st.DrawFn, estate: Snapshot, workload: Workload) -> Change:
    """Up by at most two, each placed or pending; or down."""
    replicas = draw(st.integers(0, workload.replicas + 2))
    added = range(workload.replicas, replicas)
    placed = tuple(_free_binding(draw, estate, workload, r) for r in added if draw(st.booleans()))
    return ScaleWorkload(workload=workload.id, replicas=replicas, bindings=placed)


def _free_binding(draw: st.DrawFn, estate: Snapshot, workload: Workload, replica: int) -> Binding:
    here = [n for n in estate.nodes() if n.cluster == workload.cluster]
    node = draw(st.sampled_from(here))
    free = [a.index for a in node.accelerators if a.index not in estate.taken(node.id)]
    needed = workload.contract.accelerators_per_replica
    return Binding(replica=replica, node=node.id, accelerators=tuple(free[:needed]))
