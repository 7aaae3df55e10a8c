"""Sums over an estate that are kept current with every change, so that no decision and no rehearsal scans it.

Called by `estate.frozen` alone. What a node adds is its `Share`; a tally gives up the share before a change and takes
the one after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from immutables import Map

from estate.ids import RackId, SiteId, TenantId
from estate.workloads import Workload


@dataclass(frozen=True, slots=True)
class Share:
    """What one node adds to the sums."""

    rack: RackId | None
    site: SiteId | None
    watts: int
    fenced: bool
    open: bool
    """Whether it may receive work."""
    free: int
    """Healthy accelerators that no replica holds."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums of one estate."""

    rack_watts: Map[RackId, int] = field(default_factory=Map)
    rack_fenced: Map[RackId, int] = field(default_factory=Map)
    site_watts: Map[SiteId, int] = field(default_factory=Map)
    site_fenced: Map[SiteId, int] = field(default_factory=Map)
    tenant_devices: Map[TenantId, int] = field(default_factory=Map)
    """Accelerators that replicas hold."""
    tenant_watts: Map[TenantId, int] = field(default_factory=Map)
    """What replicas are stated to draw."""
    open_nodes: Map[int, int] = field(default_factory=Map)
    """How many open nodes have that many free accelerators."""
    closed_free: int = 0
    """Free accelerators of nodes that may receive no work."""
    asks: Map[int, int] = field(default_factory=Map)
    """How many workloads ask for that many accelerators a replica."""

    @property
    def stranded(self) -> int:
        """Free accelerators of closed nodes, and of open ones with fewer than the smallest replica asks for."""
        smallest = min(self.asks, default=0)
        fragments = sum(free * count for free, count in self.open_nodes.items() if free < smallest)
        return self.closed_free + fragments

    def exchanged(self, before: Share | None, after: Share | None) -> Tally:
        """The sums once a node's share went from `before` to `after` (None: the node is not there)."""
        if before == after:
            return self
        if before is not None and after is not None and before.rack == after.rack and before.site == after.site:
            return self._restated(before, after)
        given_up = self if before is None else self._with(before, -1)
        return given_up if after is None else given_up._with(after, 1)

    def asked(self, before: Workload | None, after: Workload | None) -> Tally:
        """The sums once a workload went from `before` to `after`."""
        if before is not None and after is not None and _asks_alike(before, after):
            return self
        asks, devices, watts = self.asks, self.tenant_devices, self.tenant_watts
        for workload, sign in ((before, -1), (after, 1)):
            if workload is None:
                continue
            held = _held(workload)
            devices = _added(devices, workload.tenant, sign * held)
            watts = _added(watts, workload.tenant, sign * held * workload.watts_per_accelerator)
            if workload.replicas and workload.contract.accelerators_per_replica:
                asks = _added(asks, workload.contract.accelerators_per_replica, sign)
        return replace(self, asks=asks, tenant_devices=devices, tenant_watts=watts)

    def _restated(self, before: Share, after: Share) -> Tally:
        """The sums once a node that stays in its place went from one share to another."""
        watts, fenced = after.watts - before.watts, int(after.fenced) - int(before.fenced)
        opened, closed = self.open_nodes, self.closed_free
        for share, sign in ((before, -1), (after, 1)):
            opened = _added(opened, share.free, sign) if share.open else opened
            closed += 0 if share.open else sign * share.free
        return replace(
            self,
            rack_watts=_added(self.rack_watts, after.rack, watts),
            rack_fenced=_added(self.rack_fenced, after.rack, fenced),
            site_watts=_added(self.site_watts, after.site, watts),
            site_fenced=_added(self.site_fenced, after.site, fenced),
            open_nodes=opened,
            closed_free=closed,
        )

    def _with(self, share: Share, sign: int) -> Tally:
        fenced = sign if share.fenced else 0
        return replace(
            self,
            rack_watts=_added(self.rack_watts, share.rack, sign * share.watts),
            rack_fenced=_added(self.rack_fenced, share.rack, fenced),
            site_watts=_added(self.site_watts, share.site, sign * share.watts),
            site_fenced=_added(self.site_fenced, share.site, fenced),
            open_nodes=_added(self.open_nodes, share.free, sign) if share.open else self.open_nodes,
            closed_free=self.closed_free + (0 if share.open else sign * share.free),
        )


def _asks_alike(one: Workload, other: Workload) -> bool:
    """Whether two states of a workload add the same: as when replicas move."""
    same = one.tenant == other.tenant and one.watts_per_accelerator == other.watts_per_accelerator
    asking = bool(one.replicas) == bool(other.replicas) and one.contract is other.contract
    return same and asking and _held(one) == _held(other)


def _held(workload: Workload) -> int:
    return sum(len(b.accelerators) for b in workload.bindings)


def _added[Key: (RackId, SiteId, TenantId, int)](sums: Map[Key, int], key: Key | None, amount: int) -> Map[Key, int]:
    """`sums` with `amount` more under `key`; what is zero has no entry."""
    if key is None or not amount:
        return sums
    total = sums.get(key, 0) + amount
    return sums.set(key, total) if total else sums.delete(key)
