"""Several stages placed together: all or none, near each other, in numbers that keep up with each other. Pure.

Called by offers and by whoever places a pipeline. The stage with the largest replicas is seated first, whole in one of
the domains that the stages name; the others follow into the same. Where one of them finds no room there, another
domain is tried, the tightest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from estate import pledges
from estate.ids import NodeId, WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Span, Workload
from tools.placement.constraints.company import span
from tools.placement.port import Ask, Beside, Engine, NoPlacement, Placement
from tools.placement.wishes import Wish

_MOST_GROUNDS = 32


@dataclass(frozen=True, slots=True)
class Staged:
    """Homes for every stage, and the estate with all of them seated."""

    placements: dict[WorkloadId, Placement]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Unstaged:
    """The stage that found no home, on the estate where those before it are seated, and why."""

    ask: Ask
    snapshot: Snapshot
    why: NoPlacement


def answer(engine: Engine, snapshot: Snapshot, ask: Ask) -> Placement | NoPlacement:
    """As `Engine.place`; where the contract names other stages that wait as well, homes for all of them or for none."""
    beside = [Ask(w.id, waiting, ask.sites, ask.avoid, ask.at) for w, waiting in _waiting(snapshot, ask)]
    if not beside:
        return engine.place(snapshot, ask)
    found = place(engine, snapshot, [ask, *beside])
    if isinstance(found, Unstaged):
        other = found.ask.workload != ask.workload
        nearest = f"its stage `{found.ask.workload}` has no home beside it: {found.why.nearest}"
        return found.why.model_copy(update={"nearest": nearest, "preemption": None}) if other else found.why
    stages = tuple(Beside(workload=b.workload, bindings=found.placements[b.workload].bindings) for b in beside)
    return found.placements[ask.workload].model_copy(update={"stages": stages})


def _waiting(snapshot: Snapshot, ask: Ask) -> Iterator[tuple[Workload, tuple[int, ...]]]:
    """The other stages with replicas that have no node, and which those are."""
    asked = snapshot.workload(ask.workload)
    stage = pledges.of(snapshot, asked, ask.at).stage if asked is not None else None
    for name in stage.beside if stage is not None else ():
        other = snapshot.workload(name)
        if other is not None and other.id != ask.workload and pledges.of(snapshot, other, ask.at).stage is not None:
            bound = {b.replica for b in other.bindings}
            if waiting := tuple(r for r in range(other.replicas) if r not in bound):
                yield other, waiting


def replicas_for(items_per_hour: int, each: int) -> int:
    """How many replicas of a stage keep up with a stream, where each handles so many."""
    return -(-items_per_hour // each)


def place(engine: Engine, snapshot: Snapshot, asks: Sequence[Ask]) -> Staged | Unstaged:
    """Homes for the asked replicas of all stages, all or none.

    Each workload must have a stage in its contract (`WorkloadContract.stage`).
    """
    order = sorted(asks, key=lambda a: (-_size(snapshot, a), a.workload))
    first: Unstaged | None = None
    shut: frozenset[NodeId] = frozenset()
    for _ in range(_MOST_GROUNDS):
        found, ground = _on(engine, snapshot, order, shut)
        if isinstance(found, Staged):
            return found
        first = first or found
        if not ground:
            break
        shut |= ground
    assert first is not None, "the first round ends in one of the two"
    return first


def _on(
    engine: Engine, snapshot: Snapshot, order: Sequence[Ask], shut: frozenset[NodeId]
) -> tuple[Staged | Unstaged, frozenset[NodeId]]:
    """One round: what it came to, and the nodes of the domain that it was tried in."""
    placements: dict[WorkloadId, Placement] = {}
    running, ground = snapshot, frozenset[NodeId]()
    for ask in order:
        narrowed = replace(ask, avoid=ask.avoid | shut)
        answer = engine.place(_whole(running, ask), narrowed)
        if isinstance(answer, NoPlacement):
            return Unstaged(ask, running, answer), ground
        placements[ask.workload] = answer
        running = seated(running, ask, answer)
        ground = ground or _domain(engine, running, ask, answer)
    return Staged(placements, running), ground


def _whole(snapshot: Snapshot, ask: Ask) -> Snapshot:
    """The estate where all of its replicas must stand in one of the domains that its stages share, or a smaller one."""
    workload = _workload(snapshot, ask)
    contract = pledges.of(snapshot, workload, ask.at)
    assert contract.stage is not None, "only stages are placed together"
    near, order = contract.stage.near, list(Span)
    if contract.together is not None and order.index(contract.together) <= order.index(near):
        return snapshot
    return pledges.revised(snapshot, workload, {"together": near})


def seated(snapshot: Snapshot, ask: Ask, answer: Placement) -> Snapshot:
    """The estate once these replicas are where they were placed."""
    workload = _workload(snapshot, ask)
    kept = tuple(b for b in workload.bindings if b.replica not in ask.replicas)
    home = snapshot.node(answer.bindings[0].node) if answer.bindings else None
    cluster = home.cluster if home is not None else workload.cluster
    grown = max((workload.replicas, *(b.replica + 1 for b in answer.bindings)))
    over = {"bindings": (*kept, *answer.bindings), "cluster": cluster, "replicas": grown}
    return snapshot.with_workload(workload.model_copy(update=over))


def _domain(engine: Engine, snapshot: Snapshot, ask: Ask, answer: Placement) -> frozenset[NodeId]:
    """Every node of the domain in which it was seated."""
    workload = _workload(snapshot, ask)
    wish = Wish(snapshot, engine.columns_of(snapshot), ask, workload)
    if wish.contract.stage is None or not answer.bindings:
        return frozenset()
    where = span(wish, wish.contract.stage.near)
    here = where[wish.columns.rows[answer.bindings[0].node]]
    return frozenset(n for n, domain in zip(wish.columns.ids, where.tolist(), strict=True) if domain == here)


def _size(snapshot: Snapshot, ask: Ask) -> int:
    return _workload(snapshot, ask).contract.accelerators_per_replica


def _workload(snapshot: Snapshot, ask: Ask) -> Workload:
    found = snapshot.workload(ask.workload)
    assert found is not None, f"{Ref('workload', ask.workload)} is in the estate that it is placed in"
    return found
