"""Whether replicas fit the devices they are bound to: the capacity rule that every change of bindings shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from estate.hardware import Health, Node
from estate.ids import NodeId
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload


def seat(snapshot: Snapshot, workload: Workload, fresh: Iterable[Binding]) -> Refusal | None:
    """Why the `fresh` bindings cannot be held beside what else stands there, and beside one another; or None.

    `workload` is the workload as it will be, without them. Where `snapshot` has it otherwise does not count.
    """
    kept = list(workload.bindings)
    for binding in fresh:
        if refusal := _seat_one(snapshot, workload, kept, binding):
            return refusal
        kept.append(binding)
    return None


def seated(snapshot: Snapshot, workload: Workload, fresh: tuple[Binding, ...]) -> Result[Snapshot]:
    """The estate with `workload` as it will be, its `fresh` bindings added; or why one of them cannot be held."""
    if refusal := seat(snapshot, workload, fresh):
        return refusal
    return Ok(snapshot.with_workload(workload.model_copy(update={"bindings": (*workload.bindings, *fresh)})))


def shut_to(node: Node, workload: Workload) -> str | None:
    """What keeps new replicas of `workload` off `node` for certain, in words; None when it is open to them."""
    if node.cordoned:
        return "is cordoned"
    taint = workload.repelled_by(node)
    return f"is tainted `{taint}`" if taint is not None else None


def _seat_one(snapshot: Snapshot, workload: Workload, kept: Sequence[Binding], binding: Binding) -> Refusal | None:
    node = snapshot.node(binding.node)
    if node is None:
        return _no(binding, "is not in the estate")
    if node.cluster != workload.cluster:
        return _no(binding, f"belongs to cluster `{node.cluster}`, the workload runs in `{workload.cluster}`")
    if shut := shut_to(node, workload):
        return _no(binding, shut)
    if node.health is not Health.HEALTHY:
        return _no(binding, f"is {node.health.value}")
    return _devices(workload, binding, node, _held(snapshot, workload, kept, binding.node))


def _held(snapshot: Snapshot, workload: Workload, kept: Sequence[Binding], node: NodeId) -> set[int]:
    """The devices of a node that others hold, or the workload itself by what it keeps."""
    others = (b for w in snapshot.workloads_on(node) if w.id != workload.id for b in w.on(node))
    own = (b for b in kept if b.node == node)
    return {i for b in (*others, *own) for i in b.accelerators}


def _devices(workload: Workload, binding: Binding, node: Node, held: set[int]) -> Refusal | None:
    needed = workload.contract.accelerators_per_replica
    offered = len(set(binding.accelerators))
    if offered != needed or len(binding.accelerators) != needed:
        return _no(binding, f"offers {offered} accelerators where {needed} are needed, each named once")
    devices = {a.index: a for a in node.accelerators}
    for index in binding.accelerators:
        device = devices.get(index)
        if device is None:
            return _no(binding, f"has no accelerator {index}")
        if device.health is not Health.HEALTHY:
            return _no(binding, f"accelerator {index} is {device.health.value}")
        if index in held:
            return _no(binding, f"accelerator {index} is taken")
        if not workload.contract.accepts(device.model, device.vendor):
            return _no(binding, f"accelerator {index} is a {device.model}, the contract asks for another model")
        if device.memory_mebibytes < workload.contract.memory_mebibytes:
            return _no(binding, f"accelerator {index} has too little memory")
    return None


def _no(binding: Binding, fault: str) -> Refusal:
    return Refusal(code=RefusalCode.NO_CAPACITY, about=f"node/{binding.node}", message=f"`{binding.node}` {fault}")
