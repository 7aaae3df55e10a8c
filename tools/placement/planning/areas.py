"""Which nodes a goal is about: of a rack, feed, leaf switch or site by signed facts."""

from __future__ import annotations

from collections.abc import Iterable

from estate.errors import BadInput
from estate.ids import NodeId, RackId, SiteId
from estate.snapshots import Snapshot
from tools.placement.planning.plans import AreaKind


def nodes_of(snapshot: Snapshot, kind: AreaKind, name: str) -> frozenset[NodeId]:
    """The nodes of an area. Raises BadInput where no fact, and no node, has that name."""
    facts = snapshot.facts
    match kind:
        case AreaKind.NODE:
            if snapshot.node(NodeId(name)) is None:
                raise BadInput(f"name: no node `{name}`; see `placet get nodes`")
            return frozenset({NodeId(name)})
        case AreaKind.RACK:
            return _racks(snapshot, {r: (r,) for r in facts.rack}.get(RackId(name)), kind, name)
        case AreaKind.FEED:
            return _racks(snapshot, facts.racks_on_feed.get(name), kind, name)
        case AreaKind.LEAF:
            return _racks(snapshot, facts.racks_on_leaf.get(name), kind, name)
        case AreaKind.SITE:
            return at_site(snapshot, SiteId(name), "name")


def at_site(snapshot: Snapshot, site: SiteId, field: str = "site") -> frozenset[NodeId]:
    """The nodes of a site. Raises BadInput where no fact has it."""
    if site not in snapshot.facts.site:
        known = ", ".join(sorted(snapshot.facts.site)[:20])
        raise BadInput(f"{field}: no site `{site}`; there are {known}")
    return _racks(snapshot, snapshot.facts.racks_at.get(site, ()), AreaKind.SITE, site)


def _racks(snapshot: Snapshot, racks: Iterable[RackId] | None, kind: AreaKind, name: str) -> frozenset[NodeId]:
    if racks is None:
        raise BadInput(f"name: no fact names a {kind.value} `{name}`; see `placet get racks`")
    return frozenset(n for r in racks for n in snapshot.facts.rack[r].nodes)
