"""Parts of a node (NUMA nodes, PCIe switches): what each has, and what replicas take of it. Pure.

A node that has enough in all may have enough nowhere: its free devices hang on one processor, its free memory on the
other. Used where a change is judged, and by placement for its columns. A replica is booked to the parts that its
devices are in, in proportion; one without devices floats, and counts against the node alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from estate.hardware import Accelerator, Node
from estate.machines import LinkState, Nic, NicUse
from estate.workloads import Binding, Locality, Workload

type Part = int | str
"""The index of a NUMA node, the name of a switch; `WHOLE_NODE` where a contract names no locality."""
type Running = tuple[Workload, Binding]

WHOLE_NODE: Part = ""


@dataclass(slots=True)
class Supply:
    """What one part has left."""

    millicores: int | None = None
    """None: nobody tells, or they are the node's."""
    mebibytes: int | None = None
    ports: tuple[int, ...] = ()
    """What each RDMA port that is up could still carry, in megabits a second."""
    rails_held: int = 0
    """Ports that replicas have for themselves."""

    def lacks(self, workload: Workload) -> str | None:
        """What one more replica would be short of there, in words."""
        contract = workload.contract
        if self.millicores is not None and contract.millicores > self.millicores:
            return f"has {max(self.millicores, 0)} millicores left, {contract.millicores} are needed"
        if self.mebibytes is not None and contract.host_mebibytes > self.mebibytes:
            return f"has {max(self.mebibytes, 0)} MiB of memory left, {contract.host_mebibytes} are needed"
        if contract.rails and (left := self.rails(contract.rail_speed)) < contract.rails:
            return f"has {left} rails left, {contract.rails} are needed"
        return None

    def rails(self, speed: int) -> int:
        """How many ports with that much to spare nobody has for himself."""
        return max(sum(headroom >= speed for headroom in self.ports) - self.rails_held, 0)


def home(device: Accelerator | Nic, locality: Locality | None) -> Part | None:
    """The part that a device or port is in; None where nobody tells."""
    match locality:
        case None:
            return WHOLE_NODE
        case Locality.NUMA:
            return device.numa_node
        case Locality.PCIE:
            return device.pcie_switch or None


def supplies(node: Node, locality: Locality | None, running: Iterable[Running]) -> dict[Part, Supply]:
    """What each part of a node has left beside the replicas that run there, by the parts that its devices are in."""
    found = {p: Supply() for a in node.accelerators if (p := home(a, locality)) is not None}
    if locality is None:
        found[WHOLE_NODE] = Supply()
    if locality is Locality.NUMA:
        for numa in node.numa_nodes:
            found[numa.index] = Supply(numa.cpus * 1000, numa.memory_mebibytes)
    for nic in node.nics:
        part = home(nic, locality)
        if part in found and nic.use is NicUse.RDMA and nic.state is LinkState.UP:
            found[part].ports += (max(nic.speed - (nic.used or 0), 0),)
    for workload, binding in running:
        take(found, node, locality, workload, binding)
    return found


def take(
    left: dict[Part, Supply],
    node: Node,
    locality: Locality | None,
    workload: Workload,
    binding: Binding,
    sign: int = 1,
) -> None:
    """Book a replica to the parts of the node; with `sign` -1 give back what it took."""
    contract, count = workload.contract, max(len(binding.accelerators), 1)
    for part, here in spread(node, locality, binding).items():
        supply = left[part]
        supply.rails_held += sign * -(-contract.rails * here // count)
        if supply.millicores is not None:
            supply.millicores -= sign * -(-contract.millicores * here // count)
        if supply.mebibytes is not None:
            supply.mebibytes -= sign * -(-contract.host_mebibytes * here // count)


def spread(node: Node, locality: Locality | None, binding: Binding) -> Counter[Part]:
    """In which parts the devices of a replica are, and how many of them."""
    if locality is None:
        return Counter({WHOLE_NODE: max(len(binding.accelerators), 1)})
    homes = {a.index: p for a in node.accelerators if (p := home(a, locality)) is not None}
    return Counter(homes[index] for index in binding.accelerators if index in homes)
