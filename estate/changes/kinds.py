"""What every kind of change can say of itself."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from estate import gangs
from estate.conditions import Condition, Field, observed
from estate.gangs import Stops
from estate.ids import NodeId, TenantId, WorkloadId
from estate.manifests import Address
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind

if TYPE_CHECKING:
    from estate.changes import Change


class NoInverse(Model):
    """Why a change cannot be undone by a change."""

    kind: Literal["NoInverse"] = "NoInverse"
    reason: str


class Footprint(Model):
    """The blast radius: everything that a change touches or disturbs."""

    nodes: tuple[NodeId, ...] = ()
    workloads: tuple[WorkloadId, ...] = ()
    tenants: tuple[TenantId, ...] = ()
    disrupted_replicas: int = 0
    """Running replicas that stop or move."""


class ChangeKind(Protocol):
    """A kind of change: pure statements about a snapshot. `effect` is the only one that says what it does."""

    def target(self) -> Thing:
        """The one thing this change writes."""

    def describe(self) -> str:
        """The change in one line for a person, imperative."""

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        """The estate after this change, or why it has no effect here."""

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """The uid and the values of the fields that a decision on this change reads."""

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        """What verification checks, given the snapshot that `effect` produced."""

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        """What undoes it, given the snapshot before it."""

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        """The workloads it writes, each with how many running replicas stop or move, given the snapshot before it."""

    def footprint(self, snapshot: Snapshot) -> Footprint:
        """What it touches, given the snapshot before it. Its workloads are those of `disrupts`."""

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        """Every node it names, with the watts that it wants to add there: told of a change that has no effect, too."""


class NodeChange(Model):
    """What changes of a node and of nothing that runs there have in common."""

    node: NodeId

    def target(self) -> Thing:
        return node_thing(self.node)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return {}

    def footprint(self, snapshot: Snapshot) -> Footprint:
        disrupted = self.disrupts(snapshot)
        return Footprint(
            nodes=(self.node,),
            workloads=tuple(sorted(disrupted)),
            tenants=tenants_on(snapshot, self.node),
            disrupted_replicas=sum(disrupted.values()),
        )

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        return {self.node: 0}

    def rewritten(self, snapshot: Snapshot, **update: object) -> Result[Snapshot]:
        """The estate with these fields of the node otherwise, or the refusal that it is unknown."""
        node = snapshot.node(self.node)
        if node is None:
            return unknown(self.target())
        return Ok(snapshot.with_node(node.model_copy(update=update)))


def unknown(thing: Thing) -> Refusal:
    """The refusal of a change whose target is not in the snapshot."""
    return Refusal(
        code=RefusalCode.UNKNOWN_TARGET,
        about=str(thing),
        message=f"`{thing}` is not in the estate; see `placet get {thing.kind.value}s`",
    )


@lru_cache(maxsize=1024)
def node_thing(node: NodeId) -> Thing:
    """The reference to a node. A decision names the same few things again and again."""
    return Thing(kind=ThingKind.NODE, id=node)


@lru_cache(maxsize=1024)
def workload_thing(workload: WorkloadId) -> Thing:
    """The reference to a workload."""
    return Thing(kind=ThingKind.WORKLOAD, id=workload)


def object_thing(address: Address) -> Thing:
    """The reference to a namespaced object."""
    return Thing(kind=ThingKind.OBJECT, id=str(address))


def resident_thing(workload: WorkloadId, node: NodeId) -> Thing:
    """The reference to the replicas of a workload on one node."""
    return Thing(kind=ThingKind.RESIDENT, id=f"{workload}@{node}")


def gang_conditions(snapshot: Snapshot, stops: Stops, node: NodeId) -> tuple[Condition, ...]:
    """What the decision read of those that stop elsewhere than on `node`: each workload on each of their nodes."""
    elsewhere = sorted({(w, b.node) for w, bindings in stops.items() for b in bindings if b.node != node})
    return tuple(c for w, n in elsewhere for c in observed(snapshot, resident_thing(w, n), Field.BINDINGS))


def footprint_of(snapshot: Snapshot, stops: Stops, *named: NodeId) -> Footprint:
    """The blast radius of replicas that stop together, and of the nodes that a change names."""
    counted = gangs.counts(stops)
    return Footprint(
        nodes=tuple(sorted({*named, *gangs.nodes_of(stops)})),
        workloads=tuple(sorted(counted)),
        tenants=tuple(sorted(gangs.tenants_of(snapshot, counted))),
        disrupted_replicas=sum(counted.values()),
    )


def tenants_on(snapshot: Snapshot, node: NodeId) -> tuple[TenantId, ...]:
    """The tenants with work on a node, sorted."""
    return tuple(sorted({w.tenant for w in snapshot.workloads_on(node)}))
