"""Numbers for what Kubernetes only counts: replicas by pod, devices by node. Stable for as long as a pod lives.

Kept by the source, whose snapshots need them; a live read starts with an empty one, because conditions compare nodes
and counts only (`Workload.counted`). It also remembers what a device of each node draws.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import count, islice

from estate.hardware import Accelerator
from estate.ids import NodeId
from estate.units import Watts
from tools.kubernetes import power
from tools.kubernetes.allotments import Allotments


class Numbering:
    """One cluster's book. A pod is known by its uid; it keeps its number and its devices until it is forgotten."""

    def __init__(self, allotments: Allotments | None = None) -> None:
        self.allotments = allotments or Allotments()
        """What is known by name, and needs no book."""
        self._replicas: dict[str, dict[str, int]] = {}
        self._seats: dict[str, tuple[NodeId, tuple[int, ...]]] = {}
        self._held: dict[NodeId, set[int]] = {}
        self._watts: dict[NodeId, int] = {}
        self._cuts: dict[NodeId, dict[str, frozenset[int]]] = {}

    def replicas(self, owner: str, pods: Sequence[str], limit: int) -> dict[str, int]:
        """A number below `limit` for each of the owner's pods: the one it had where it can keep it, else the lowest
        that is free, in the order given. `limit` is at least their number."""
        had = self._replicas.get(owner, {})
        kept: dict[str, int] = {pod: had[pod] for pod in pods if had.get(pod, limit) < limit}
        taken = set(kept.values())
        free = (number for number in count() if number not in taken)
        numbers = kept | dict(zip((p for p in pods if p not in kept), free, strict=False))
        self._replicas[owner] = numbers
        return numbers

    def devices(
        self, pod: str, node: NodeId, wanted: int, named: Collection[int] = (), cut: str = ""
    ) -> tuple[int, ...]:
        """The device indexes that the pod holds on `node`: what it had, else the lowest that are free. Those that are
        held by name (`named`) are somebody's; where the node has several sizes, those of another than `cut` are not
        meant. Of what a node does not have, the numbers go on.
        """
        others = {i for size, held in self._cuts.get(node, {}).items() if size != cut for i in held}
        if (had := self._seats.get(pod)) is not None:
            if had[0] == node and len(had[1]) == wanted and not any(i in named or i in others for i in had[1]):
                return had[1]
            self.forget(pod)
        held = self._held.setdefault(node, set())
        indexes = tuple(islice((i for i in count() if i not in held and i not in named and i not in others), wanted))
        held.update(indexes)
        self._seats[pod] = (node, indexes)
        return indexes

    def forget(self, pod: str) -> None:
        """The pod is gone, or runs no longer: its devices are free."""
        node, indexes = self._seats.pop(pod, (NodeId(""), ()))
        held = self._held.get(node)
        if held is not None:
            held.difference_update(indexes)
            if not held:
                del self._held[node]

    def forget_owner(self, owner: str) -> None:
        """The owner is gone: its numbers are no longer needed."""
        self._replicas.pop(owner, None)

    def equip(self, node: NodeId, watts: int, devices: Iterable[Accelerator] = ()) -> bool:
        """Remember what a device of the node draws (0: it has none), and which are slices. Whether that is news."""
        cuts = _cuts(devices)
        if self._watts.get(node, 0) == watts and self._cuts.get(node, {}) == cuts:
            return False
        self._watts.pop(node, None)
        self._cuts.pop(node, None)
        self._watts |= {node: watts} if watts else {}
        self._cuts |= {node: cuts} if cuts else {}
        return True

    def watts(self, nodes: Iterable[NodeId], models: Sequence[str]) -> Watts:
        """The most that a device under this work draws: on the hungriest of the nodes, else of the models asked for,
        else of any that is known."""
        on_nodes = max((self._watts.get(n, 0) for n in nodes), default=0)
        return Watts(on_nodes or max((power.draw(m).device for m in models), default=power.UNKNOWN.device))


def _cuts(devices: Iterable[Accelerator]) -> dict[str, frozenset[int]]:
    """The indexes of each size, where a device is a slice."""
    found: dict[str, set[int]] = {}
    for device in devices:
        found.setdefault(device.cut, set()).add(device.index)
    return {size: frozenset(held) for size, held in found.items()} if found.keys() - {""} else {}
