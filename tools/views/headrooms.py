"""How much more a thing may carry: power, cooling, accelerators, bandwidth, each limit with what it rests on.

Called by the catalogue's `headroom`. Every limit is a line of its own, because the narrowest one holds: a rack with
watts left on its signed budget may hang on a PDU that has none. Unknown use is said to be unknown, never nought. What
is drawn is what was measured lately, where it was; else what is stated, and each limit says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from estate import reserving
from estate.errors import BadInput
from estate.fabrics.links import Link
from estate.facilities.cooling import Cdu, Loop
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed, Pdu, PowerPart
from estate.ids import NodeId, RackId, SiteId, TenantId
from estate.machines import LinkState
from estate.records import Model
from estate.references import Ref, WrittenRef
from estate.snapshots import Snapshot
from tools.views import withheld
from tools.views.meters import Drawn, Meter, Rest
from tools.views.sums import Sums, Use

POWERED = ("substation", "transformer", "ups", "generator", "feed", "pdu")


class Good(StrEnum):
    """What may run out."""

    POWER = "power"
    COOLING = "cooling"
    ACCELERATORS = "accelerators"
    BANDWIDTH = "bandwidth"


UNITS: Final = {
    Good.POWER: "watts",
    Good.COOLING: "watts",
    Good.ACCELERATORS: "accelerators",
    Good.BANDWIDTH: "megabits_per_second",
}


class Margin(Model):
    """One limit and what is left of it."""

    good: Good
    unit: str
    of: WrittenRef
    basis: str
    limit: int
    used: int | None
    rests_on: Rest | None = None
    """Of what is drawn; null of what is counted, and of what nobody knows."""
    left: int | None
    """Negative beyond the limit; null where the use is not known."""


@dataclass(frozen=True, slots=True)
class View:
    """What margins are worked out of."""

    sums: Sums
    meter: Meter
    now: datetime | None = None

    def idle(self, nodes: Iterable[NodeId]) -> int:
        """The open devices of these nodes that are kept free for whoever reserved them."""
        kept = withheld.devices(self.sums.snapshot, self.now)
        return sum(kept.get(n, 0) for n in nodes)


def margins(sums: Sums, ref: Ref, now: datetime | None = None) -> Iterator[Margin]:
    """Every limit that bounds `ref`; measurements count while they are fresh at `now`.

    Raises:
        BadInput: things of that kind carry nothing.
    """
    found = _BY_KIND.get(ref.kind)
    if found is None:
        raise BadInput(f"a {ref.kind} has no headroom; ask for one of {', '.join(sorted(_BY_KIND))}")
    return found(View(sums, Meter(sums.snapshot, now), now), ref)


def _rack(view: View, ref: Ref) -> Iterator[Margin]:
    snapshot, name = view.sums.snapshot, RackId(ref.id)
    rack = snapshot.facts.rack.get(name)
    drawn = view.meter.racks([name] if rack is not None else [])
    if rack is not None:
        yield _power(ref, "signed budget", rack.power_budget_watts, drawn)
        yield from _promised(view, ref, rack.power_budget_watts, drawn, [name])
        yield _devices(ref, view.sums.racks[name], view.idle(rack.nodes))
    space = snapshot.stock.get(ref)
    if isinstance(space, RackSpace):
        yield from (m for pdu in space.pdus for m in _part(view, Ref("pdu", pdu)))
        if space.cooling:
            offered = sum(c.watts for c in space.cooling)
            yield _power(ref, "heat that leaves the rack, of what it draws", offered, drawn, Good.COOLING)
        yield from (m for cdu in space.cdus for m in _part(view, Ref("cdu", cdu)))
        yield from (m for leaf in space.leaves for m in _switch(view, Ref("switch", leaf)))


def _site(view: View, ref: Ref) -> Iterator[Margin]:
    snapshot, site = view.sums.snapshot, SiteId(ref.id)
    use, plan = view.sums.site(site), snapshot.stock.get(ref)
    racks = [snapshot.facts.rack[r] for r in snapshot.facts.racks_at.get(site, ())]
    drawn = view.meter.racks(r.id for r in racks)
    if isinstance(plan, SitePlan) and plan.power_watts is not None:
        yield _power(ref, "grid connection", plan.power_watts, drawn)
    budgets = sum(r.power_budget_watts for r in racks)
    yield _power(ref, "sum of the racks' signed budgets", budgets, drawn)
    yield from _promised(view, ref, budgets, drawn, [r.id for r in racks])
    loops = [loop for loop in snapshot.stock.all("loop") if isinstance(loop, Loop) and loop.site == site]
    if loops:
        yield _margin(
            Good.COOLING,
            ref,
            "its cooling loops",
            sum(c.capacity_watts for c in loops),
            _known(c.carried_watts for c in loops),
        )
    yield _devices(ref, use, view.idle(n for r in racks for n in r.nodes))
    yield from _links(snapshot, ref)


def _tenant(view: View, ref: Ref) -> Iterator[Margin]:
    sums = view.sums
    facts, name = sums.snapshot.facts, TenantId(ref.id)
    tenant = facts.tenant.get(name)
    own = facts.tenants_below.get(name, frozenset())
    for quota in tenant.quotas if tenant is not None else ():
        used = [u for r, u in sums.racks.items() if quota.site in (None, facts.rack[r].site)]
        held = sum(u.tenants[t] for u in used for t in own if t in u.tenants)
        scope = " ".join(("signed quota", f"at {quota.site}" if quota.site else "", quota.model)).strip()
        if quota.accelerators is not None:
            known = None if quota.model else held
            yield _margin(Good.ACCELERATORS, ref, scope, quota.accelerators // 1000, known)
        if quota.watts is not None:
            drawn = sum(u.tenant_watts[t] for u in used for t in own if t in u.tenant_watts)
            yield _power(ref, scope, quota.watts, Drawn(drawn, Rest.STATED))


def _part(view: View, ref: Ref) -> Iterator[Margin]:
    """A part that carries electricity or heat, and for a feed the racks that the law hangs on it."""
    snapshot = view.sums.snapshot
    part = snapshot.stock.get(ref)
    if isinstance(part, PowerPart):
        drawn = view.meter.part(ref, part.drawn_watts)
        if isinstance(part, Pdu) and part.budget_watts is not None:
            yield _power(ref, "budget", part.budget_watts, drawn)
        yield _power(ref, f"capacity, {part.state.value}", part.capacity_watts, drawn)
    if isinstance(part, Feed):
        below = view.meter.racks(snapshot.facts.racks_on_feed.get(part.id, ()))
        yield _power(ref, "capacity, of what its racks draw", part.capacity_watts, below)
    if isinstance(part, (Cdu, Loop)):
        yield _margin(Good.COOLING, ref, f"capacity, {part.state.value}", part.capacity_watts, part.carried_watts)


def _switch(view: View, ref: Ref) -> Iterator[Margin]:
    yield from _links(view.sums.snapshot, ref)


def _link(view: View, ref: Ref) -> Iterator[Margin]:
    link = view.sums.snapshot.stock.get(ref)
    if isinstance(link, Link):
        yield _bandwidth(ref, f"link, {link.state.value}", [link])


def _links(snapshot: Snapshot, ref: Ref) -> Iterator[Margin]:
    """The links that end at a thing, by fabric: two fabrics are never one number."""
    fabrics: dict[str, list[Link]] = {}
    for name in snapshot.stock.naming(ref):
        link = snapshot.stock.get(name)
        if isinstance(link, Link):
            fabrics.setdefault(link.fabric, []).append(link)
    for fabric, links in fabrics.items():
        working = [one for one in links if one.state is not LinkState.DOWN]
        yield _bandwidth(ref, f"{len(working)} of {len(links)} links of {fabric} that are not down", working)


def _bandwidth(ref: Ref, basis: str, links: Iterable[Link]) -> Margin:
    found = list(links)
    used = _known(max(one.used, one.used_back or 0) if one.used is not None else None for one in found)
    return _margin(Good.BANDWIDTH, ref, basis, sum(one.capacity for one in found), used)


def _promised(view: View, ref: Ref, limit: int, drawn: Drawn, racks: Iterable[RackId]) -> Iterator[Margin]:
    """The same limit once whoever reserved something there draws what they may, where somebody did."""
    undrawn = reserving.undrawn_watts(view.sums.snapshot, reserving.every(view.sums.snapshot))
    more = sum(undrawn.get(r, 0) for r in racks)
    if more:
        whole = replace(drawn, watts=None if drawn.watts is None else drawn.watts + more)
        yield _power(ref, "signed budgets, with what is reserved", limit, whole)


def _devices(ref: Ref, use: Use, reserved: int) -> Margin:
    basis = f"{use.failed} not healthy, {use.accelerators - use.taken - use.free - use.failed} on closed nodes"
    basis += f", {reserved} kept free for whoever reserved them" if reserved else ""
    return Margin(
        good=Good.ACCELERATORS,
        unit=UNITS[Good.ACCELERATORS],
        of=ref,
        basis=basis,
        limit=use.accelerators,
        used=use.taken,
        left=use.free - reserved,
    )


def _margin(good: Good, ref: Ref, basis: str, limit: int, used: int | None) -> Margin:
    left = None if used is None else limit - used
    return Margin(good=good, unit=UNITS[good], of=ref, basis=basis, limit=limit, used=used, left=left)


def _power(ref: Ref, basis: str, limit: int, drawn: Drawn, good: Good = Good.POWER) -> Margin:
    return _margin(good, ref, basis, limit, drawn.watts).model_copy(update={"rests_on": drawn.rests_on})


def _known(values: Iterable[int | None]) -> int | None:
    """Their sum; None as soon as one is not known."""
    found = list(values)
    return None if None in found else sum(v for v in found if v is not None)


_BY_KIND: Final[Mapping[str, Callable[[View, Ref], Iterator[Margin]]]] = {
    "rack": _rack,
    "site": _site,
    "tenant": _tenant,
    "switch": _switch,
    "link": _link,
    **dict.fromkeys((*POWERED, "cdu", "loop"), _part),
}

KINDS: Final = frozenset(_BY_KIND)
"""What has headroom."""
