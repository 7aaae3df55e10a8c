"""What can be lost at once: a node, a rack, a power feed, a leaf switch, a site, a provider, each with its nodes. Pure.

Called by the assurance, by what-if questions and by the CLI. Nothing is found by observation: racks, feeds and leaves
are those of the signed facts. A feed whose 2N partner lives takes nobody with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Final, Literal

from estate.errors import BadInput
from estate.facilities.power import Feed, Redundancy
from estate.ids import NodeId, RackId, SiteId
from estate.itemkinds import State
from estate.law import Facts
from estate.references import Ref
from estate.snapshots import Snapshot


class Sort(StrEnum):
    """A sort of failure domain, by the kind of thing that fails; the smallest first."""

    NODE = "node"
    RACK = "rack"
    LEAF = "switch"
    FEED = "feed"
    SITE = "site"
    PROVIDER = "entity"
    """Whoever operates clusters."""


type Word = Literal["node", "rack", "leaf", "feed", "site", "provider"]
WORDS: Final[Mapping[str, Sort]] = {
    "node": Sort.NODE,
    "rack": Sort.RACK,
    "leaf": Sort.LEAF,
    "switch": Sort.LEAF,
    "feed": Sort.FEED,
    "site": Sort.SITE,
    "provider": Sort.PROVIDER,
    "entity": Sort.PROVIDER,
}
"""What people call them."""
SHARED: Final = tuple(s for s in Sort if s is not Sort.NODE)


def sort_of(word: str) -> Sort:
    """The sort that a person names. Raises BadInput."""
    found = WORDS.get(word)
    if found is None:
        raise BadInput(f"domain: `{word}` is no failure domain; there are node, rack, leaf, feed, site and provider")
    return found


def nodes_in(snapshot: Snapshot, domain: Ref) -> tuple[NodeId, ...]:
    """The nodes that go with it, in order. Raises BadInput for a domain that no fact knows."""
    sort = sort_of(domain.kind)
    if sort is Sort.NODE:
        if snapshot.node(NodeId(domain.id)) is None:
            raise _unknown(domain, ())
        return (NodeId(domain.id),)
    groups = _GROUPS[sort](snapshot.facts)
    if domain.id not in groups:
        raise _unknown(domain, groups)
    return () if sort is Sort.FEED and doubled(snapshot, domain) else groups[domain.id]


def every(snapshot: Snapshot, sorts: Iterable[Sort], nodes: Iterable[NodeId] = ()) -> dict[Ref, tuple[NodeId, ...]]:
    """Every domain of these sorts with its nodes; the nodes themselves are those of `nodes`. The largest first."""
    wanted = set(sorts)
    found: dict[Ref, tuple[NodeId, ...]] = {}
    for sort in reversed([s for s in SHARED if s in wanted]):
        for name, members in _GROUPS[sort](snapshot.facts).items():
            ref = Ref(sort.value, name)
            found[ref] = () if sort is Sort.FEED and doubled(snapshot, ref) else members
    if Sort.NODE in wanted:
        found |= {Ref(Sort.NODE.value, n): (n,) for n in nodes}
    return found


def around(snapshot: Snapshot, nodes: Iterable[NodeId], sorts: Iterable[Sort]) -> set[Ref]:
    """The domains of these sorts that any of these nodes is in."""
    facts, wanted = snapshot.facts, set(sorts)
    found: set[Ref] = set()
    for node in nodes:
        found.add(Ref(Sort.NODE.value, node))
        rack = facts.rack_of.get(node)
        if rack is not None:
            found |= _above(facts, rack)
    return {ref for ref in found if Sort(ref.kind) in wanted}


def _above(facts: Facts, rack: RackId) -> set[Ref]:
    known = facts.rack[rack]
    names: dict[Sort, Sequence[str]] = {
        Sort.RACK: [rack],
        Sort.FEED: [known.power_feed],
        Sort.LEAF: [known.leaf_switch] if known.leaf_switch else [],
        Sort.SITE: [known.site],
        Sort.PROVIDER: [c.operator for c in facts.clusters if c.site == known.site],
    }
    return {Ref(sort.value, name) for sort, found in names.items() for name in found}


def _racked(facts: Facts, racks: Iterable[RackId]) -> tuple[NodeId, ...]:
    return tuple(sorted(chain.from_iterable(facts.rack[r].nodes for r in racks)))


def _operated(facts: Facts) -> dict[str, tuple[NodeId, ...]]:
    """By who operates the clusters of the site: whoever goes takes the site's machines out of reach."""
    sites: dict[str, set[SiteId]] = {}
    for cluster in facts.clusters:
        sites.setdefault(cluster.operator, set()).add(cluster.site)
    return {name: _racked(facts, (r for s in sorted(at) for r in facts.racks_at[s])) for name, at in sites.items()}


_GROUPS: Final[Mapping[Sort, Callable[[Facts], dict[str, tuple[NodeId, ...]]]]] = {
    Sort.RACK: lambda facts: {r.id: tuple(sorted(r.nodes)) for r in facts.racks},
    Sort.FEED: lambda facts: {f: _racked(facts, racks) for f, racks in facts.racks_on_feed.items() if f},
    Sort.LEAF: lambda facts: {f: _racked(facts, racks) for f, racks in facts.racks_on_leaf.items() if f},
    Sort.SITE: lambda facts: {s: _racked(facts, racks) for s, racks in facts.racks_at.items()},
    Sort.PROVIDER: _operated,
}


def doubled(snapshot: Snapshot, domain: Ref) -> bool:
    """Whether another feed takes its load: half of a 2N pair, whose other half lives."""
    feed = snapshot.stock.get(domain)
    if not isinstance(feed, Feed) or feed.redundancy is not Redundancy.TWO_N or feed.partner is None:
        return False
    partner = snapshot.stock.get(Ref("feed", feed.partner))
    return isinstance(partner, Feed) and partner.state is not State.FAILED


def _unknown(domain: Ref, known: Iterable[str]) -> BadInput:
    few = ", ".join(sorted(known)[:12])
    there = f"; there are {few}" if few else f"; see `placet get {domain.kind}s`"
    return BadInput(f"domain: no {domain.kind} `{domain.id}`{there}")
