"""Deltas: how the one inventory writer tells every other process what changed, and under which version."""

from __future__ import annotations

from typing import Literal

from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.law import Facts
from estate.records import Record, Time
from estate.snapshots import SnapshotVersion
from estate.workloads import Workload


class Delta(Record):
    """Things put and removed, leading to `version`. The first of an epoch is a whole estate (`whole`)."""

    kind: Literal["placet.delta"] = "placet.delta"
    v: Literal[1] = 1
    version: SnapshotVersion
    at: Time
    whole: bool = False
    facts_envelope: str | None = None
    """The signed facts (a DSSE envelope as JSON text) when they changed; followers verify it themselves."""
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()


def apply(estate: FrozenEstate, delta: Delta, facts: Facts) -> FrozenEstate:
    """The estate after `delta`, under `facts` (the verified ones)."""
    if delta.whole:
        return FrozenEstate.of(delta.version, facts, delta.nodes, delta.workloads)
    if facts is not estate.facts:
        estate = estate.with_facts(facts)
    for node in delta.removed_nodes:
        estate = estate.without_node(node)
    for workload in delta.removed_workloads:
        estate = estate.without_workload(workload)
    for changed in delta.nodes:
        estate = estate.with_node(changed)
    for moved in delta.workloads:
        estate = estate.with_workload(moved)
    return estate.at(delta.version)
