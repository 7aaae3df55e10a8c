"""What a proposal weighs on, as requests to the law: racks, sites, feeds, leaf switches, supplies and quotas. Pure.

Called by `context`. Each costs what the play touches: sums over racks, sites and tenants are kept by the estate, what
was decided of late is kept by the gate, and groups and supplies are asked of only where the estate or the house bounds
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from estate import reserving
from estate.canonical import Json
from estate.ids import NodeId, RackId, ReservationId
from estate.snapshots import Snapshot
from estate.units import PerMille
from policies import domains, quotas, spans, supplies
from policies.asks import Ask, Context, names
from policies.domains import Domain, Sort
from policies.holdings import Held, Holdings
from policies.playing import Play
from policies.questions import Question
from policies.quotas import Bound

UNBOUNDED: Final = 10**12
"""The most of what nobody bounds."""


def asks(question: Question, play: Play, who: Context) -> Iterator[Ask]:
    """Every level that the play raises or lowers."""
    yield from _racks(question, play, who)
    fenced = tuple(n for n in play.footprint.nodes if _fences(play, n))
    yield from _sites(question, play, who, fenced)
    yield from _groups(question, play, who, fenced)
    yield from _supplies(question, play, who)
    yield from _quotas(question, play, who)
    yield from _companies(play, who, question)


def rate(question: Question, play: Play) -> Context:
    """How often what is disturbed was disturbed within the window, of the domain that is nearest to its most."""
    return _load(question.standing.recent, play, lambda d: _most_changes(question, play, d))


def at_once(question: Question, play: Play) -> Context:
    """How much is changed at one time, likewise."""
    profile = question.bundle.profile
    return _load(question.standing.at_once, play, lambda d: profile.breaker(d[0]).at_once)


def _load(counted: Mapping[Domain, int], play: Play, most: Callable[[Domain], int | None]) -> Context:
    changes, limit, beyond = 0, UNBOUNDED, []
    for domain, asked in play.disturbed.items():
        bound = most(domain)
        if bound is None:
            continue
        found = counted.get(domain, 0) + asked
        if found > bound:
            beyond.append(f"{found} at {domain[0].value} {domain[1]}, where {bound} are the most")
        if found - bound > changes - limit:
            changes, limit = found, bound
    return {"changes": changes, "most": limit, "beyond": names(beyond)}


def _most_changes(question: Question, play: Play, domain: Domain) -> int | None:
    breaker = question.bundle.profile.breaker(domain[0])
    if breaker.changes is None or breaker.share is None:
        return breaker.changes
    return max(breaker.changes, _part(domains.size(domain, play.base) or 0, breaker.share))


def _racks(question: Question, play: Play, who: Context) -> Iterator[Ask]:
    profile = question.bundle.profile
    kept = profile.reserves
    for rack in play.racks:
        known = play.base.facts.rack[rack]
        before, after = supplies.drawn(play, rack)
        fenced = play.base.fenced_in(rack), play.after.fenced_in(rack)
        if before == after and fenced[0] == fenced[1]:
            continue
        cooled = supplies.cooled(play.base, rack)
        context: Context = {
            "who": who,
            "lifted": question.lifted(f"rack/{rack}"),
            "wattsBefore": before,
            "wattsAfter": after,
            "wattsBudget": kept.left(known.power_budget_watts),
            "reserved": names(r.id for r in reserving.in_rack(play.after, rack)),
            "nodes": len(known.nodes),
            **_fenced(fenced, len(known.nodes), profile.breaker(Sort.RACK).fenced),
            **({} if cooled is None else {"wattsCooled": kept.left(cooled, cooling=True)}),
        }
        yield Ask("AffectRack", "Rack", rack, context)


def _sites(question: Question, play: Play, who: Context, fenced: tuple[NodeId, ...]) -> Iterator[Ask]:
    """How much of each site is fenced, where the play fences a node."""
    for site in sorted({s for n in fenced if (s := play.base.site_of(n)) is not None}):
        levels = play.base.fenced_at(site), play.after.fenced_at(site)
        yield _level(question, play, who, "AffectSite", (Sort.SITE, site), levels)


def _groups(question: Question, play: Play, who: Context, fenced: tuple[NodeId, ...]) -> Iterator[Ask]:
    """The same of feeds, leaf switches and NVLink domains that the house bounds, each over its own racks or nodes."""
    racks = [play.base.facts.rack[r] for n in fenced if (r := play.base.rack_of(n)) is not None]
    found: set[Domain] = {(Sort.POWER_FEED, r.power_feed) for r in racks if r.power_feed}
    found |= {(Sort.LEAF_SWITCH, r.leaf_switch) for r in racks if r.leaf_switch}
    for domain in sorted(found):
        if question.bundle.profile.breaker(domain[0]).fenced is not None:
            below = domains.racks(domain, play.base)
            levels = sum(play.base.fenced_in(r) for r in below), sum(play.after.fenced_in(r) for r in below)
            yield _level(question, play, who, "AffectGroup", domain, levels)
    if question.bundle.profile.breaker(Sort.NVLINK_DOMAIN).fenced is not None:
        yield from _linked(question, play, who, fenced)


def _linked(question: Question, play: Play, who: Context, fenced: tuple[NodeId, ...]) -> Iterator[Ask]:
    """Of NVLink domains: the nodes with a device in one, wherever they stand."""
    nodes = (n for name in fenced if (n := play.base.node(name)) is not None)
    for name in sorted({a.nvlink_domain for n in nodes for a in n.accelerators if a.nvlink_domain}):
        domain = (Sort.NVLINK_DOMAIN, name)
        inside = domains.linked(name, play.base)
        levels = tuple(sum(1 for n in inside if (f := s.node(n)) and f.fenced) for s in (play.base, play.after))
        yield _level(question, play, who, "AffectGroup", domain, (levels[0], levels[1]))


def _level(question: Question, play: Play, who: Context, action: str, domain: Domain, levels: tuple[int, int]) -> Ask:
    sort, name = domain
    kind, about = ("Site", name) if sort is Sort.SITE else ("Group", f"{sort.value}/{name}")
    nodes = domains.size(domain, play.base) or 0
    context: Context = {
        "who": who,
        "lifted": question.lifted(f"site/{name}" if kind == "Site" else about),
        "nodes": nodes,
        **_fenced(levels, nodes, question.bundle.profile.breaker(sort).fenced),
    }
    return Ask(action, kind, about, context)


def _fenced(levels: tuple[int, int], nodes: int, share: PerMille | None) -> Mapping[str, Json]:
    most = nodes if share is None else max(1, _part(nodes, share))  # the first failure of a small site is contained
    return {"fencedBefore": levels[0], "fencedAfter": levels[1], "fencedMost": most}


def _fences(play: Play, node: NodeId) -> bool:
    was, now = play.base.node(node), play.after.node(node)
    return now is not None and now.fenced and not (was is not None and was.fenced)


def _supplies(question: Question, play: Play, who: Context) -> Iterator[Ask]:
    kept = question.bundle.profile.reserves
    for supply in supplies.supplies(play):
        about = f"{supply.ref.kind}/{supply.ref.id}"
        context: Context = {
            "who": who,
            "lifted": question.lifted(about),
            "cooling": supply.cooling,
            "wattsBefore": supply.before,
            "wattsAfter": supply.after,
            "wattsMost": kept.left(supply.most, cooling=supply.cooling),
            "reserved": names(_reserved_on(play.after, supply.racks)),
        }
        yield Ask("AffectSupply", "Supply", about, context)


def _reserved_on(snapshot: Snapshot, racks: frozenset[RackId]) -> Iterator[ReservationId]:
    for reserved in reserving.every(snapshot):
        if any(snapshot.rack_of(s.node) in racks for s in reserved.terms.seats):
            yield reserved.id


def _companies(play: Play, who: Context, question: Question) -> Iterator[Ask]:
    """How each workload's replicas stand to each other in the end, where its contract says how they should."""
    for name in play.footprint.workloads:
        was, stands = play.base.workload(name), play.after.workload(name)
        if stands is None or (stands.contract.together is None and stands.contract.spread is None):
            continue
        context: Context = {
            "who": who,
            "lifted": question.lifted(f"workload/{name}"),
            "strayedBefore": spans.strayed(play.base, was) if was is not None else 0,
            "strayed": spans.strayed(play.after, stands),
            "crowdedBefore": spans.crowded(play.base, was) if was is not None else 0,
            "crowded": spans.crowded(play.after, stands),
            "together": stands.contract.together or "",
            "spread": stands.contract.spread or "",
        }
        yield Ask("AffectWorkload", "Workload", name, context, stands.tenant)


