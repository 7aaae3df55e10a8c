"""Estates of any size for the benchmarks of engines: nodes of eight accelerators in racks of sixteen, all of them busy.

Generated (`fleets`), and made one by one, so that only what an engine keeps of them is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from random import Random

from benchmarks import fleets
from estate import alterations
from estate.hardware import Health, Node
from estate.ids import ClusterId, NodeId, TenantId, Uid, WorkloadId
from estate.law import Facts
from estate.units import Watts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from tools.generation import machinery
from tools.generation.layouts import Layout
from tools.generation.plans import Racks
from tools.inventory.columns import changes
from tools.inventory.columns.changes import Change

PER_RACK, DEVICES = 16, 8
_CONTRACT = WorkloadContract(accelerators_per_replica=1)
_CLUSTER, _TENANT = ClusterId("eu-1"), TenantId("tenant-a")
_HEALTH = tuple(Health)


@dataclass(frozen=True)
class Estate:
    """So many nodes, each with one workload whose eight replicas begin there."""

    nodes: int
    valid_until: datetime

    @cached_property
    def layout(self) -> Layout:
        """As many racks as it takes; the last may have room for nodes that nobody sees."""
        count = -(-self.nodes // PER_RACK)
        racks = Racks(cluster=_CLUSTER, product=fleets.PRODUCT, count=count, nodes_each=PER_RACK, budget_watts=200_000)
        return fleets.layout((racks,), self.valid_until)

    @property
    def facts(self) -> Facts:
        """The law."""
        return self.layout.facts

    @cached_property
    def names(self) -> list[NodeId]:
        """Every node by its number."""
        return [n for rack in self.layout.racks for n in rack.nodes][: self.nodes]

    def seen(self) -> Iterator[Node]:
        """Every node."""
        return islice(machinery.nodes(self.layout), self.nodes)

    def running(self) -> Iterator[Workload]:
        """Every workload."""
        return (self._workload(number) for number in range(self.nodes))

    def uuids(self) -> list[str]:
        """Every device."""
        return [machinery.uuid_of(name, index) for name in self.names for index in range(DEVICES)]

    def happenings(self, seed: int, count: int) -> list[Change]:
        """What a day brings anywhere: replicas that start, move and stop, devices and nodes judged, cordons, caps."""
        random = Random(seed)
        return [self._happening(random) for _ in range(count)]

    def bindings(self, seed: int, count: int) -> list[Change]:
        """Replicas that move to other nodes, and nothing else."""
        random = Random(seed)
        return [self._bound(random) for _ in range(count)]

    def turnover(self, seed: int, count: int) -> list[Change]:
        """Nodes with what runs there that go and come back, so that rows are given up and used again."""
        random = Random(seed)
        return [step for _ in range(count) for step in self._turn(random.randrange(self.nodes))]

    def _happening(self, random: Random) -> Change:
        node = self.names[random.randrange(self.nodes)]
        kind = random.randrange(8)
        if kind < 2:
            return self._bound(random)
        if kind == 2:
            return alterations.Unbound(work_of(random.randrange(self.nodes)), random.randrange(DEVICES))
        if kind == 3:
            return alterations.Cordoned(node, random.random() < 0.5)
        if kind == 4:
            return alterations.NodeJudged(node, random.choice(_HEALTH))
        if kind == 5:
            return alterations.Capped(node, Watts(random.randrange(5_000, 9_000)))
        return alterations.DeviceJudged(node, random.randrange(DEVICES), random.choice(_HEALTH))

    def _bound(self, random: Random) -> Change:
        node, index = self.names[random.randrange(self.nodes)], random.randrange(DEVICES)
        binding = Binding(replica=random.randrange(DEVICES), node=node, accelerators=(index,))
        return alterations.Bound(work_of(random.randrange(self.nodes)), binding)

    def _turn(self, number: int) -> tuple[Change, ...]:
        node, workload = self._node(number), self._workload(number)
        gone = changes.WorkloadGone(workload.id), changes.NodeGone(node.id)
        return (*gone, changes.NodeSeen(node), changes.WorkloadSeen(workload))

    def _node(self, number: int) -> Node:
        rack, place = divmod(number, PER_RACK)
        alone = replace(self.layout, racks=(self.layout.racks[rack],))
        return next(islice(machinery.nodes(alone), place, None))

    def _workload(self, number: int) -> Workload:
        return Workload(
            id=work_of(number),
            uid=Uid(f"{number:08x}-0b0b-4d3c-9c55-b4b6f3f8a001"),
            tenant=_TENANT,
            cluster=_CLUSTER,
            namespace="tenant-a",
            name=work_of(number),
            kind=WorkloadKind.INFERENCE,
            contract=_CONTRACT,
            replicas=DEVICES,
            watts_per_accelerator=Watts(700),
            bindings=tuple(
                Binding(replica=index, node=self.names[number], accelerators=(index,)) for index in range(DEVICES)
            ),
        )


def work_of(number: int) -> WorkloadId:
    return WorkloadId(f"serve-{number:06d}")
