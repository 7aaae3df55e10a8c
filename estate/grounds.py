"""What an estate may stand on: a frozen whole to which `FrozenEstate` adds what is otherwise.

Called by `estate.frozen` alone; the inventory's columns are the one implementation. A ground knows no version, and of
the facts only where they place nodes: whoever stands on it knows both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from estate.hardware import Node
from estate.ids import ClusterId, GangId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.readings import Reading
from estate.references import Ref
from estate.tallies import Tally
from estate.things import AcceleratorRef
from estate.units import Watts
from estate.workloads import Workload


class Ground(Protocol):
    """See `estate.snapshots.Snapshot` for what each method answers."""

    def node(self, node: NodeId) -> Node | None:
        """The node, or None."""

    def workload(self, workload: WorkloadId) -> Workload | None:
        """The workload, or None."""

    def nodes(self) -> Iterable[Node]:
        """Every node, by id."""

    def workloads(self) -> Iterable[Workload]:
        """Every workload, by id."""

    def residents(self, node: NodeId) -> frozenset[WorkloadId] | None:
        """The workloads with a replica on `node`; None where there are none."""

    def gang(self, gang: GangId) -> frozenset[WorkloadId] | None:
        """The workloads with a replica in that gang; None where there are none."""

    def taken(self, node: NodeId) -> frozenset[int]:
        """The accelerator indexes of `node` that some replica holds."""

    def node_watts(self, node: NodeId) -> Watts:
        """What the node draws."""

    def rack_watts(self, rack: RackId) -> int:
        """What the rack draws."""

    def site_watts(self, site: SiteId) -> int:
        """What the site draws."""

    def tenant_devices(self, tenant: TenantId) -> int:
        """How many accelerators the tenant's replicas hold."""

    def tenant_watts(self, tenant: TenantId) -> int:
        """What the tenant's replicas are stated to draw."""

    def fenced_in(self, rack: RackId) -> int:
        """How many nodes of the rack are fenced."""

    def fenced_at(self, site: SiteId) -> int:
        """How many nodes of the site are fenced."""

    def tally(self) -> Tally:
        """The sums that belong to no rack and no site: those of what is on top begin there."""

    def touched_since(self, earlier: Ground) -> frozenset[NodeId] | None:
        """The nodes that may differ from `earlier`; None when that is not known."""

    def named(self, name: tuple[ClusterId, str]) -> NodeId | None:
        """The node that the cluster calls so."""

    def holding(self, ref: Ref) -> frozenset[NodeId] | None:
        """The nodes with a device in that NVLink domain, or a port on that switch; None where there are none."""

    def accelerator(self, uuid: str) -> AcceleratorRef | None:
        """The device with this UUID."""

    def measured(self, uuid: str) -> tuple[Reading, ...]:
        """What was measured of the device with this UUID."""

    def told_at(self, ref: Ref) -> datetime | None:
        """When that node or workload was told last."""

    def workload_named(self, name: tuple[ClusterId, str, str]) -> WorkloadId | None:
        """The workload of that name in that namespace of that cluster."""
