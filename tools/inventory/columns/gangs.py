"""Who is in which gang, beside the columns: few workloads are in one.

Called by `residents`. The members are a persistent map, so that a snapshot holds them as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from immutables import Map

from estate.ids import GangId, WorkloadId

_NONE: frozenset[GangId] = frozenset()


@dataclass(slots=True)
class Gangs:
    """One task writes. A gang without members has no entry."""

    members: Map[GangId, frozenset[WorkloadId]] = field(default_factory=Map)
    _of: dict[WorkloadId, frozenset[GangId]] = field(default_factory=dict)

    def put(self, workload: WorkloadId, gangs: frozenset[GangId]) -> None:
        """The workload has members of exactly these."""
        before = self._of.pop(workload, _NONE)
        if gangs:
            self._of[workload] = gangs
        for gang in before - gangs:
            left = self.members[gang] - {workload}
            self.members = self.members.set(gang, left) if left else self.members.delete(gang)
        for gang in gangs - before:
            self.members = self.members.set(gang, self.members.get(gang, frozenset()) | {workload})

    def fill(self, written: Iterable[tuple[WorkloadId, list[GangId]]]) -> None:
        """As `written` says, in place of nothing."""
        for workload, gangs in written:
            self.put(workload, frozenset(gangs))

    def written(self) -> list[tuple[WorkloadId, list[GangId]]]:
        """Each workload and its gangs, as `fill` reads them."""
        return [(workload, sorted(gangs)) for workload, gangs in self._of.items()]
