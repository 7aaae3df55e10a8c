"""What racks may still draw of what carries them together, one rack after the other: what one was given no other has.

Called by `accounts`, so that watts of a feed that two racks share are not counted for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from estate.references import Ref
from estate.snapshots import Snapshot
from tools.placement import carriers
from tools.placement.carriers import Carriers
from tools.placement.columns import Columns, Ints


class Left(NamedTuple):
    """Watts for a rack, and the part that has no more."""

    watts: int
    of: Ref


@dataclass(slots=True)
class Headrooms:
    """The parts behind racks, with what they carry as racks are given more."""

    behind: Carriers | None
    drawn: Ints
    carried: list[int]

    @classmethod
    def of(cls, snapshot: Snapshot, columns: Columns) -> Self:
        """As things are."""
        behind, drawn = carriers.of(snapshot, columns), columns.rack_drawn.copy()
        return cls(behind, drawn, [] if behind is None else behind.carried(drawn).tolist())

    def left(self, rack: int) -> Left | None:
        """What a rack may draw more; None where nothing behind it is told of but what it gives away by itself."""
        found = None
        drawn, behind = int(self.drawn[rack]), self.behind
        for part, shared, own in self._parts(rack):
            assert behind is not None, "it has parts"
            if not own:
                continue
            spare = int(behind.most[part]) - self.carried[part]
            here = Left((spare - (-drawn // shared)) * shared - drawn, behind.parts[part].ref)
            if here.of.kind != "rack" and (found is None or here.watts < found.watts):
                found = here
        return found

    def take(self, rack: int, watts: int) -> None:
        """Let it draw so much more."""
        before = int(self.drawn[rack])
        self.drawn[rack] += watts
        for part, shared, _ in self._parts(rack):
            self.carried[part] += before // -shared - (before + watts) // -shared

    def _parts(self, rack: int) -> list[tuple[int, int, bool]]:
        """Those that carry it, each with among how many of its sort, and whether more of this rack is asked of it."""
        if self.behind is None:
            return []
        held = (self.behind.part[rack].tolist(), self.behind.shared[rack].tolist(), self.behind.own[rack].tolist())
        return [(p, s, o) for p, s, o in zip(*held, strict=True) if p < len(self.behind.parts)]