def _quotas(question: Question, play: Play, who: Context) -> Iterator[Ask]:
    """Each quota, and each ceiling of the house, of a tenant whose work the play changes and of those above it."""
    counting = _Counting(question, play)
    for bound in quotas.bounds(play.base.facts, play.footprint.tenants, question.bundle.profile.ceilings):
        ask = _quota(question, counting, who, bound)
        if ask is not None:
            yield ask


@dataclass
class _Counting:
    """What is used of quotas before the play and after it; by site and model only where a quota asks for that."""

    question: Question
    play: Play

    @cached_property
    def _places(self) -> tuple[Holdings, ...]:
        return self.question.holdings.beyond(self.question.snapshot, self.play.base, self.play.after)

    def used(self, bound: Bound) -> tuple[Held, Held]:
        """By the tenant and all below it."""
        base, after = self.play.base, self.play.after
        before = quotas.used(base, bound, lambda: self._places[0])
        return before, quotas.used(after, bound, lambda: self._places[1])

    def reserved(self, bound: Bound) -> tuple[ReservationId, ...]:
        """What they may still claim of it by reservations."""
        own = self.play.base.facts.tenants_below[bound.tenant]
        return reserving.unused(self.play.after, own, bound.quota.site, bound.quota.model).by


def _quota(question: Question, counting: _Counting, who: Context, bound: Bound) -> Ask | None:
    before, after = counting.used(bound)
    if before == after:
        return None
    context: Context = {
        "who": who,
        "lifted": question.lifted(f"tenant/{bound.tenant}"),
        "scope": bound.quota.scope,
        "devicesBefore": before.devices,
        "devicesAfter": after.devices,
        "wattsBefore": before.watts,
        "wattsAfter": after.watts,
        "reserved": names(counting.reserved(bound)),
    }
    if bound.devices is not None:
        context["devicesMost"] = bound.devices
    if bound.watts is not None:
        context["wattsMost"] = bound.watts
    return Ask("AffectTenant", "Tenant", bound.tenant, context, bound.tenant)


def _part(nodes: int, share: PerMille) -> int:
    return nodes * share // 1000
