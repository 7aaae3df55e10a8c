"""What is there: an estate as rows for people and programs. Pure; called by `contact.meeting`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from estate.hardware import Health, Node
from estate.ids import NodeId, TenantId, WorkloadId
from estate.records import Model
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload, WorkloadKind
from tools.kubernetes.naming import UNASSIGNED


class NodeRow(Model):
    """One node."""

    name: str
    id: NodeId
    health: Health
    """`healthy` is Ready; `failed` is not; `unknown`: its kubelet does not say."""
    cordoned: bool
    taints: tuple[str, ...]
    rack: str | None
    """By signed fact; None: no fact places it."""
    model: str
    accelerators: int
    failed: int
    used: int
    free: int
    """Healthy, held by nobody, on a node that is open."""


class ModelRow(Model):
    """The accelerators of one model."""

    model: str
    accelerators: int
    failed: int
    used: int
    free: int
    shut: int
    """Healthy and held by nobody, on a node that takes no work."""


class TenantRow(Model):
    """What one tenant has here, by signed facts."""

    tenant: TenantId
    namespaces: tuple[str, ...]
    isolation: str
    workloads: int
    running: int
    accelerators: int


class WorkloadRow(Model):
    """One workload."""

    id: WorkloadId
    namespace: str
    name: str
    controller: str
    kind: WorkloadKind
    tenant: TenantId
    replicas: int
    placed: int
    """Replicas that are bound to a node."""
    running: int
    """Those of them whose node and devices have not failed."""
    min_available: int
    """What disruption budgets promise: the part of the contract that a cluster can tell."""
    accelerators_per_replica: int
    nodes: int


class Inventory(Model):
    """Everything that was seen."""

    nodes: tuple[NodeRow, ...]
    models: tuple[ModelRow, ...]
    stranded: int
    """Free devices that can receive no work: on nodes that are shut, or too few for any replica."""
    tenants: tuple[TenantRow, ...]
    workloads: tuple[WorkloadRow, ...]
    unassigned: tuple[TenantRow, ...]
    """Namespaces with accelerators that no fact gives to a tenant, one each."""


def describe(snapshot: Snapshot) -> Inventory:
    """The rows of an estate."""
    nodes = tuple(_node(snapshot, n) for n in snapshot.nodes())
    workloads = tuple(snapshot.workloads())
    return Inventory(
        nodes=nodes,
        models=tuple(_models(snapshot)),
        stranded=snapshot.stranded_accelerators(),
        tenants=tuple(_tenants(snapshot, workloads)),
        workloads=tuple(_workload(snapshot, w) for w in workloads),
        unassigned=tuple(_unassigned(snapshot, workloads)),
    )


def runs(snapshot: Snapshot, binding: Binding) -> bool:
    """Whether neither the node nor a device of this replica has failed, as far as is known."""
    node = snapshot.node(binding.node)
    if node is None or node.health in (Health.FAILED, Health.UNKNOWN):
        return False
    failed = {a.index for a in node.accelerators if a.health is Health.FAILED}
    return failed.isdisjoint(binding.accelerators)


def running(snapshot: Snapshot, workload: Workload) -> int:
    """How many replicas run."""
    return sum(1 for b in workload.bindings if runs(snapshot, b))


def _node(snapshot: Snapshot, node: Node) -> NodeRow:
    taken = snapshot.taken(node.id)
    fit = [a for a in node.accelerators if a.health is Health.HEALTHY]
    return NodeRow(
        name=node.name,
        id=node.id,
        health=node.health,
        cordoned=node.cordoned,
        taints=tuple(str(t) for t in node.taints),
        rack=snapshot.rack_of(node.id),
        model=", ".join(sorted({a.model for a in node.accelerators})),
        accelerators=len(node.accelerators),
        failed=sum(1 for a in node.accelerators if a.health is Health.FAILED),
        used=sum(1 for a in node.accelerators if a.index in taken),
        free=sum(1 for a in fit if a.index not in taken) if _open(node) else 0,
    )


def _open(node: Node) -> bool:
    return not node.fenced and node.health is Health.HEALTHY


def _models(snapshot: Snapshot) -> Iterator[ModelRow]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for node in snapshot.nodes():
        taken = snapshot.taken(node.id)
        for device in node.accelerators:
            of = counts[device.model]
            of["accelerators"] += 1
            of["failed"] += device.health is Health.FAILED
            of["used"] += device.index in taken
            if device.health is Health.HEALTHY and device.index not in taken:
                of["free" if _open(node) else "shut"] += 1
    for model, of in sorted(counts.items()):
        fields = ("accelerators", "failed", "used", "free", "shut")
        yield ModelRow(model=model, **{f: of[f] for f in fields})


def _tenants(snapshot: Snapshot, workloads: Iterable[Workload]) -> Iterator[TenantRow]:
    held: defaultdict[TenantId, list[Workload]] = defaultdict(list)
    for workload in workloads:
        held[workload.tenant].append(workload)
    for tenant, theirs in sorted(held.items()):
        if tenant != UNASSIGNED:
            yield _tenancy(snapshot, tenant, theirs)


def _unassigned(snapshot: Snapshot, workloads: Iterable[Workload]) -> Iterator[TenantRow]:
    held: defaultdict[str, list[Workload]] = defaultdict(list)
    for workload in workloads:
        if workload.tenant == UNASSIGNED:
            held[workload.namespace].append(workload)
    for _, theirs in sorted(held.items()):
        yield _tenancy(snapshot, UNASSIGNED, theirs)


def _tenancy(snapshot: Snapshot, tenant: TenantId, theirs: list[Workload]) -> TenantRow:
    known = snapshot.facts.tenant.get(tenant)
    return TenantRow(
        tenant=tenant,
        namespaces=tuple(sorted({w.namespace for w in theirs})),
        isolation=known.isolation.value if known else "unknown",
        workloads=len(theirs),
        running=sum(running(snapshot, w) for w in theirs),
        accelerators=sum(len(b.accelerators) for w in theirs for b in w.bindings),
    )


def _workload(snapshot: Snapshot, workload: Workload) -> WorkloadRow:
    return WorkloadRow(
        id=workload.id,
        namespace=workload.namespace,
        name=workload.name,
        controller=workload.id.removeprefix(f"{workload.cluster}.{workload.namespace}.").partition(".")[0],
        kind=workload.kind,
        tenant=workload.tenant,
        replicas=workload.replicas,
        placed=len(workload.bindings),
        running=running(snapshot, workload),
        min_available=workload.contract.min_available,
        accelerators_per_replica=workload.contract.accelerators_per_replica,
        nodes=len({b.node for b in workload.bindings}),
    )
