"""What feeds and cools racks beyond their own budgets: feeds, sites, CDUs and loops, before and after a play. Pure.

The law asks for the weights of a play (`supplies`), placement for the parts themselves (`parts`): its masks,
reports and suppositions are read off these, so that they can differ from the law in nothing.

Asked only of what the estate knows and the play makes draw otherwise. A part that has failed, or leaks, carries
nothing: what would add to it is beyond its limit. Two feeds of a 2N pair are one: either must carry the load of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from estate import pooling, reserving
from estate.facilities.cooling import Cdu, CoolingPart, Loop
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.ids import RackId, SiteId
from estate.itemkinds import State
from estate.references import Ref
from estate.snapshots import Snapshot
from policies.playing import Play

KINDS: Final = frozenset({"feed", "site", "rack", "cdu", "loop"})
"""Of the items that parts, and what racks give away by themselves, are read off."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part, and among how many of its sort each of its racks shares its load."""

    ref: Ref
    cooling: bool
    racks: Mapping[RackId, int]
    most: int
    """Watts that it may carry."""
    own: frozenset[RackId]
    """Those of its racks whose change asks for it: half of a 2N pair has its partner's load to carry as well."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Watts that one part carries, before and after, and the most that it may."""

    ref: Ref
    cooling: bool
    before: int
    after: int
    most: int
    racks: frozenset[RackId]
    """Whose draw or heat it carries."""


def supplies(play: Play) -> Iterator[Supply]:
    """Every part beyond the racks that the play makes carry another load, by kind and id."""
    racks = [r for r in play.racks if drawn(play, r)[0] != drawn(play, r)[1]]
    found = (_carrying(play, part) for part in parts(play.base, racks))
    yield from sorted((s for s in found if s.before != s.after), key=lambda s: (s.ref.kind, s.ref.id))


def parts(snapshot: Snapshot, racks: Iterable[RackId]) -> Iterator[Part]:
    """Every part beyond these racks that the estate knows of, each with all racks that it carries."""
    asked = tuple(racks)
    yield from _feeds(snapshot, asked)
    yield from _sites(snapshot, asked)
    yield from _cooling(snapshot, asked)


