"""The Snapshot port: a frozen estate that every decision names, and the questions an engine may ask of it.

`FrozenEstate` (in `estate.frozen`) is the implementation on persistent maps; the inventory engine may bring a
columnar one. All are immutable: `with_…` gives a new snapshot that shares what did not change.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, Self

from pydantic import Field

from estate.hardware import Node
from estate.ids import ClusterId, GangId, InstallationId, NodeId, ObjectId, RackId, SiteId, TenantId, WorkloadId
from estate.law import Facts
from estate.objects import Sighting
from estate.readings import Reading
from estate.records import Model
from estate.references import Ref
from estate.stock import Stock
from estate.things import AcceleratorRef
from estate.units import Watts
from estate.workloads import Workload


class SnapshotVersion(Model):
    """Which estate: the installation, the writer's epoch (a fencing token) and the sequence of the delta stream."""

    installation: InstallationId
    epoch: int = Field(ge=0)
    sequence: int = Field(ge=0)

    def __str__(self) -> str:
        return f"{self.installation}/{self.epoch}.{self.sequence}"


class Snapshot(Protocol):
    """A frozen estate. Every answer costs the same however large the estate is, save the two iterators."""

    @property
    def version(self) -> SnapshotVersion:
        """The version that decisions on this snapshot record."""

    @property
    def facts(self) -> Facts:
        """The signed law base in force."""

    @property
    def stock(self) -> Stock:
        """All that is neither law, node nor workload, by kind and id. `estate.neighbours` joins it with these."""

    def node(self, node: NodeId) -> Node | None:
        """The node, or None when it is unknown."""

    def workload(self, workload: WorkloadId) -> Workload | None:
        """The workload, or None when it is unknown."""

    def nodes(self) -> Iterable[Node]:
        """Every node, by id. A scan: for engines that build columns, never per event."""

    def workloads(self) -> Iterable[Workload]:
        """Every workload, by id. A scan, as `nodes`."""

    def workloads_on(self, node: NodeId) -> tuple[Workload, ...]:
        """The workloads with at least one replica on `node`, by id."""

    def in_gang(self, gang: GangId) -> tuple[Workload, ...]:
        """The workloads with members of that gang, by id."""

    def nodes_in(self, rack: RackId) -> tuple[Node, ...]:
        """The observed nodes that facts place in `rack`, by id."""

    def rack_of(self, node: NodeId) -> RackId | None:
        """The rack by signed fact; None when no fact places the node."""

    def site_of(self, node: NodeId) -> SiteId | None:
        """The site by signed fact (through the rack); None when no fact places the node."""

    def taken(self, node: NodeId) -> frozenset[int]:
        """The accelerator indexes of `node` that some replica holds."""

    def node_watts(self, node: NodeId) -> Watts:
        """What the node draws: idle plus its replicas, at most its power cap."""

    def rack_watts(self, rack: RackId) -> Watts:
        """The sum of `node_watts` over the rack, kept current and not summed on demand."""

    def site_watts(self, site: SiteId) -> Watts:
        """The sum of `node_watts` over the site, kept current likewise."""

    def tenant_devices(self, tenant: TenantId) -> int:
        """How many accelerators the tenant's replicas hold, kept current."""

    def tenant_watts(self, tenant: TenantId) -> Watts:
        """What the tenant's replicas are stated to draw, kept current."""

    def fenced_in(self, rack: RackId) -> int:
        """How many nodes of the rack are fenced (`Node.fenced`), kept current."""

    def fenced_at(self, site: SiteId) -> int:
        """How many nodes of the site are fenced, kept current."""

    def stranded_accelerators(self) -> int:
        """Devices of the whole estate that hold no work and can receive none, kept current.

        The healthy, untaken devices of nodes that are fenced or not healthy, and of open nodes that have fewer of
        them left than the smallest replica of any workload asks for.
        """

    def touched_since(self, earlier: Self) -> frozenset[NodeId] | None:
        """The nodes that may differ from `earlier`, in themselves or in what runs on them.

        None when that is not known: then everything may differ.
        """

    def named(self, cluster: ClusterId, name: str) -> NodeId | None:
        """The node that `cluster` calls `name`."""

    def holding(self, ref: Ref) -> frozenset[NodeId]:
        """The nodes with a device in that NVLink domain, or a port on that switch (`neighbours.groups`)."""

    def accelerator(self, uuid: str) -> AcceleratorRef | None:
        """The device with this GPU UUID."""

    def workload_named(self, cluster: ClusterId, namespace: str, name: str) -> WorkloadId | None:
        """The workload of that name in that namespace."""

    def readings(self, ref: Ref) -> tuple[Reading, ...]:
        """What was measured of that thing last, each with its time and source; empty where nobody measures it.

        Beside the version: two snapshots of one version may differ in them.
        """

    def told_at(self, ref: Ref) -> datetime | None:
        """When the newest word of its cluster about that node or workload came; None where nobody remembers it."""

    def object(self, object: ObjectId) -> Sighting | None:
        """What was seen at that object's place; None where nobody looked, which says nothing."""

    def with_object(self, sighting: Sighting) -> Self:
        """This estate with that place as it was seen."""

    def with_node(self, node: Node) -> Self:
        """This estate with `node` added or replaced."""

    def with_workload(self, workload: Workload) -> Self:
        """This estate with `workload` added or replaced."""

    def without_node(self, node: NodeId) -> Self:
        """This estate without that node."""

    def without_workload(self, workload: WorkloadId) -> Self:
        """This estate without that workload."""

    def with_stock(self, stock: Stock) -> Self:
        """This estate with these items in the place of its own."""

    def with_facts(self, facts: Facts) -> Self:
        """This estate under another law base; its indexes are rebuilt."""

    def at(self, version: SnapshotVersion) -> Self:
        """The same content under another version."""
