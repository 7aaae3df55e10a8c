"""Fold what sources see into one estate: pure. Each thing belongs to the source that named it first.

Two sources that name the same id without a strong alias are a conflict: the later claim is kept out and reported,
never merged by a guess. Only what is assumed of a cluster that nobody sees (`silences`) gives way to whoever sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from immutables import Map

from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.things import Thing, ThingKind
from estate.workloads import Workload
from tools.inventory.port import Observed
from tools.inventory.silences import ASSUMED


@dataclass(frozen=True, slots=True)
class Folded:
    """The estate so far, and which source each thing is from."""

    estate: FrozenEstate
    nodes: Map[NodeId, str] = field(default_factory=Map)
    workloads: Map[WorkloadId, str] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Folding:
    """One batch folded in: the new state, what really changed, and the claims that were kept out."""

    state: Folded
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()
    conflicts: tuple[Thing, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the estate is another one now."""
        return bool(self.nodes or self.workloads or self.removed_nodes or self.removed_workloads)


def fold(state: Folded, seen: Observed) -> Folding:
    """`state` after what `seen.source` saw; things that stayed equal are left out."""
    nodes = tuple(n for n in seen.nodes if _may(state.nodes, n.id, seen) and state.estate.node(n.id) != n)
    workloads = tuple(
        w for w in seen.workloads if _may(state.workloads, w.id, seen) and state.estate.workload(w.id) != w
    )
    folding = Folding(
        state=state,
        nodes=nodes,
        workloads=workloads,
        removed_nodes=_gone(state.nodes, seen, seen.removed_nodes, frozenset(n.id for n in seen.nodes)),
        removed_workloads=_gone(state.workloads, seen, seen.removed_workloads, frozenset(w.id for w in seen.workloads)),
        conflicts=_conflicts(state, seen),
    )
    return replace(folding, state=_after(state, folding, seen.source))


def _may[Id](owners: Map[Id, str], name: Id, seen: Observed) -> bool:
    owner = owners.get(name, seen.source)
    return owner == seen.source or owner.startswith(ASSUMED)


def _gone[Id](owners: Map[Id, str], seen: Observed, named: tuple[Id, ...], still: frozenset[Id]) -> tuple[Id, ...]:
    """What this source owned and now says is gone, or left out of everything it sees."""
    mine = (n for n in named if owners.get(n) == seen.source)
    if seen.whole:
        mine = (n for n, owner in owners.items() if owner == seen.source and n not in still)
    return tuple(sorted(set(mine), key=str))


def _conflicts(state: Folded, seen: Observed) -> tuple[Thing, ...]:
    nodes = (Thing(kind=ThingKind.NODE, id=n.id) for n in seen.nodes if not _may(state.nodes, n.id, seen))
    workloads = (
        Thing(kind=ThingKind.WORKLOAD, id=w.id) for w in seen.workloads if not _may(state.workloads, w.id, seen)
    )
    return (*nodes, *workloads)


def _after(state: Folded, folding: Folding, source: str) -> Folded:
    estate, nodes, workloads = state.estate, state.nodes, state.workloads
    for gone in folding.removed_nodes:
        estate, nodes = estate.without_node(gone), nodes.delete(gone)
    for stopped in folding.removed_workloads:
        estate, workloads = estate.without_workload(stopped), workloads.delete(stopped)
    for node in folding.nodes:
        estate, nodes = estate.with_node(node), nodes.set(node.id, source)
    for workload in folding.workloads:
        estate, workloads = estate.with_workload(workload), workloads.set(workload.id, source)
    return Folded(estate, nodes, workloads)
