"""What things draw, and how that is known: measured lately, else as it is stated. Pure.

Called by `headrooms`. Without a time nothing counts as measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from estate.ids import RackId
from estate.readings import Gauge
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.views import measured


class Rest(StrEnum):
    """What a use rests on."""

    MEASURED = "measured"
    PARTLY = "partly-measured"
    """Some of what adds up was measured lately, the rest is stated."""
    STATED = "stated"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn, in watts, and how that is known."""

    watts: int | None
    rests_on: Rest | None


@dataclass(frozen=True, slots=True)
class Meter:
    """What things draw: measured where that is fresh at `now`, else as it is stated. Without a time nothing is."""

    snapshot: Snapshot
    now: datetime | None

    def part(self, ref: Ref, stated: int | None) -> Drawn:
        """One part of the power chain, or one node."""
        watts = measured.fresh(self.snapshot, ref, Gauge.POWER, self.now) if self.now is not None else None
        if watts is not None:
            return Drawn(watts // 1000, Rest.MEASURED)
        return Drawn(stated, None if stated is None else Rest.STATED)

    def racks(self, racks: Iterable[RackId]) -> Drawn:
        """All nodes of these racks: the sum that is kept current, with what was measured in its place."""
        total, metered, nodes = 0, 0, 0
        for rack in racks:
            total += int(self.snapshot.rack_watts(rack))
            for node in self.snapshot.facts.rack[rack].nodes:
                stated = int(self.snapshot.node_watts(node))
                drawn = self.part(Ref("node", node), stated)
                total += (drawn.watts or 0) - stated
                metered += drawn.rests_on is Rest.MEASURED
                nodes += 1
        return Drawn(total, Rest.STATED if not metered else Rest.MEASURED if metered == nodes else Rest.PARTLY)
