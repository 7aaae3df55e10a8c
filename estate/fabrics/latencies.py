"""How long the way is from a site to those who use what runs there, over the lines that are known. Pure.

Lines are the links of fabrics between sites and towards users; an end may be a region where no site is. A line that is
down, or whose latency nobody states, leads nowhere.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping

from estate.fabrics.links import Fabric, FabricSort, Link
from estate.facilities.places import SitePlan
from estate.machines import LinkState
from estate.references import Ref
from estate.snapshots import Snapshot

_SORTS = (FabricSort.WAN, FabricSort.EDGE)
_CARRIES = (LinkState.UP, LinkState.DEGRADED)
type Lines = Mapping[Ref, Iterable[tuple[Ref, int]]]


def lines(snapshot: Snapshot) -> Lines:
    """The lines at each end, with their milliseconds."""
    found: dict[Ref, list[tuple[Ref, int]]] = defaultdict(list)
    for link in snapshot.stock.all("link"):
        if not isinstance(link, Link) or link.latency is None or link.state not in _CARRIES:
            continue
        fabric = snapshot.stock.get(Ref("fabric", link.fabric))
        if isinstance(fabric, Fabric) and fabric.sort in _SORTS:
            one, other = (end.of for end in link.ends)
            found[one].append((other, link.latency))
            found[other].append((one, link.latency))
    return found


def reached(known: Lines, start: Ref) -> dict[Ref, int]:
    """The milliseconds to everything that can be reached from there (Dijkstra's algorithm)."""
    found: dict[Ref, int] = {}
    waiting: list[tuple[int, Ref]] = [(0, start)]
    while waiting:
        far, here = heapq.heappop(waiting)
        if here not in found:
            found[here] = far
            for end, more in known.get(here, ()):
                heapq.heappush(waiting, (far + more, end))
    return found


def to_users(snapshot: Snapshot, from_there: Mapping[Ref, int], users: str) -> int | None:
    """Milliseconds to users at a site, or in a region: as stated for it, else to the farthest of its sites."""
    region, site = Ref("region", users), Ref("site", users)
    if region in from_there or site in from_there:
        return min(from_there[r] for r in (region, site) if r in from_there)
    here = [s.ref for s in snapshot.stock.all("site") if isinstance(s, SitePlan) and s.region == users]
    if not here or not all(s in from_there for s in here):
        return None
    return max(from_there[s] for s in here)
