"""What racks, sites and tenants use, kept from one snapshot to the next: only touched racks are summed anew.

Called by the door and the catalogue. The first question about an estate scans it once; every later one costs what has
changed since. Law that changes begins again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from estate.hardware import Health, Node
from estate.ids import NodeId, RackId, SiteId, TenantId
from estate.machines import LinkState
from estate.snapshots import Snapshot


@dataclass(slots=True)
class Use:
    """What some nodes add up to. Devices in numbers, power in watts."""

    nodes: int = 0
    fenced: int = 0
    unhealthy: int = 0
    accelerators: int = 0
    taken: int = 0
    free: int = 0
    """Healthy, untaken, on a node that may receive work."""
    failed: int = 0
    watts: int = 0
    links_down: int = 0
    """Ports of machines that carry nothing."""
    tenants: Counter[TenantId] = field(default_factory=Counter)
    """The devices that each tenant holds; a tenant with work and no device is there with zero."""
    tenant_watts: Counter[TenantId] = field(default_factory=Counter)
    """What the tenants' work is stated to draw."""

    def add(self, other: Use) -> None:
        """Count another's too."""
        for name in ("nodes", "fenced", "unhealthy", "accelerators", "taken", "free", "failed", "watts", "links_down"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.tenants, other.tenants), (self.tenant_watts, other.tenant_watts)):
            for tenant, count in theirs.items():
                mine[tenant] += count

    @property
    def permille(self) -> int:
        """Which share of the devices is taken."""
        return 1000 * self.taken // self.accelerators if self.accelerators else 0


def of_node(snapshot: Snapshot, node: Node) -> Use:
    """What one node adds."""
    taken = snapshot.taken(node.id)
    opened = not node.fenced and node.health is Health.HEALTHY
    sound = [a for a in node.accelerators if a.health is Health.HEALTHY]
    use = Use(
        nodes=1,
        fenced=int(node.fenced),
        unhealthy=int(node.health is not Health.HEALTHY),
        accelerators=len(node.accelerators),
        taken=sum(1 for a in node.accelerators if a.index in taken),
        free=sum(1 for a in sound if a.index not in taken) if opened else 0,
        failed=len(node.accelerators) - len(sound),
        watts=int(snapshot.node_watts(node.id)),
        links_down=sum(nic.state is LinkState.DOWN for nic in node.nics),
    )
    for workload in snapshot.workloads_on(node.id):
        held = sum(len(b.accelerators) for b in workload.on(node.id))
        use.tenants[workload.tenant] += held
        use.tenant_watts[workload.tenant] += held * workload.watts_per_accelerator
    return use


def total(uses: Iterable[Use]) -> Use:
    """All of them together."""
    whole = Use()
    for use in uses:
        whole.add(use)
    return whole


class Load(NamedTuple):
    """What one node carries: enough to rank a fleet by."""

    taken: int
    accelerators: int
    watts: int


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one snapshot."""

    snapshot: Snapshot
    racks: Mapping[RackId, Use]
    strays: Mapping[NodeId, Use]
    """Nodes that no fact places, by id."""
    loads: Mapping[NodeId, Load]
    """Every node."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> Sums:
        """By one scan."""
        racks: dict[RackId, Use] = {rack.id: Use() for rack in snapshot.facts.racks}
        strays: dict[NodeId, Use] = {}
        loads: dict[NodeId, Load] = {}
        for node in snapshot.nodes():
            rack, use = snapshot.rack_of(node.id), of_node(snapshot, node)
            loads[node.id] = Load(use.taken, use.accelerators, use.watts)
            if rack is None:
                strays[node.id] = use
            else:
                racks[rack].add(use)
        return cls(snapshot, racks, strays, loads)

    def site(self, site: SiteId) -> Use:
        """What a site adds up to."""
        return total(self.racks[rack] for rack in self.snapshot.facts.racks_at.get(site, ()))

    def tenant_racks(self, tenants: frozenset[TenantId]) -> frozenset[RackId]:
        """The racks in which these tenants have work."""
        return frozenset(r for r, use in self.racks.items() if not tenants.isdisjoint(use.tenants))

    def moved(self, snapshot: Snapshot) -> Sums:
        """The sums of a later snapshot, at the cost of what changed."""
        if snapshot is self.snapshot:
            return self
        touched = snapshot.touched_since(self.snapshot) if snapshot.facts is self.snapshot.facts else None
        if touched is None:
            return Sums.of(snapshot)
        racks, strays, loads = dict(self.racks), dict(self.strays), dict(self.loads)
        for rack in {r for n in touched if (r := snapshot.rack_of(n)) is not None}:
            racks[rack] = total(of_node(snapshot, n) for n in snapshot.nodes_in(rack))
        for name in touched:
            strays.pop(name, None)
            loads.pop(name, None)
            if (node := snapshot.node(name)) is not None:
                use = of_node(snapshot, node)
                loads[name] = Load(use.taken, use.accelerators, use.watts)
                if snapshot.rack_of(name) is None:
                    strays[name] = use
        return Sums(snapshot, racks, strays, loads)


class Keeper:
    """Keeps the newest sums of one line of snapshots. Any thread may ask; the worst is a scan too many."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: Sums | None = None

    def of(self, snapshot: Snapshot) -> Sums:
        """The sums of this snapshot."""
        self._last = Sums.of(snapshot) if self._last is None else self._last.moved(snapshot)
        return self._last
