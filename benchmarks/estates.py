"""Estates of any size for the benchmarks of engines: nodes of eight accelerators in racks of sixteen, all of them busy.

Deterministic by seed. Things are made one by one, so that only what an engine keeps of them is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random

from console.demo import estate as demo
from estate import alterations
from estate.hardware import Accelerator, Health, Node
from estate.ids import ClusterId, NodeId, RackId, SiteId, TenantId, Uid, WorkloadId
from estate.law import Facts, Rack
from estate.units import Mebibytes, Watts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
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
    def facts(self) -> Facts:
        """The demo's law base, with as many racks as it takes."""
        racks = tuple(self._racks())
        return demo.facts(self.valid_until).model_copy(update={"racks": racks})

    def seen(self) -> Iterator[Node]:
        """Every node."""
        return (self._node(number) for number in range(self.nodes))

    def running(self) -> Iterator[Workload]:
        """Every workload."""
        return (self._workload(number) for number in range(self.nodes))

    def uuids(self) -> list[str]:
        """Every device."""
        return [_uuid(number, index) for number in range(self.nodes) for index in range(DEVICES)]

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
        node = _name(random.randrange(self.nodes))
        kind = random.randrange(8)
        if kind < 2:
            return self._bound(random)
        if kind == 2:
            return alterations.Unbound(_work(random.randrange(self.nodes)), random.randrange(DEVICES))
        if kind == 3:
            return alterations.Cordoned(node, random.random() < 0.5)
        if kind == 4:
            return alterations.NodeJudged(node, random.choice(_HEALTH))
        if kind == 5:
            return alterations.Capped(node, Watts(random.randrange(5_000, 9_000)))
        return alterations.DeviceJudged(node, random.randrange(DEVICES), random.choice(_HEALTH))

    def _bound(self, random: Random) -> Change:
        node, index = _name(random.randrange(self.nodes)), random.randrange(DEVICES)
        binding = Binding(replica=random.randrange(DEVICES), node=node, accelerators=(index,))
        return alterations.Bound(_work(random.randrange(self.nodes)), binding)

    def _turn(self, number: int) -> tuple[Change, ...]:
        node, workload = self._node(number), self._workload(number)
        gone = changes.WorkloadGone(workload.id), changes.NodeGone(node.id)
        return (*gone, changes.NodeSeen(node), changes.WorkloadSeen(workload))

    def _racks(self) -> Iterator[Rack]:
        for first in range(0, self.nodes, PER_RACK):
            members = tuple(_name(n) for n in range(first, min(first + PER_RACK, self.nodes)))
            yield Rack(
                id=RackId(f"rack-{first // PER_RACK}"),
                site=SiteId("eu-de"),
                power_budget_watts=Watts(200_000),
                nodes=members,
            )

    def _node(self, number: int) -> Node:
        return Node(
            id=_name(number),
            uid=Uid(f"{number:08x}-5a1d-4d3c-9c55-b4b6f3f8a001"),
            cluster=_CLUSTER,
            name=_name(number),
            boot_id=f"{number:08x}-77aa-4d3c-9c55-b4b6f3f8a001",
            accelerators=tuple(self._device(number, index) for index in range(DEVICES)),
            idle_watts=Watts(2_000),
        )

    def _device(self, number: int, index: int) -> Accelerator:
        return Accelerator(
            index=index,
            uuid=_uuid(number, index),
            pci_address=f"0000:{index + 16:02x}:00.0",
            model="H100-SXM5-80GB",
            memory_mebibytes=Mebibytes(81_559),
            nvlink_domain=f"clique-{number // PER_RACK}",
        )

    def _workload(self, number: int) -> Workload:
        return Workload(
            id=_work(number),
            uid=Uid(f"{number:08x}-0b0b-4d3c-9c55-b4b6f3f8a001"),
            tenant=_TENANT,
            cluster=_CLUSTER,
            namespace="tenant-a",
            name=_work(number),
            kind=WorkloadKind.INFERENCE,
            contract=_CONTRACT,
            replicas=DEVICES,
            watts_per_accelerator=Watts(700),
            bindings=tuple(
                Binding(replica=index, node=_name(number), accelerators=(index,)) for index in range(DEVICES)
            ),
        )


def _name(number: int) -> NodeId:
    return NodeId(f"gpu-{number:06d}")


def _work(number: int) -> WorkloadId:
    return WorkloadId(f"serve-{number:06d}")


def _uuid(number: int, index: int) -> str:
    return f"GPU-{number:08x}-{index:04x}-4d3c-9c55-b4b6f3f8a001"
