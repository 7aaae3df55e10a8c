"""A step in the numbers of a live sight. Pure.

Replica numbers and device indexes of a counted workload are the inventory's book-keeping; a live read has numbers of
its own. So that a step may be played on a live sight, its change is written anew: a replica on the same node, as many
free devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, islice

from estate.changes import Change, CopyWorkload, MoveWorkload, ReplicaMove, ScaleWorkload
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import NodeId
from estate.workloads import Binding, Workload
from tools.execution.kubernetes import goals


def recounted(step: Step, sight: FrozenEstate) -> tuple[Change, FrozenEstate]:
    """The change as it reads in the sight's own numbers, and the sight with those to stop numbered highest."""
    change = step.change
    if not isinstance(change, MoveWorkload | ScaleWorkload | CopyWorkload):
        return change, sight
    workload = sight.workload(change.workload)
    if workload is None or not workload.counted:
        return change, sight
    if isinstance(change, MoveWorkload):
        return _moved(change, workload, sight), sight
    if isinstance(change, CopyWorkload):
        return _copied(change, workload, sight), sight
    renumbered = _numbered(workload, change.replicas, goals.seated(step.postconditions, change.target()))
    return _scaled(change, renumbered, sight), sight.with_workload(renumbered)


def _moved(change: MoveWorkload, workload: Workload, sight: FrozenEstate) -> MoveWorkload:
    bound = list(workload.bindings)
    unbound = [n for n in range(workload.replicas) if n not in {b.replica for b in bound}]
    devices = _Devices(sight, workload.contract.profile)
    moves = []
    for move in change.moves:
        at = next((b for b in bound if b.node == move.source), None)
        if at is not None:
            bound.remove(at)
            devices.free(at)
        number = at.replica if at else unbound.pop(0) if move.source is None and unbound else move.replica
        moves.append((number, move))
    return change.model_copy(
        update={
            "moves": tuple(
                ReplicaMove(
                    replica=number,
                    source=move.source,
                    target=move.target,
                    accelerators=devices.take(move.target, len(move.accelerators)) if move.target else (),
                )
                for number, move in moves
            )
        }
    )


def _copied(change: CopyWorkload, workload: Workload, sight: FrozenEstate) -> CopyWorkload:
    devices = _Devices(sight, workload.contract.profile)
    bindings = tuple(
        b.model_copy(update={"accelerators": devices.take(b.node, len(b.accelerators))}) for b in change.bindings
    )
    return change.model_copy(update={"bindings": bindings})


def _scaled(change: ScaleWorkload, workload: Workload, sight: FrozenEstate) -> ScaleWorkload:
    devices = _Devices(sight, workload.contract.profile)
    bindings = tuple(
        Binding(replica=number, node=b.node, accelerators=devices.take(b.node, len(b.accelerators)))
        for number, b in enumerate(change.bindings, start=workload.replicas)
    )
    return change.model_copy(update={"bindings": bindings})


def _numbered(workload: Workload, kept: int, seats: goals.Seats | None) -> Workload:
    """The workload with the replicas that shall stay numbered below `kept`."""
    if seats is None or kept >= workload.replicas:
        return workload
    left = seats.copy()
    stay: list[Binding] = []
    stop: list[Binding] = []
    for binding in workload.bindings:
        (stay if left[binding.node] > 0 else stop).append(binding)
        left[binding.node] -= 1
    numbers = (n for n in range(kept, workload.replicas))
    renumbered = [b.model_copy(update={"replica": n}) for n, b in enumerate(stay)]
    renumbered += [b.model_copy(update={"replica": n}) for n, b in zip(numbers, stop, strict=False)]
    fits = len(stay) <= kept and len(renumbered) == len(workload.bindings)
    return workload.model_copy(update={"bindings": tuple(renumbered)}) if fits else workload


class _Devices:
    """Free device indexes while a change is written anew."""

    def __init__(self, sight: FrozenEstate, profile: str) -> None:
        """`profile` is the size that is asked for; on a node with others only devices of that size are taken."""
        self._sight, self._profile = sight, profile
        self._taken: dict[NodeId, set[int]] = {}

    def free(self, binding: Binding) -> None:
        """These will be free by then."""
        self._of(binding.node).difference_update(binding.accelerators)

    def take(self, node: NodeId, wanted: int) -> tuple[int, ...]:
        """The lowest free ones."""
        taken = self._of(node)
        indexes = tuple(islice((i for i in self._fit(node) if i not in taken), wanted))
        taken.update(indexes)
        return indexes

    def _fit(self, node: NodeId) -> Iterable[int]:
        """Of a node that counts no devices any number: whether there are so many is its cluster's to say."""
        found = self._sight.node(node)
        devices = found.accelerators if found is not None else ()
        return (a.index for a in devices if a.cut == self._profile) if devices else count()

    def _of(self, node: NodeId) -> set[int]:
        return self._taken.setdefault(node, set(self._sight.taken(node)))
