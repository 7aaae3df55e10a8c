"""A fleet sized for a thousand failures: the benchmarks' own input, made from the demo's building blocks.

At most one node a rack fails, and fewer than a quarter of a site's, so that no breaker stops a fence. On the failing
node runs one of two replicas of an inference service whose tenant consents to disruption: no person is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from console.demo import estate as demo
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, RackId, TenantId, Uid, WorkloadId
from estate.law import Facts
from estate.units import Mebibytes, Watts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from estate.worlds import World

SITES = {"eu": (ClusterId("eu-1"), TenantId("tenant-a")), "us": (ClusterId("us-1"), TenantId("tenant-c"))}
"""The prefix of each site's racks, its cluster, and the tenant that runs there."""
_HALF = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Facts and world of two sites with equally many racks of four nodes of eight accelerators."""

    facts: Facts
    world: World

    def failing(self, seed: int) -> Sequence[Node]:
        """The nodes that may fail, one a rack, in an order of this seed."""
        nodes = {n.id: n for n in self.world.nodes}
        chosen = [nodes[NodeId(f"{rack.id}1")] for rack in self.facts.racks]
        Random(seed).shuffle(chosen)
        return chosen

    def idle(self) -> Sequence[Node]:
        """One node a rack that neither fails nor is busy at the start."""
        nodes = {n.id: n for n in self.world.nodes}
        return [nodes[NodeId(f"{rack.id}4")] for rack in self.facts.racks]


def fleet(valid_until: datetime, racks: int) -> Fleet:
    """Two sites with `racks` racks each."""
    facts = demo.facts(valid_until, racks)
    return Fleet(facts, World(nodes=demo.world(racks).nodes, workloads=tuple(_services(racks))))


def _services(racks: int) -> Iterator[Workload]:
    for prefix, (cluster, tenant) in SITES.items():
        for rack in demo.rack_names(prefix, racks):
            yield _service(RackId(rack), cluster, tenant)


def _service(rack: RackId, cluster: ClusterId, tenant: TenantId) -> Workload:
    """Two replicas of half a node on the first two nodes of the rack."""
    homes = (NodeId(f"{rack}1"), NodeId(f"{rack}2"))
    return Workload(
        id=WorkloadId(f"serve-{rack}"),
        uid=Uid(f"workload-serve-{rack}-uid"),
        tenant=tenant,
        cluster=cluster,
        namespace=tenant,
        name=f"serve-{rack}",
        kind=WorkloadKind.INFERENCE,
        contract=WorkloadContract(
            accelerators_per_replica=len(_HALF), memory_mebibytes=Mebibytes(80_000), min_available=1
        ),
        replicas=len(homes),
        watts_per_accelerator=Watts(700),
        bindings=tuple(Binding(replica=i, node=n, accelerators=_HALF) for i, n in enumerate(homes)),
    )
