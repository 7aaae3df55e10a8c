"""Who may be moved at all: what is promised to whom decides before any place is looked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from estate import gangs
from estate.ids import NodeId
from estate.law import DisruptionConsent
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from tools.kubernetes import naming
from tools.placement.planning.ordering import breaks
from tools.placement.planning.plans import Goal, Left
from tools.placement.planning.seats import Guest, Place

ELSEWHERE: Final = 100
"""What leaving a cluster costs beside the trouble."""
FRESH: Final = 5
"""What it costs to break into a domain none of whose devices anybody else holds, and again where its rack is as whole:
both stay whole where all else is equal.
"""


def pinned(snapshot: Snapshot, workload: Workload, binding: Binding) -> str:
    """Why a running replica may not be moved within its cluster; empty where it may."""
    if naming.is_bare(workload):
        return "a pod under no controller: nothing would make it again"
    after = snapshot.with_workload(workload.without((binding,)))
    stops = gangs.counts(gangs.together(snapshot, {workload.id: (binding,)}))
    return breaks(snapshot, after, stops)


def guests_on(snapshot: Snapshot, nodes: Iterable[NodeId]) -> Iterator[Guest | Left]:
    """The replicas on some nodes: those that may be moved, and those that may not, with the reason."""
    for node in sorted(nodes):
        for workload in snapshot.workloads_on(node):
            for binding in workload.on(node):
                why = pinned(snapshot, workload, binding)
                if why:
                    yield Left(workload=workload.id, replicas=(binding.replica,), reason=why)
                else:
                    yield Guest(workload, binding.replica, binding)


def movable(snapshot: Snapshot, nodes: Iterable[NodeId], most: int) -> tuple[Guest, ...]:
    """The first so many replicas that may be moved, off the nodes with the fewest devices in use first."""
    used = sorted((len(snapshot.taken(n)), n) for n in nodes)
    found = (g for taken, n in used if taken for g in guests_on(snapshot, (n,)) if isinstance(g, Guest))
    return tuple(islice((g for g in found if g.workload.contract.accelerators_per_replica), most))


def trouble(snapshot: Snapshot, guest: Guest) -> int:
    """What moving a guest costs beside anything else: three times as much where its tenant must be asked."""
    if guest.binding is None:
        return 0
    tenant = snapshot.facts.tenant.get(guest.workload.tenant)
    asked = tenant is None or tenant.disruption is DisruptionConsent.APPROVAL
    return (10 + guest.workload.contract.accelerators_per_replica) * (3 if asked else 1)


class Costs:
    """What seats cost in trouble, and a weight that is more than all of them together could come to."""

    def __init__(self, snapshot: Snapshot, guests: Iterable[Guest], goal: Goal) -> None:
        """A move that lasts twice as long as others is twice the trouble."""
        self._trouble = {
            (g.workload.id, g.replica): trouble(snapshot, g)
            * -(-goal.minutes_of(g.workload.id) // goal.minutes_per_move)
            for g in guests
        }
        self.weight = 1 + sum(self._trouble.values()) + (ELSEWHERE + 2 * FRESH) * len(self._trouble)

    def of(self, guest: Guest, place: Place) -> int:
        """What it costs to seat a guest at a place that is not its home."""
        elsewhere = ELSEWHERE if guest.workload.cluster != place.cluster else 0
        fresh = FRESH * place.whole
        return self._trouble[guest.workload.id, guest.replica] + elsewhere + fresh
