"""Moves within a cluster, as few at a time as the contract lets be under way. Pure; whoever places calls it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import batched

from estate.changes import MoveWorkload, ReplicaMove
from estate.workloads import Binding, Workload


def in_turn(workload: Workload, homes: Iterable[Binding]) -> Iterator[MoveWorkload]:
    """The changes, one after another."""
    running = {b.replica: b.node for b in workload.bindings}
    moves = (
        ReplicaMove(replica=b.replica, source=running.get(b.replica), target=b.node, accelerators=b.accelerators)
        for b in sorted(homes, key=lambda b: b.replica)
    )
    for batch in batched(moves, workload.at_once):
        yield MoveWorkload(workload=workload.id, moves=batch)
