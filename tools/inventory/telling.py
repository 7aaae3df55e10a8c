"""What a delta says of the things that a batch changed: in single facts, where those are all. Pure; called by `writer`.

A fact claims no name: of two things that bear one, a follower takes the one told last *whole* for it. So whatever does
not bear all its names alone is told whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from estate import alterations
from estate.alterations import Alteration
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.workloads import Workload


@dataclass(slots=True)
class Told:
    """Things that are told whole, and facts about others."""

    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...]
    alterations: tuple[Alteration, ...]


def told(before: FrozenEstate, nodes: Iterable[Node], workloads: Iterable[Workload]) -> Told:
    """What makes these things of what they were `before`."""
    facts: list[Alteration] = []
    whole_nodes, whole_workloads = list[Node](), list[Workload]()
    for node in nodes:
        old = before.node(node.id)
        of_node = alterations.of_node(old, node) if old is not None and _is_known_as(before, old) else None
        whole_nodes += [node] if of_node is None else []
        facts += of_node or ()
    for workload in workloads:
        known = before.workload(workload.id)
        of_workload = alterations.of_workload(known, workload) if known is not None and _named(before, known) else None
        whole_workloads += [workload] if of_workload is None else []
        facts += of_workload or ()
    return Told(tuple(whole_nodes), tuple(whole_workloads), tuple(facts))


def _is_known_as(estate: FrozenEstate, node: Node) -> bool:
    """Whether all its names, and those of its devices, lead to it."""
    found = (estate.accelerator(a.uuid) for a in node.accelerators)
    alone = all(ref is not None and ref.node == node.id for ref in found)
    return alone and estate.named(node.cluster, node.name) == node.id


def _named(estate: FrozenEstate, workload: Workload) -> bool:
    return estate.workload_named(workload.cluster, workload.namespace, workload.name) == workload.id
