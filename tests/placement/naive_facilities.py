"""What feeds and cools racks a second time, part by part in plain Python. Shares no code with the law or the engine but
the estate's own questions."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from estate.facilities.cooling import Cdu, Loop
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.ids import RackId
from estate.itemkinds import State
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation


def overloads(base: Snapshot, after: Snapshot) -> list[str]:
    """What would carry more than it may, and more than it does."""
    changed = {r.id for r in base.facts.racks if watts(base, r.id) != watts(after, r.id)}
    found = [*_feeds(base, changed), *_sites(base), *_spaces(base), *_units(base)]
    return [n for n, most, racks in found if _load(after, racks) > max(most, _load(base, racks))]


def watts(estate: Snapshot, rack: RackId) -> int:
    """What a rack draws, and what reserved devices there may draw beyond that at the worst moment."""
    every = [r.terms for r in estate.stock.all("reservation") if isinstance(r, Reservation)]
    worst = 0
    for moment in {t.start for t in every}:
        now = [t for t in every if t.start <= moment < t.end]
        seats = [(t, s.node, i) for t in now for s in t.seats for i in s.accelerators if estate.rack_of(s.node) == rack]
        worst = max(worst, sum(max(0, t.watts_per_accelerator - _held(estate, n, i)) for t, n, i in seats))
    return estate.rack_watts(rack) + worst


def _held(estate: Snapshot, node: str, index: int) -> int:
    holders = [w for w in estate.workloads() for b in w.bindings if b.node == node and index in b.accelerators]
    order = [w.id for n in estate.nodes() if n.id == node for w in estate.workloads_on(n.id)]
    return max(holders, key=lambda w: order.index(w.id)).watts_per_accelerator if holders else 0


type _Found = tuple[str, int, dict[RackId, int]]


def _load(estate: Snapshot, racks: dict[RackId, int]) -> int:
    return sum(ceil(watts(estate, rack) / shared) for rack, shared in racks.items())


def _feeds(base: Snapshot, changed: set[RackId]) -> Iterator[_Found]:
    for feed in base.stock.all("feed"):
        assert isinstance(feed, Feed)
        if not any(base.facts.rack[r].power_feed == feed.id for r in changed):
            continue
        other = base.stock.get(Ref("feed", feed.partner or ""))
        paired = isinstance(other, Feed) and other.state != "failed" and feed.redundancy is Redundancy.TWO_N
        both = [feed, other] if paired and isinstance(other, Feed) else [feed]
        most = 0 if feed.state == "failed" else min(f.capacity_watts for f in both)
        names = {f.id for f in both}
        yield feed.id, most, {r.id: 1 for r in base.facts.racks if r.power_feed in names}


def _sites(base: Snapshot) -> Iterator[_Found]:
    for plan in base.stock.all("site"):
        if isinstance(plan, SitePlan) and plan.power_watts is not None:
            yield plan.id, plan.power_watts, {r.id: 1 for r in base.facts.racks if r.site == plan.id}


def _known(base: Snapshot) -> list[RackSpace]:
    return [s for s in base.stock.all("rack") if isinstance(s, RackSpace) and s.id in base.facts.rack]


def _spaces(base: Snapshot) -> Iterator[_Found]:
    for space in _known(base):
        if space.cooling:
            yield space.id, sum(c.watts for c in space.cooling), {space.id: 1}


def _units(base: Snapshot) -> Iterator[_Found]:
    units = {u.id: u for u in base.stock.all("cdu") if isinstance(u, Cdu)}
    for unit in units.values():
        racks = {}
        for space in _known(base):
            working = [c for c in space.cdus if c == unit.id or (c in units and units[c].state is not State.FAILED)]
            if unit.id in space.cdus:
                racks[space.id] = len(working)
        wet = any(s.wet for s in unit.leak_sensors)
        yield unit.id, 0 if wet or unit.state is State.FAILED else unit.capacity_watts, racks
    for loop in base.stock.all("loop"):
        assert isinstance(loop, Loop)
        on = {u.id for u in units.values() if u.loop == loop.id}
        behind = {s.id: 1 for s in _known(base) if on & {*s.cdus}}
        yield loop.id, 0 if loop.state is State.FAILED else loop.capacity_watts, behind
