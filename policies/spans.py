"""How far the replicas of one workload stand from what its contract says of their distance: together, and apart. Pure.

Called by `levels` for what a whole proposal leads to. Only signed facts say where a node stands; on unknown ground a
replica is neither near another nor apart from it, and counts as one that strayed.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.workloads import Span, Workload


def strayed(snapshot: Snapshot, workload: Workload) -> int:
    """How many replicas stand outside of the domain in which most of those stand that should be in one."""
    over = workload.contract.together
    if over is None or not workload.bindings:
        return 0
    counts, unknown = _domains(snapshot, workload, over)
    return unknown + counts.total() - max(counts.values(), default=0)


def crowded(snapshot: Snapshot, workload: Workload) -> int:
    """How many replicas stand in a domain that one of theirs has already, where no two should."""
    over = workload.contract.spread
    if over is None:
        return 0
    counts, unknown = _domains(snapshot, workload, over)
    return unknown + counts.total() - len(counts)


def _domains(snapshot: Snapshot, workload: Workload, over: Span) -> tuple[Counter[str], int]:
    """Replicas by domain, and how many stand in none that facts know."""
    found = [domain(snapshot, b.node, over) for b in workload.bindings]
    return Counter(d for d in found if d is not None), found.count(None)


def domain(snapshot: Snapshot, node: NodeId, over: Span) -> str | None:
    """The domain of that span which a node is in; None where no fact says."""
    name = snapshot.rack_of(node)
    rack = snapshot.facts.rack.get(name) if name is not None else None
    match over:
        case Span.NODE:
            return node
        case Span.RACK:
            return name
        case Span.LEAF:
            return (rack.leaf_switch or None) if rack is not None else None
        case Span.FEED:
            return (rack.power_feed or None) if rack is not None else None
        case Span.SITE:
            return snapshot.site_of(node)
        case unreachable:
            assert_never(unreachable)
