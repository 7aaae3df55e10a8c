"""What would be lawful instead: the placement engine asked site by site, for people whose wish was forbidden. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from estate.changes import Change, CopyWorkload, MoveWorkload
from estate.ids import RackId, SiteId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.port import Ask, Engine

_RACKS_SAID = 4


def lawful(changes: Iterable[Change], snapshot: Snapshot, engine: Engine, *, racks: bool = True) -> tuple[str, ...]:
    """One line for each workload that was to move: the sites, and `racks`, where it may be and fits today."""
    names = dict.fromkeys(c.workload for c in changes if isinstance(c, MoveWorkload | CopyWorkload))
    found = (snapshot.workload(n) for n in names)
    return tuple(_line(w, snapshot, engine, racks=racks) for w in found if w is not None)


def _line(workload: Workload, snapshot: Snapshot, engine: Engine, *, racks: bool) -> str:
    sites = [s for s in sorted(snapshot.facts.site) if _fits(workload, s, None, snapshot, engine)]
    places = [_at(workload, s, snapshot, engine) for s in sites] if racks else sites
    if not places:
        return f"lawful for {workload.id}: nowhere with room today; it stays where it is"
    return f"lawful for {workload.id}: {'; '.join(places)}"


def _at(workload: Workload, site: SiteId, snapshot: Snapshot, engine: Engine) -> str:
    racks = sorted(r.id for r in snapshot.facts.racks if r.site == site)
    roomy = [r for r in racks if _fits(workload, site, r, snapshot, engine)]
    return f"{site} (racks with room: {', '.join(roomy[:_RACKS_SAID]) or 'only spread over several'})"


def _fits(workload: Workload, site: SiteId, rack: RackId | None, snapshot: Snapshot, engine: Engine) -> bool:
    elsewhere = [r for r in snapshot.facts.racks if rack is not None and r.site == site and r.id != rack]
    avoid = frozenset(n for r in elsewhere for n in r.nodes)
    replicas = tuple(range(workload.replicas))
    ask = Ask(workload=workload.id, replicas=replicas, sites=(site,), avoid=avoid)
    return engine.seats(snapshot, ask) is not None
