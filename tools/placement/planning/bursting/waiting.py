"""Who waits, and what of it fits here after all: that costs nothing, so it never goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.engine import MaskEngine
from tools.placement.planning.plans import Burst
from tools.placement.planning.seats import Guest
from tools.placement.planning.wishes import fitting, wished

MOST_GUESTS = 300


@dataclass(frozen=True, slots=True)
class Waiting:
    """Replicas that fit nowhere here, and accelerators in numbers."""

    guests: tuple[Guest, ...]
    here: int
    """Of what waits, so many fit here."""
    lacking: int
    beyond: tuple[Guest, ...] = ()
    """Of those that fit nowhere here, whoever one plan does not look at; they count as lacking."""


def waiting(snapshot: Snapshot, goal: Burst) -> Waiting:
    """Largest replicas first: they find a place hardest. Raises BadInput as `wishes.wished`."""
    engine, running = MaskEngine(), snapshot
    everywhere = frozenset(n.id for n in snapshot.nodes())
    guests, here = list[Guest](), 0
    asked = sorted(_asked(snapshot, goal), key=lambda a: (-a[0].contract.accelerators_per_replica, a[0].id))
    for workload, replicas in asked:
        running, seated = _seated(running, engine, workload, replicas, everywhere)
        here += len(seated) * workload.contract.accelerators_per_replica
        across = not workload.bindings and not seated
        guests += [Guest(workload, r, None, across=across) for r in replicas if r not in seated]
    lacking = sum(g.workload.contract.accelerators_per_replica for g in guests)
    return Waiting(tuple(guests[:MOST_GUESTS]), here, lacking, tuple(guests[MOST_GUESTS:]))


def _asked(snapshot: Snapshot, goal: Burst) -> Iterator[tuple[Workload, tuple[int, ...]]]:
    """One wish, or whatever waits for accelerators: of a tenant, where one is named."""
    if goal.workload is not None or goal.accelerators:
        yield wished(snapshot, goal)
        return
    for workload in snapshot.workloads():
        pending = tuple(sorted(set(range(workload.replicas)) - {b.replica for b in workload.bindings}))
        mine = goal.tenant in (None, workload.tenant)
        if pending and mine and workload.contract.accelerators_per_replica:
            yield workload, pending


def _seated(
    running: Snapshot, engine: MaskEngine, workload: Workload, replicas: tuple[int, ...], nodes: frozenset[NodeId]
) -> tuple[Snapshot, frozenset[int]]:
    """Those that the engine finds a home for in their own cluster; of a gang all or none."""
    own = frozenset(n for n in nodes if (node := running.node(n)) is not None and node.cluster == workload.cluster)
    _, attempt = fitting(engine, running, workload, replicas, own)
    if not attempt.bindings or (workload.gangs and not attempt.complete):
        return running, frozenset()
    bound = workload.model_copy(update={"bindings": (*workload.bindings, *attempt.bindings)})
    return running.with_workload(bound), frozenset(b.replica for b in attempt.bindings)
