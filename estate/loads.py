"""What replicas take of the node that they run on: thousandths of its devices, processors, memory. Pure.

Used where a change is judged (`changes.seating`), for one node at a time. Where nobody tells what a node has to give,
there is no limit: what is not known refuses nobody here, and a scheduler that knows better still may.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from estate.hardware import Node
from estate.ids import TenantId
from estate.localities import Running
from estate.snapshots import Snapshot
from estate.workloads import WHOLE, Binding, Workload


@dataclass(slots=True)
class Load:
    """The sum over some replicas on one node."""

    millicores: int = 0
    mebibytes: int = 0
    milli: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """By device index: how many thousandths are taken."""
    tenants: defaultdict[int, set[TenantId]] = field(default_factory=lambda: defaultdict(set))
    """By device index: whose replicas hold it."""
    running: list[Running] = field(default_factory=list)

    def add(self, workload: Workload, bindings: Iterable[Binding]) -> None:
        """These replicas of a workload run there too."""
        contract = workload.contract
        for binding in bindings:
            self.running.append((workload, binding))
            self.millicores += contract.millicores
            self.mebibytes += contract.host_mebibytes
            for index in binding.accelerators:
                self.milli[index] += contract.milli
                self.tenants[index].add(workload.tenant)

    def payers(self) -> set[TenantId]:
        """Whose replicas run there."""
        return {workload.tenant for workload, _ in self.running}

    def processors_left(self, node: Node) -> int | None:
        """Millicores that are free beside them; None: nobody tells."""
        return None if node.millicores is None else node.millicores - node.other_millicores - self.millicores

    def memory_left(self, node: Node) -> int | None:
        """Mebibytes that are free beside them; None: nobody tells."""
        return None if node.allots_mebibytes is None else node.allots_mebibytes - node.other_mebibytes - self.mebibytes

    def milli_left(self, index: int) -> int:
        """Thousandths of a device that are free beside them."""
        return max(WHOLE - self.milli.get(index, 0), 0)


def beside(snapshot: Snapshot, node: Node, workload: Workload, kept: Iterable[Binding]) -> Load:
    """What others take of a node, and the workload itself by the bindings that it keeps."""
    load = Load()
    for other in snapshot.workloads_on(node.id):
        if other.id != workload.id:
            load.add(other, other.on(node.id))
    load.add(workload, (b for b in kept if b.node == node.id))
    return load
