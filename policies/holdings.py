"""What tenants hold at each site of each accelerator model: devices, and what their replicas are stated to draw.

Called by `levels` for quotas of one site or model; those of a whole tenant the estate keeps itself. Kept from one
snapshot to the next, so that a decision costs the nodes that changed since the last one, and only the first a scan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from estate.ids import Digest, NodeId, SiteId, TenantId
from estate.snapshots import Snapshot
from estate.workloads import Workload


class Place(NamedTuple):
    """Whose devices, where, of which model. No site: no fact says where their node stands."""

    tenant: TenantId
    site: SiteId | None
    model: str


class Held(NamedTuple):
    """What is held there."""

    devices: int = 0
    watts: int = 0


type Holdings = Mapping[Place, Held]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was counted of one snapshot."""

    snapshot: Snapshot
    facts: Digest
    whole: Counter[tuple[Place, bool]]
    """Devices (False) and watts (True)."""


@dataclass(slots=True)
class Keeper:
    """The holdings of a snapshot, from those of the one that was asked of before. One task at a time uses it."""

    _known: _Known | None = field(default=None)

    def of(self, snapshot: Snapshot) -> Holdings:
        """All that is held in a snapshot that others will follow."""
        known = self._known
        if known is None or known.snapshot is not snapshot:
            known = _counted(snapshot) if known is None else _after(known, snapshot)
            self._known = known
        return _holdings(known.whole)

    def beyond(self, snapshot: Snapshot, *others: Snapshot) -> tuple[Holdings, ...]:
        """The holdings of what is supposed to come of `snapshot`, without keeping them."""
        self.of(snapshot)
        assert self._known is not None
        known = self._known
        return tuple(_holdings(_after(known, other).whole) for other in others)


def _after(known: _Known, snapshot: Snapshot) -> _Known:
    touched = snapshot.touched_since(known.snapshot)
    if touched is None or known.facts != snapshot.facts.facts_digest:
        return _counted(snapshot)
    whole = known.whole.copy()
    for node in touched:
        whole.subtract(_on(known.snapshot, node))
        whole.update(_on(snapshot, node))
    return _Known(snapshot, known.facts, whole)


def _counted(snapshot: Snapshot) -> _Known:
    whole: Counter[tuple[Place, bool]] = Counter()
    nodes = {b.node for workload in snapshot.workloads() for b in workload.bindings}
    for node in nodes:
        whole.update(_on(snapshot, node))
    return _Known(snapshot, Digest(snapshot.facts.facts_digest), whole)


def _on(snapshot: Snapshot, node: NodeId) -> Counter[tuple[Place, bool]]:
    """What is held on one node."""
    found: Counter[tuple[Place, bool]] = Counter()
    seen = snapshot.node(node)
    models = {a.index: a.model for a in seen.accelerators} if seen is not None else {}
    site = snapshot.site_of(node)
    for workload, indexes in _replicas(snapshot.workloads_on(node), node):
        for index in indexes:
            place = Place(workload.tenant, site, models.get(index, ""))
            found[place, False] += 1
            found[place, True] += workload.watts_per_accelerator
    return found


def _replicas(workloads: Iterable[Workload], node: NodeId) -> Iterator[tuple[Workload, tuple[int, ...]]]:
    return ((w, b.accelerators) for w in workloads for b in w.on(node))


def _holdings(whole: Counter[tuple[Place, bool]]) -> Holdings:
    places = {place for (place, _), count in whole.items() if count}
    return {p: Held(whole[p, False], whole[p, True]) for p in places}


def held(holdings: Holdings, tenants: Iterable[TenantId], site: SiteId | None, model: str) -> Held:
    """What these tenants hold together at a site (None: anywhere) of a model (empty: of any)."""
    mine = frozenset(tenants)
    parts = [h for p, h in holdings.items() if p.tenant in mine and site in (None, p.site) and model in ("", p.model)]
    return Held(sum(h.devices for h in parts), sum(h.watts for h in parts))
