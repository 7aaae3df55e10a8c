"""Work moved aside, lawfully, so that what is asked for fits: whose, and where it would run instead. Pure.

Called by `relaxations`. Whoever is in the way of an attempt that left one constraint out (free devices, watts in the
rack, distance between tenants) is placed elsewhere by the engine, under all constraints and within its cluster; where
one node's residents have no other home, the next nodes are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from estate.gangs import together
from estate.ids import NodeId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from tools.placement.attempts import Attempt
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.power import lacking_watts
from tools.placement.offering.cases import Case
from tools.placement.port import Ask, NoPlacement
from tools.placement.relaxing import misses
from tools.placement.searching import search
from tools.placement.wishes import Wish

MOVED_FOR: Final = frozenset({Constraint.FREE, Constraint.POWER, Constraint.ISOLATION})
"""What somebody else's leaving can give."""
_MOST: Final = 4
"""Replicas that are moved aside for one."""
_TRIED: Final = 4
"""Nodes, or sets of them, whose residents are looked at."""

type Stops = Mapping[WorkloadId, tuple[Binding, ...]]


@dataclass(frozen=True, slots=True)
class Aside:
    """Who moves, and the estate afterwards."""

    snapshot: Snapshot
    moves: tuple[tuple[WorkloadId, tuple[Binding, ...], tuple[Binding, ...]], ...]
    """Whose replicas, from where, and where to."""

    def words(self) -> str:
        """In the hardware's words."""
        return "move " + " and ".join(_said(*move) for move in self.moves)


def aside(case: Case, constraint: Constraint) -> Aside | None:
    """The first way that is found to move a few replicas out of the way of that constraint."""
    tried = set[NodeId]()
    for _ in range(_TRIED):
        wish = replace(case.wish, ask=replace(case.ask, avoid=case.ask.avoid | tried), suited={}, spans={})
        attempt = search(wish, constraint, misses(wish, constraint))
        if not attempt.complete:
            return None
        for stops in _in_the_way(case, wish, attempt, constraint):
            found = _moved(case, stops, frozenset(b.node for b in attempt.bindings))
            if found is not None:
                return found
        tried |= {b.node for b in attempt.bindings}
    return None


def holders(case: Case, attempt: Attempt) -> dict[WorkloadId, tuple[Binding, ...]]:
    """Who holds the devices that the attempt took though they are taken, with their gangs; the asked ones left out."""
    found: dict[WorkloadId, list[Binding]] = {}
    for wanted in attempt.bindings:
        for workload, held in _others(case, wanted.node):
            found.setdefault(workload.id, []).extend(b for b in held if {*b.accelerators} & {*wanted.accelerators})
    return dict(together(case.snapshot, {w: b for w, b in found.items() if b}))


def _in_the_way(case: Case, wish: Wish, attempt: Attempt, constraint: Constraint) -> Iterator[Stops]:
    """Whose leaving would do, the fewest replicas first."""
    match constraint:
        case Constraint.POWER:
            yield from _drawing(case, wish, attempt)
        case Constraint.ISOLATION:
            yield _neighbours(case, attempt)
        case _:
            yield holders(case, attempt)


def _drawing(case: Case, wish: Wish, attempt: Attempt) -> Iterator[Stops]:
    """One replica in the rack that draws what it lacks, the least of those that suffice first."""
    lacking = lacking_watts(wish, attempt)
    if len(lacking) != 1:
        return
    ((rack, watts),) = lacking.items()
    draws = [
        (workload.watts_per_accelerator * len(binding.accelerators), workload.id, binding)
        for node in case.snapshot.facts.rack[rack].nodes
        for workload, held in _others(case, node)
        for binding in held
    ]
    enough = sorted((d for d in draws if d[0] >= watts), key=lambda d: (d[0], d[1], d[2].replica))
    yield from (together(case.snapshot, {name: [binding]}) for _, name, binding in enough[:_TRIED])


def _neighbours(case: Case, attempt: Attempt) -> Stops:
    """Other tenants' replicas on the nodes."""
    found: dict[WorkloadId, list[Binding]] = {}
    for node in {b.node for b in attempt.bindings}:
        for workload, held in _others(case, node):
            if workload.tenant != case.workload.tenant:
                found.setdefault(workload.id, []).extend(held)
    return together(case.snapshot, found)


def _others(case: Case, node: NodeId) -> Iterator[tuple[Workload, list[Binding]]]:
    """Who runs on a node, without the replicas that are asked for."""
    for workload in case.snapshot.workloads_on(node):
        own = set(case.ask.replicas) if workload.id == case.workload.id else set[int]()
        yield workload, [b for b in workload.on(node) if b.replica not in own]


def _moved(case: Case, stops: Stops, targets: frozenset[NodeId]) -> Aside | None:
    """The estate once they run elsewhere, where each has another home in its cluster."""
    if not 0 < sum(map(len, stops.values())) <= _MOST:
        return None
    running, moves = case.snapshot, list[tuple[WorkloadId, tuple[Binding, ...], tuple[Binding, ...]]]()
    for name, bindings in stops.items():
        mover = running.workload(name)
        assert mover is not None, "it runs"
        answer = case.engine.place(running, Ask(name, tuple(b.replica for b in bindings), avoid=targets))
        if isinstance(answer, NoPlacement):
            return None
        home = running.node(answer.bindings[0].node)
        if home is None or home.cluster != mover.cluster:
            return None
        moved = {b.replica for b in bindings}
        kept = tuple(b for b in mover.bindings if b.replica not in moved)
        running = running.with_workload(mover.model_copy(update={"bindings": (*kept, *answer.bindings)}))
        moves.append((name, tuple(bindings), answer.bindings))
    return Aside(running, tuple(moves))


def _said(name: WorkloadId, before: Sequence[Binding], after: Sequence[Binding]) -> str:
    count = f"{len(before)} replica{'s' if len(before) > 1 else ''}"
    source, target = (", ".join(sorted({f"`{b.node}`" for b in seats})) for seats in (before, after))
    return f"`{name}` ({count}) off {source} to {target}"
