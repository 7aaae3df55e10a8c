"""Deadlines that were promised: whether what begins anew, because it is moved, would still be done in time.

Called by `planning` for who may move at all, by `ordering` for each step, and by `telling` for what room is made for.
Only where a run time is stated, as everywhere (`constraints.times`): how much of a run is done nobody tells, so a move
is taken to begin it anew. Whoever's deadline has passed misses nothing by a move.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from estate import pledges
from estate.ids import NodeId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.columns import Columns
from tools.placement.constraints import times
from tools.placement.port import Ask
from tools.placement.wishes import FAR, Wish


@dataclass(frozen=True, slots=True)
class Deadlines:
    """What a plan that begins now keeps."""

    now: datetime | None
    """None: nobody tells the time, and nobody's deadline is looked at."""

    def missed(
        self, snapshot: Snapshot, columns: Columns, after: int, anew: Mapping[WorkloadId, Collection[NodeId]]
    ) -> str:
        """Whose deadline would be missed by beginning anew on these nodes so many minutes from now, in words."""
        for name, nodes in sorted(anew.items()):
            workload = snapshot.workload(name)
            rows = [row for n in nodes if (row := columns.rows.get(n)) is not None]
            if workload is None or pledges.of(snapshot, workload, self.now).deadline is None:
                continue
            if why := self._late(Wish(snapshot, columns, Ask(name, ()), workload), after, rows):
                return why
        return ""

    def at(self, after: int) -> datetime | None:
        """The time so many minutes from now."""
        return None if self.now is None else self.now + timedelta(minutes=after)

    def bound(self, snapshot: Snapshot, columns: Columns, workload: Workload, after: int) -> bool:
        """Whether it would miss its deadline wherever it began anew so many minutes from now."""
        if self.now is None or not workload.bindings or pledges.of(snapshot, workload, self.now).deadline is None:
            return False
        wish = Wish(snapshot, columns, Ask(workload.id, ()), workload)
        return all(self._late(wish, after, [row]) for row in range(len(columns.ids)))

    def _late(self, wish: Wish, after: int, rows: list[int]) -> str:
        deadline = wish.contract.deadline
        if self.now is None or deadline is None or deadline <= self.now or not rows or not times.stated(wish):
            return ""
        lasts = int(times.lasts(wish)[rows].max())
        if lasts >= FAR:
            return f"`{wish.workload.id}` has a deadline, and nobody can say how long it would run there"
        done = max(self.now + timedelta(minutes=after), wish.contract.start or self.now) + timedelta(seconds=lasts)
        if done <= deadline:
            return ""
        when = f"begun anew it is done by {done:%FT%TZ}, and {deadline:%FT%TZ} was promised"
        return f"`{wish.workload.id}` would miss its deadline: {when}"


UNTIMED: Final = Deadlines(None)
