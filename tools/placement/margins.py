"""The least that anything which feeds or cools racks has left, followed from snapshot to snapshot.

Called by `constraints.facilities` where somebody must know at once whether any part could refuse at all. Only racks in
which something changed are read; what it keeps saves time, and changes no answer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from estate.ids import RackId
from estate.snapshots import Snapshot
from tools.placement import carriers
from tools.placement.carriers import Carriers
from tools.placement.columns import UNCAPPED, Ints

_HELD: Final = 4


@dataclass(frozen=True, slots=True)
class _Known:
    """What racks draw in one snapshot, and the least that any part has left then."""

    snapshot: Snapshot
    behind: Carriers
    rows: dict[RackId, int]
    drawn: Ints
    least: int


class Margins:
    """Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects `_known`
        self._known: list[_Known] = []

    def least(self, snapshot: Snapshot) -> int:
        """Watts; of what is overloaded nothing is left. Without limit where nobody tells of any part."""
        with self._lock:
            known = next((k for k in self._known if k.snapshot is snapshot), None)
            if known is None:
                known = self._followed(snapshot) or _read(snapshot)
                self._known = [*self._known[1 - _HELD :], known]
            return known.least

    def _followed(self, snapshot: Snapshot) -> _Known | None:
        for known in reversed(self._known):
            touched = snapshot.touched_since(known.snapshot) if known.behind.tell(snapshot) else None
            if touched is not None:
                racks = {r for n in touched if (r := snapshot.rack_of(n)) is not None}
                drawn = known.drawn.copy()
                for rack in racks:
                    drawn[known.rows[rack]] = snapshot.rack_watts(rack)
                return replace(known, snapshot=snapshot, drawn=drawn, least=_least(known.behind, drawn))
        return None


def _read(snapshot: Snapshot) -> _Known:
    """A scan of all racks."""
    racks = tuple(sorted(snapshot.facts.rack))
    behind = carriers.read(snapshot, racks)
    drawn = np.array([snapshot.rack_watts(r) for r in racks], dtype=np.int64)
    return _Known(snapshot, behind, {r: row for row, r in enumerate(racks)}, drawn, _least(behind, drawn))


def _least(behind: Carriers, drawn: Ints) -> int:
    if not behind.parts:
        return UNCAPPED
    return max(int((behind.most - behind.carried(drawn))[:-1].min()), 0)
