"""What carries the watts of racks, in columns: feeds, sites' connections, a rack's own cooling, CDUs and loops.

Read off `policies.supplies`, as the gate reads them, once for all columns under the same facts and facilities; what
they carry is carried over from one draw of racks to the next. Called by the constraints and by whoever accounts for
racks. It knows no workload, and nothing of budgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np

from estate.ids import RackId
from estate.law import Facts
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.stock import Stock
from policies import supplies
from policies.reserves import NOTHING, Reserves
from policies.supplies import Part
from tools.placement.columns import UNCAPPED, Columns, Flags, Ints

SORTS: Final = ("feed", "site", "rack", "cdu", "loop")
"""Kinds of parts; of a rack it is the heat that it gives away by itself."""
_HELD: Final = 4
_FEW: Final = 64
"""So many racks that draw otherwise than at the last look, and it is worth another."""


@dataclass(slots=True, eq=False)
class Carriers:
    """The parts behind each rack. Arrays by part have one place more, for the slots of racks with fewer parts."""

    facts: Facts
    stock: Stock
    parts: tuple[Part, ...]
    """By sort, and by id."""
    most: Ints
    """Watts that each part may carry, without what the house keeps free."""
    part: Ints
    """Rack × slot: the position of a part."""
    shared: Ints
    """Rack × slot: among how many of its sort the rack's load is shared."""
    own: Flags
    """Rack × slot: whether more of this rack is asked of the part, which otherwise carries it for a partner."""
    slots: Mapping[str, slice]
    """The slots of each sort; a sort that nobody tells of has none."""
    _split: tuple[int, ...]
    """The slots in which some load is shared."""
    _last: tuple[Ints, Ints] | None = field(default=None)
    """A draw by rack, and what the parts carry then: saves time, and changes no answer."""

    def tell(self, snapshot: Snapshot) -> bool:
        """Whether they are those of that snapshot."""
        return snapshot.facts is self.facts and snapshot.stock.same(self.stock, supplies.KINDS)

    def alike(self, other: Carriers) -> bool:
        """Whether the other carry the same for the same racks."""
        arrays = ((self.most, other.most), (self.part, other.part), (self.shared, other.shared), (self.own, other.own))
        return self.parts == other.parts and all(np.array_equal(one, two) for one, two in arrays)

    def carried(self, drawn: Ints) -> Ints:
        """What each part carries where the racks draw so much."""
        if self._last is None:
            return self._looked(drawn)
        before, known = self._last
        changed = np.flatnonzero(before != drawn)
        if len(changed) > _FEW:
            return self._looked(drawn)
        found = known.copy()
        moved = self._shares(drawn, changed) - self._shares(before, changed)
        np.add.at(found, self.part[changed], moved)
        return found

    def headroom(self, now: Ints, before: Ints) -> Ints:
        """Rack × slot: watts that each rack may draw beyond `now`, for a part that carried what racks drew `before`.

        What carried more than it may goes on as long as it carries no more than it did.
        """
        spare = np.maximum(self.most, self.carried(before)) - self.carried(now)
        found = spare[self.part]
        for slot in self._split:
            among, drawn = self.shared[:, slot], now
            found[:, slot] = (found[:, slot] - (-drawn // among)) * among - drawn
        asked = self.own
        if not asked.all():
            changed = np.flatnonzero(now != before)
            touched = np.zeros(len(self.most), dtype=np.bool_)
            touched[self.part[changed][asked[changed]]] = True
            asked = asked | touched[self.part]
        found[~asked | (self.part == len(self.parts))] = UNCAPPED
        return found

    def _looked(self, drawn: Ints) -> Ints:
        weights = self._shares(drawn, slice(None))
        found = np.bincount(self.part.ravel(), weights.ravel(), len(self.most)).astype(np.int64)
        self._last = (drawn.copy(), found)
        return found

    def _shares(self, drawn: Ints, racks: Ints | slice) -> Ints:
        found: Ints = -(-drawn[racks, None] // self.shared[racks])
        return found


def of(snapshot: Snapshot, columns: Columns) -> Carriers | None:
    """Those behind the racks of these columns; None where nobody tells of any."""
    found = next((c for c in columns.carriers if c.tell(snapshot)), None)
    if found is None:
        found = read(snapshot, columns.names.racks, columns.reserves)
        columns.carriers[:] = [*columns.carriers[1 - _HELD :], found]
    return found if found.parts else None


def read(snapshot: Snapshot, racks: Sequence[RackId], reserves: Reserves = NOTHING) -> Carriers:
    """Those behind these racks, in their order, without what the house keeps free. A scan of all of them."""
    order = {sort: number for number, sort in enumerate(SORTS)}
    told = (*supplies.parts(snapshot, racks), *_giving_away(snapshot, racks))
    parts = tuple(sorted(told, key=lambda p: (order[p.ref.kind], p.ref.id)))
    rows = {name: row for row, name in enumerate(racks)}
    found: dict[str, list[list[tuple[int, int, bool]]]] = {
        sort: [[] for _ in racks] for sort in dict.fromkeys(p.ref.kind for p in parts)
    }
    for place, part in enumerate(parts):
        behind = found[part.ref.kind]
        for rack, shared in part.racks.items():
            behind[rows[rack]].append((place, shared, rack in part.own))
    widths = {sort: max(map(len, behind)) for sort, behind in found.items()}
    ends = list(accumulate(widths.values()))
    slots = {s: slice(end - width, end) for (s, width), end in zip(widths.items(), ends, strict=True)}
    table = np.tile(np.array([len(parts), 1, 1], dtype=np.int64), (len(racks), sum(widths.values()), 1))
    for sort, behind in found.items():
        for row, held in enumerate(behind):
            begin = slots[sort].start
            table[row, begin : begin + len(held)] = np.array(held, dtype=np.int64).reshape(-1, 3)
    usable = (reserves.left(p.most, cooling=p.cooling) for p in parts)
    most = np.array([*usable, UNCAPPED], dtype=np.int64)
    place_of, among, own = table[:, :, 0].copy(), table[:, :, 1].copy(), table[:, :, 2] > 0
    split = tuple(np.flatnonzero((among > 1).any(axis=0)).tolist())
    return Carriers(snapshot.facts, snapshot.stock, parts, most, place_of, among, own, slots, split)


def _giving_away(snapshot: Snapshot, racks: Sequence[RackId]) -> Iterator[Part]:
    for rack in racks:
        cooled = supplies.cooled(snapshot, rack)
        if cooled is not None:
            yield Part(Ref("rack", rack), True, {rack: 1}, cooled, frozenset({rack}))
