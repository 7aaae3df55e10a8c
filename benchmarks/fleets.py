"""Generated estates for benchmarks: the law of the demo's plan, as many racks as it takes, and bare machines.

What a cluster reports of a machine is what an engine holds of each of a hundred thousand; ports, disks and serial
numbers come from other sources and would be most of the memory. See `benchmarks/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from console.demo import estate as demo
from estate.hardware import Node
from estate.ids import ClusterId, TenantId, WorkloadId
from estate.law import Facts, Rack
from estate.workloads import WorkloadKind
from estate.worlds import World
from tools.generation.estates import generate
from tools.generation.layouts import Layout
from tools.generation.plans import Plan, Racks, Seat, Work

PRODUCT = "dgx-h100"
"""Four nodes a rack, eight accelerators a node."""
TENANTS = {ClusterId("eu-1"): TenantId("tenant-a"), ClusterId("us-1"): TenantId("tenant-c")}
"""Each cluster, and the tenant that runs there."""
_HALF = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Facts and world of two sites with equally many racks of four nodes of eight accelerators."""

    facts: Facts
    world: World

    def failing(self, seed: int) -> Sequence[Node]:
        """The nodes that may fail, one a rack, in an order of this seed."""
        chosen = self._of_each_rack(0)
        Random(seed).shuffle(chosen)
        return chosen

    def idle(self) -> Sequence[Node]:
        """One node a rack that neither fails nor is busy at the start."""
        return self._of_each_rack(3)

    def _of_each_rack(self, place: int) -> list[Node]:
        nodes = {n.id: n for n in self.world.nodes}
        return [nodes[rack.nodes[place]] for rack in self.facts.racks]


def fleet(valid_until: datetime, racks: int) -> Fleet:
    """Two sites with `racks` racks each, sized for as many failures.

    At most one node a rack fails, and fewer than a quarter of a site's, so that no breaker stops a fence. On the
    failing node runs one of two replicas of an inference service whose tenant consents to disruption: nobody is asked.
    """
    groups = tuple(Racks(cluster=c, product=PRODUCT, count=racks, budget_watts=38_400) for c in TENANTS)
    bare = layout(groups, valid_until)
    clusters = {c.site: c.id for c in bare.facts.clusters}
    work = tuple(_service(rack, TENANTS[clusters[rack.site]]) for rack in bare.facts.racks)
    made = generate(layout(groups, valid_until, work))
    return Fleet(made.facts, made.world)


def layout(racks: tuple[Racks, ...], valid_until: datetime, work: tuple[Work, ...] = ()) -> Layout:
    """The demo's law over other racks and other work; nothing else works, and nothing is broken."""
    plan = Plan(**{**dict(demo.plan()), "racks": racks, "work": work, "bare": True})
    return plan.layout(demo.SEED, valid_until)


def _service(rack: Rack, tenant: TenantId) -> Work:
    """Two replicas of half a node on the first two nodes of the rack."""
    name = f"serve-{rack.id}"
    seats = tuple(Seat(node=node, accelerators=_HALF) for node in rack.nodes[:2])
    return Work(
        id=WorkloadId(name), name=name, tenant=tenant, kind=WorkloadKind.INFERENCE, seats=seats, min_available=1
    )
