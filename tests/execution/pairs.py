"""Two real clusters for one test of a move between them: `eu-1` and `us-1`, each a control plane of its own.

`tenant-a` has a namespace of the same name in both, and may be in both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from estate import law
from estate.changes import Change, CopyWorkload, RemoveWorkload
from estate.conditions import Condition, Field
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, TenantId, Uid, WorkloadId
from estate.things import Thing, ThingKind
from estate.workloads import Binding
from tests import builders
from tests.execution.clusters import CLUSTER, QUICK, ClusterWorld, cluster_world
from tools.controlplane.launching import ControlPlane
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.kubernetes.waiting import Limits
from tools.kubernetes.connecting import Connection

THERE = ClusterId("us-1")


@dataclass
class Pair:
    """What one test has of both."""

    eu: ClusterWorld
    us: ClusterWorld

    @property
    def connections(self) -> dict[ClusterId, Connection]:
        """Both, as their administrator."""
        return {world.id: world.connection for world in (self.eu, self.us)}

    def facts(self) -> law.Facts:
        """The law base that places the nodes made so far, and gives the tenant both namespaces."""
        base = builders.facts()
        worlds = {w.id: w for w in (self.eu, self.us)}
        nodes = {"eu-a": self.eu.nodes, "us-a": self.us.nodes}
        spaces = tuple(law.Namespace(cluster=w.id, name=w.namespace) for w in worlds.values())
        mine = {"namespaces": spaces, "residency": builders.residency("DE", "FR", "US")}
        return base.model_copy(
            update={
                "clusters": tuple(c.model_copy(update={"uid": Uid(worlds[c.id].uid)}) for c in base.clusters),
                "racks": tuple(
                    r.model_copy(update={"nodes": tuple(NodeId(n) for n in nodes.get(r.id, ()))}) for r in base.racks
                ),
                "tenants": tuple(
                    t.model_copy(update=mine if t.id == TenantId("tenant-a") else {"namespaces": ()})
                    for t in base.tenants
                ),
            }
        )

    def target(self, limits: Limits = QUICK, *only: ClusterWorld) -> KubernetesTarget:
        """Hands on both clusters, or on some."""
        held = {w.id: w.connection for w in only or (self.eu, self.us)}
        return KubernetesTarget(held, self.facts, limits)

    async def sight(self) -> FrozenEstate:
        """All that is this test's in both, as a live read sees it."""
        things = [Thing(kind=ThingKind.NODE, id=n) for w in (self.eu, self.us) for n in w.nodes]
        things += [Thing(kind=ThingKind.WORKLOAD, id=n) for w in (self.eu, self.us) for n in w.workloads]
        wanted = [Condition(about=t, uid=Uid("any"), field=Field.BINDINGS, equals=()) for t in things]
        return await Reach(self.connections, self.facts).sight(wanted)

    async def steps(self, *changes: Change) -> tuple[Step, ...]:
        """The steps of these changes on what is there now."""
        return builders.steps(*changes, on=await self.sight())

    async def across(self, workload: WorkloadId, *nodes: NodeId) -> tuple[Step, Step]:
        """The move of a workload from `eu-1` to these nodes of `us-1`, two accelerators for each replica."""
        copy, removal = await self.steps(*across(workload, self.us.namespace, *nodes))
        return copy, removal


def across(workload: WorkloadId, namespace: str, *nodes: NodeId) -> tuple[CopyWorkload, RemoveWorkload]:
    """The two changes that are a move to `us-1`."""
    held = [nodes[:n].count(node) * 2 for n, node in enumerate(nodes)]
    seats = tuple(
        Binding(replica=r, node=node, accelerators=(first, first + 1))
        for r, (node, first) in enumerate(zip(nodes, held, strict=True))
    )
    own = workload.removeprefix(f"{CLUSTER}.{namespace}.")
    return (
        CopyWorkload(workload=workload, to_cluster=THERE, bindings=seats),
        RemoveWorkload(workload=workload, replaced_by=WorkloadId(f"{THERE}.{namespace}.{own}")),
    )


@asynccontextmanager
async def pair_of(one: ControlPlane, other: ControlPlane, names: Callable[[str], str]) -> AsyncIterator[Pair]:
    """A namespace in each and no nodes yet. Node names differ, so that each is called by its own."""
    async with (
        cluster_world(one, names) as eu,
        cluster_world(other, lambda stem: names(stem if stem.startswith("tenant") else f"us-{stem}"), THERE) as us,
    ):
        yield Pair(eu, us)
