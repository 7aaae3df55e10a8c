"""What would have to be repaired or widened behind racks so that replicas may stand where an attempt seated them. Pure.

Called for the words of a relaxation and for the estate in which it is made, which therefore cannot differ. It repairs
what has failed or leaks first, and looks again: whom the parts share their load with is another question then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from estate.facilities.cooling import Cdu, Loop
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.itemkinds import State
from estate.items import Item
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.units import Watts
from policies.supplies import Part
from tools.placement import carriers
from tools.placement.attempts import Attempt
from tools.placement.wishes import Wish

_COOLING = frozenset({"rack", "cdu", "loop"})

type _Part = Feed | Cdu | Loop | SitePlan | RackSpace


@dataclass(frozen=True, slots=True)
class Widened:
    """The estate once something was repaired or widened, and what, in the hardware's words."""

    snapshot: Snapshot
    says: str


def widened(wish: Wish, attempt: Attempt, sort: str) -> Widened:
    """With what the parts of one sort lack, with all replicas seated as in the attempt."""
    before = wish.snapshot
    broken = tuple(p.ref for p, _ in _lacking(wish, before, attempt, sort) if is_out(before, p.ref))
    repaired = _with(before, (_mended(_item(before, ref)) for ref in broken))
    wanting = {ref: most for p, most in _lacking(wish, repaired, attempt, sort) for ref in _bound(repaired, p)}
    kept = wish.columns.reserves
    needed = {ref: kept.needed(most, cooling=ref.kind in _COOLING) for ref, most in wanting.items()}
    short = {ref: most - _most(_item(repaired, ref)) for ref, most in needed.items()}
    short = {ref: watts for ref, watts in sorted(short.items()) if watts > 0}
    after = _with(repaired, (_wider(_item(repaired, ref), watts) for ref, watts in short.items()))
    mend = [f"have {_listed(broken)} repaired"] if broken else []
    free = [f"free {_each(short)}, or widen {'it' if len(short) == 1 else 'them'} by as much"] if short else []
    return Widened(after, " and ".join((*mend, *free)) or "ask again")


def is_out(snapshot: Snapshot, ref: Ref) -> bool:
    """Whether that part has failed or leaks."""
    item = snapshot.stock.get(ref)
    if isinstance(item, (Feed, Cdu, Loop)):
        return item.state is State.FAILED or (isinstance(item, Cdu) and item.leaks)
    return False


def _lacking(wish: Wish, snapshot: Snapshot, attempt: Attempt, sort: str) -> Iterator[tuple[Part, int]]:
    """The parts of that sort that would carry more than they may and more than they do, each with how much."""
    behind, room = carriers.of(snapshot, wish.columns), attempt.room
    if behind is None or room is None or sort not in behind.slots:
        return
    load, now = behind.carried(room.spoken_for), behind.carried(wish.spoken_for)
    racks = np.unique(wish.columns.rack[attempt.rows])
    asked = np.unique(behind.part[racks, behind.slots[sort]])
    for place in asked[asked < len(behind.parts)].tolist():
        if load[place] > max(behind.most[place], now[place]):
            yield behind.parts[place], int(load[place])


def _bound(snapshot: Snapshot, part: Part) -> tuple[Ref, ...]:
    """Whose capacity is the part's: of a pair of feeds both."""
    item = snapshot.stock.get(part.ref)
    if isinstance(item, Feed) and item.partner is not None and item.redundancy is Redundancy.TWO_N:
        other = Ref("feed", item.partner)
        return (
            (part.ref, other) if snapshot.stock.get(other) is not None and not is_out(snapshot, other) else (part.ref,)
        )
    return (part.ref,)


def _item(snapshot: Snapshot, ref: Ref) -> _Part:
    item = snapshot.stock.get(ref)
    assert isinstance(item, (Feed, Cdu, Loop, SitePlan, RackSpace)), "parts are read off these"
    return item


def _most(item: _Part) -> int:
    match item:
        case Feed() | Cdu() | Loop():
            return int(item.capacity_watts)
        case SitePlan():
            return int(item.power_watts or 0)
        case RackSpace():
            return sum(c.watts for c in item.cooling)
        case _:
            assert_never(item)


def _wider(item: _Part, watts: int) -> _Part:
    match item:
        case Feed() | Cdu() | Loop():
            return item.model_copy(update={"capacity_watts": Watts(item.capacity_watts + watts)})
        case SitePlan():
            return item.model_copy(update={"power_watts": Watts((item.power_watts or 0) + watts)})
        case RackSpace():
            first, *others = item.cooling
            more = first.model_copy(update={"watts": Watts(first.watts + watts)})
            return item.model_copy(update={"cooling": (more, *others)})
        case _:
            assert_never(item)


def _mended(item: _Part) -> _Part:
    if not isinstance(item, Cdu):
        return item.model_copy(update={"state": State.OK})
    dry = tuple(s.model_copy(update={"wet": False}) for s in item.leak_sensors)
    return item.model_copy(update={"state": State.OK, "leak_sensors": dry})


def _with(snapshot: Snapshot, items: Iterable[Item]) -> Snapshot:
    stock = snapshot.stock
    for item in items:
        stock = stock.with_(item)
    return snapshot if stock is snapshot.stock else snapshot.with_stock(stock)


def _listed(refs: Iterable[Ref]) -> str:
    return " and ".join(f"`{ref}`" for ref in refs)


def _each(short: dict[Ref, int]) -> str:
    return " and ".join(f"{watts} W of `{ref}`" for ref, watts in short.items())