def carried(snapshot: Snapshot, part: Part) -> int:
    """What a part carries as things are, in watts."""
    return sum(-(-_spoken_for(snapshot, rack) // shared) for rack, shared in part.racks.items())


def relied_on(snapshot: Snapshot, part: Part) -> tuple[Ref | None, int]:
    """Who carries the load of a part in truth, and how much it may: of a dead half of a 2N pair the other half.

    None where a feed is dead and nobody takes its load: what it fed is dead as well.
    """
    item = snapshot.stock.get(part.ref)
    if not isinstance(item, Feed) or item.state is not State.FAILED:
        return part.ref, part.most
    partner = _partner(snapshot, item)
    return (None, 0) if partner is None else (partner.ref, int(partner.capacity_watts))


def drawn(play: Play, rack: RackId) -> tuple[int, int]:
    """What a rack draws before the play and after it, in watts; what could not be laid out counts as it was wanted.

    What is reserved there, and machines that are still to come, count as if they were drawn already.
    """
    beyond = sum(w for n, w in play.unplayed.items() if play.base.rack_of(n) == rack)
    return _spoken_for(play.base, rack), _spoken_for(play.after, rack) + beyond


def _spoken_for(snapshot: Snapshot, rack: RackId) -> int:
    return int(snapshot.rack_watts(rack)) + undrawn(snapshot, rack) + pooling.coming_watts(snapshot, rack)


def undrawn(snapshot: Snapshot, rack: RackId) -> int:
    """What reserved devices of a rack may draw beyond what is drawn there now, in watts."""
    return reserving.undrawn_watts(snapshot, reserving.in_rack(snapshot, rack)).get(rack, 0)


def cooled(snapshot: Snapshot, rack: RackId) -> int | None:
    """The heat that a rack can give away, in watts; None where nobody says."""
    space = snapshot.stock.get(Ref("rack", rack))
    offered = space.cooling if isinstance(space, RackSpace) else ()
    return sum(c.watts for c in offered) if offered else None


def _feeds(snapshot: Snapshot, racks: Iterable[RackId]) -> Iterator[Part]:
    facts = snapshot.facts
    for name in {facts.rack[r].power_feed for r in racks}:
        feed = snapshot.stock.get(Ref("feed", name))
        if isinstance(feed, Feed):
            pair = tuple(f for f in (feed, _partner(snapshot, feed)) if f is not None)
            fed = {r: 1 for f in pair for r in facts.racks_on_feed.get(f.id, ())}
            own = frozenset(facts.racks_on_feed.get(feed.id, ()))
            yield Part(feed.ref, False, fed, min(_capacity(f.capacity_watts, f.state) for f in pair), own)


def _partner(snapshot: Snapshot, feed: Feed) -> Feed | None:
    """The other half of a 2N pair, while it lives: a dead one carries nothing and needs no room."""
    other = snapshot.stock.get(Ref("feed", feed.partner)) if feed.partner is not None else None
    alive = isinstance(other, Feed) and other.state is not State.FAILED
    return other if alive and isinstance(other, Feed) and feed.redundancy is Redundancy.TWO_N else None


def _sites(snapshot: Snapshot, racks: Iterable[RackId]) -> Iterator[Part]:
    facts = snapshot.facts
    for site in {facts.rack[r].site for r in racks}:
        plan = snapshot.stock.get(Ref("site", site))
        if isinstance(plan, SitePlan) and plan.power_watts is not None:
            there = facts.racks_at.get(site, ())
            yield Part(plan.ref, False, dict.fromkeys(there, 1), plan.power_watts, frozenset(there))


def _cooling(snapshot: Snapshot, racks: Iterable[RackId]) -> Iterator[Part]:
    stock = snapshot.stock
    units = {Ref("cdu", c) for r in racks if isinstance(s := stock.get(Ref("rack", r)), RackSpace) for c in s.cdus}
    known = [u for u in map(stock.get, units) if isinstance(u, Cdu)]
    for unit in known:
        yield _cooler(unit, _cooled_by(snapshot, unit))
    for loop in {Ref("loop", u.loop) for u in known}:
        found = stock.get(loop)
        if isinstance(found, Loop):
            below = (u for b in stock.below(loop) if isinstance(u := stock.get(b.ref), Cdu))
            yield _cooler(found, {r: 1 for u in below for r in _cooled_by(snapshot, u)})


def _cooler(part: CoolingPart, racks: Mapping[RackId, int]) -> Part:
    leaks = isinstance(part, Cdu) and part.leaks
    most = 0 if leaks else _capacity(part.capacity_watts, part.state)
    return Part(part.ref, True, racks, most, frozenset(racks))


def _carrying(play: Play, part: Part) -> Supply:
    """A part with its share of each rack's load, before and after."""
    if part.ref.kind == "site":  # what a site draws is kept current: no rack that stays as it is need be looked at
        kept = reserving.undrawn_watts(play.base, reserving.every(play.base))
        coming = sum(pooling.coming_watts(play.base, r) for r in part.racks) if play.base.facts.pools else 0
        drawn_now = int(play.base.site_watts(SiteId(part.ref.id)))
        before = drawn_now + coming + sum(w for r, w in kept.items() if r in part.racks)
        changes = (drawn(play, r) for r in play.racks if r in part.racks)
        after = before + sum(a - b for b, a in changes)
        return Supply(part.ref, part.cooling, before, after, part.most, frozenset(part.racks))
    loads = [(drawn(play, r), shared) for r, shared in part.racks.items()]
    before, after = (sum(-(-watts[n] // shared) for watts, shared in loads) for n in (0, 1))
    return Supply(part.ref, part.cooling, before, after, part.most, frozenset(part.racks))


def _cooled_by(snapshot: Snapshot, unit: Cdu) -> dict[RackId, int]:
    """The racks that a CDU cools, each with how many working ones it shares the heat with, itself included."""
    found: dict[RackId, int] = {}
    for bond in snapshot.stock.below(unit.ref):
        space = snapshot.stock.get(bond.ref)
        if isinstance(space, RackSpace) and space.id in snapshot.facts.rack:
            others = (snapshot.stock.get(Ref("cdu", c)) for c in space.cdus if c != unit.id)
            found[space.id] = 1 + sum(1 for o in others if isinstance(o, Cdu) and o.state is not State.FAILED)
    return found


def _capacity(watts: int, state: State) -> int:
    return 0 if state is State.FAILED else int(watts)
