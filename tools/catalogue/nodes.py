"""Tools about machines: a node, what runs on it, and the power of its rack."""

from __future__ import annotations

from estate.hardware import Accelerator, Health, Taint
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.records import Model
from estate.units import Watts
from estate.workloads import Workload, WorkloadKind
from tools.catalogue.tools import Answer, Desk, Tool


class NodeQuestion(Model):
    """Which node."""

    node: NodeId


class NodeAnswer(Answer):
    """A node with its devices. Rack and site are signed facts; null means that no fact places it."""

    node: NodeId
    cluster: ClusterId
    name: str
    rack: RackId | None
    site: SiteId | None
    cordoned: bool
    taints: tuple[Taint, ...]
    health: Health
    accelerators: tuple[Accelerator, ...]
    taken: tuple[int, ...]
    """Indexes of devices that some replica holds."""
    drawn_watts: Watts


class Resident(Model):
    """A workload with replicas on a node."""

    workload: WorkloadId
    tenant: TenantId
    work: WorkloadKind
    replicas_here: tuple[int, ...]
    accelerators_here: tuple[int, ...]
    counted: bool
    """Which devices it holds is book-keeping, its system only says how many: any failed one of the node may be its."""
    running: int
    min_available: int


class ResidentsAnswer(Answer):
    """Everything that runs on a node, by workload id."""

    node: NodeId
    workloads: tuple[Resident, ...]
    tenants: tuple[TenantId, ...]


class RackQuestion(Model):
    """Which rack."""

    rack: RackId


class RackAnswer(Answer):
    """A rack's draw against its budget."""

    rack: RackId
    site: SiteId
    drawn_watts: Watts
    budget_watts: Watts
    headroom_watts: int
    """Negative when the rack is over its budget."""
    nodes: tuple[NodeId, ...]


def describe_node(desk: Desk, question: NodeQuestion) -> NodeAnswer:
    """A node with devices, place and draw."""
    node = desk.node(question.node)
    return NodeAnswer(
        snapshot=desk.snapshot.version,
        node=node.id,
        cluster=node.cluster,
        name=node.name,
        rack=desk.snapshot.rack_of(node.id),
        site=desk.snapshot.site_of(node.id),
        cordoned=node.cordoned,
        taints=node.taints,
        health=node.health,
        accelerators=node.accelerators,
        taken=tuple(sorted(desk.snapshot.taken(node.id))),
        drawn_watts=desk.snapshot.node_watts(node.id),
    )


def workloads_on_node(desk: Desk, question: NodeQuestion) -> ResidentsAnswer:
    """The workloads with a replica on the node, and whose they are."""
    node = desk.node(question.node)
    residents = tuple(_resident(w, node.id) for w in desk.snapshot.workloads_on(node.id))
    return ResidentsAnswer(
        snapshot=desk.snapshot.version,
        node=node.id,
        workloads=residents,
        tenants=tuple(sorted({r.tenant for r in residents})),
    )


def rack_power(desk: Desk, question: RackQuestion) -> RackAnswer:
    """What the rack draws and may draw."""
    rack = desk.rack(question.rack)
    drawn = desk.snapshot.rack_watts(rack.id)
    return RackAnswer(
        snapshot=desk.snapshot.version,
        rack=rack.id,
        site=rack.site,
        drawn_watts=drawn,
        budget_watts=rack.power_budget_watts,
        headroom_watts=rack.power_budget_watts - drawn,
        nodes=rack.nodes,
    )


def _resident(workload: Workload, node: NodeId) -> Resident:
    here = workload.on(node)
    return Resident(
        workload=workload.id,
        tenant=workload.tenant,
        work=workload.kind,
        replicas_here=tuple(b.replica for b in here),
        accelerators_here=tuple(sorted(i for b in here for i in b.accelerators)),
        counted=workload.counted,
        running=len(workload.bindings),
        min_available=workload.contract.min_available,
    )


DESCRIBE_NODE = Tool(
    "describe_node",
    "One node by id: cluster, rack, site, health, cordon, taints, every accelerator with its health, and power draw.",
    NodeQuestion,
    NodeAnswer,
    describe_node,
)
WORKLOADS_ON_NODE = Tool(
    "workloads_on_node",
    "The workloads with replicas on a node: tenant, kind, devices held there, running replicas and the least allowed.",
    NodeQuestion,
    ResidentsAnswer,
    workloads_on_node,
)
RACK_POWER = Tool(
    "rack_power",
    "A rack's power draw, budget and headroom in watts, and its nodes.",
    RackQuestion,
    RackAnswer,
    rack_power,
)
