"""Accelerators that nobody uses, cut into what an ask needs: by a layout that Placet can tell a partition manager, else
as people could. Called by `relaxations`, and by the case graph for what waits.

A layout is of a whole node and takes its devices from everybody, so only nodes on which nothing runs and nothing is
reserved are looked at for one; what the change does is `estate.effects`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from estate import layouts, reserving, slicing
from estate.changes import RepartitionAccelerator
from estate.effects import effect
from estate.hardware import Node
from estate.law import Layout
from estate.results import Ok
from estate.snapshots import Snapshot
from tools.placement.constraints.kinds import Constraint
from tools.placement.offering.cases import Case
from tools.placement.port import Placement
from tools.placement.searching import any_of, search

_MOST_CUT = 8
"""Nodes that are looked at for boards to be cut."""
_UNCUT = frozenset({Constraint.FREE, Constraint.SIZE, Constraint.MODEL, Constraint.MEMORY, Constraint.LOCALITY})
"""What may be otherwise once boards are cut."""


@dataclass(frozen=True, slots=True)
class Recut:
    """A node cut otherwise: what that takes in words, the estate that it leads to, and the change, if Placet can."""

    says: str
    snapshot: Snapshot
    change: RepartitionAccelerator | None = None


def told(case: Case) -> Iterator[tuple[Recut, Placement]]:
    """The first layout of the first idle node by which everything that is asked for fits, with where it then would."""
    if not any(c.layouts for c in case.snapshot.facts.clusters):
        return
    idle = (n for n in _candidates(case) if _idle(case.snapshot, n))
    for recut in (r for node in islice(idle, _MOST_CUT) for r in _by_layout(case, node)):
        answer = case.engine.place(recut.snapshot, case.ask)
        if isinstance(answer, Placement):
            yield recut, answer
            return


def by_hand(case: Case) -> Iterator[Recut]:
    """Free boards, or free slices of boards, cut into the slices that are asked for."""
    profile = case.workload.contract.profile
    for node in islice(_candidates(case), _MOST_CUT) if profile else ():
        made = slicing.cut(node, case.snapshot.taken(node.id), profile, case.wish.needed * len(case.ask.replicas))
        if made is not None:
            says = f"cut free accelerators of `{node.id}` anew, into slices `{profile}`"
            yield Recut(says, case.snapshot.with_node(made))


def _candidates(case: Case) -> Iterator[Node]:
    """The nodes that refuse it for nothing but how their devices are."""
    columns = case.wish.columns
    refused = search(case.wish).last
    others = any_of({c: m for c, m in refused.items() if c not in _UNCUT}, len(columns.ids))
    for row in np.flatnonzero(~others):
        node = case.snapshot.node(columns.ids[row])
        assert node is not None
        yield node


def _idle(snapshot: Snapshot, node: Node) -> bool:
    reserved = next(reserving.on(snapshot, node.id), None)
    return node.partitioning is not None and reserved is None and not snapshot.workloads_on(node.id)


def _by_layout(case: Case, node: Node) -> Iterator[Recut]:
    known, profile = layouts.stated(case.snapshot.facts, node), case.workload.contract.profile
    for layout in (x for x in known if _makes(x, profile)):
        change = RepartitionAccelerator(node=node.id, layout=layout.name)
        after = effect(change, case.snapshot)
        if isinstance(after, Ok):
            yield Recut(_words(node, layout, known), after.value, change)


def _makes(layout: Layout, profile: str) -> bool:
    return any(profile in cut.profiles if profile else not cut.slices for cut in layout.cuts)


def _words(node: Node, layout: Layout, known: Iterable[Layout]) -> str:
    return f"repartition {layouts.told(node, layout, known)} of `{node.id}`, by the layout `{layout.name}`"
