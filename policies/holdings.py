"""What tenants hold at each site of each accelerator model: devices, and what their replicas are stated to draw.

Called by `quotas` for those of one site or model; what a whole tenant holds the estate keeps itself. Kept from one
snapshot to the next, so that a decision costs the nodes that changed since the last one, and only the first a scan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

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
    places: Holdings


_KEPT: Final = 4
"""Snapshots from which to go on: what is supposed of an estate and the estate itself are asked of in turn."""


@dataclass(slots=True)
class Keeper:
    """The holdings of a snapshot, from those of one that was asked of before. Threads may share it: what it knows is
    exchanged as a whole, and at worst counted twice.
    """

    _known: tuple[_Known, ...] = ()

    def of(self, snapshot: Snapshot) -> Holdings:
        """All that is held in a snapshot that others may follow."""
        return self._reached(snapshot).places

    def beyond(self, snapshot: Snapshot, *others: Snapshot) -> tuple[Holdings, ...]:
        """The holdings of what is supposed to come of `snapshot`, without keeping them."""
        known = self._reached(snapshot)
        return tuple((_after(known, other) or _counted(other)).places for other in others)

    def _reached(self, snapshot: Snapshot) -> _Known:
        known = self._known
        found = next((k for k in reversed(known) if k.snapshot is snapshot), None)
        if found is None:
            found = next((k for old in reversed(known) if (k := _after(old, snapshot)) is not None), None)
        found = found or _counted(snapshot)
        self._known = (*(k for k in known if k.snapshot is not snapshot), found)[-_KEPT:]
        return found


def _after(known: _Known, snapshot: Snapshot) -> _Known | None:
    """None where it is not known what differs."""
    touched = snapshot.touched_since(known.snapshot)
    if touched is None or known.facts != snapshot.facts.facts_digest:
        return None
    whole = known.whole.copy()
    for node in touched:
        whole.subtract(_on(known.snapshot, node))
        whole.update(_on(snapshot, node))
    return _known(snapshot, whole)


def _counted(snapshot: Snapshot) -> _Known:
    whole: Counter[tuple[Place, bool]] = Counter()
    nodes = {b.node for workload in snapshot.workloads() for b in workload.bindings}
    for node in nodes:
        whole.update(_on(snapshot, node))
    return _known(snapshot, whole)


def _known(snapshot: Snapshot, whole: Counter[tuple[Place, bool]]) -> _Known:
    return _Known(snapshot, Digest(snapshot.facts.facts_digest), whole, _holdings(whole))


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
