"""Whether replicas fit the devices they are bound to: the capacity rule that every change of bindings shares."""

from __future__ import annotations

from collections.abc import Iterable

from estate.hardware import Health, Node
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload


def seat(snapshot: Snapshot, workload: Workload, fresh: Iterable[Binding]) -> Refusal | None:
    """Why the `fresh` bindings of `workload` cannot be held, or None.

    `snapshot` is without the workload's moved replicas; `workload` is the workload as it will be.
    """
    for binding in fresh:
        if refusal := _seat_one(snapshot, workload, binding):
            return refusal
    return None


def seated(snapshot: Snapshot, workload: Workload, fresh: Iterable[Binding]) -> Result[Snapshot]:
    """The estate with `workload` as it will be, its `fresh` bindings added; or why one of them cannot be held."""
    after = snapshot.with_workload(workload)
    for binding in fresh:
        if refusal := seat(after, workload, (binding,)):
            return refusal
        workload = workload.model_copy(update={"bindings": (*workload.bindings, binding)})
        after = after.with_workload(workload)
    return Ok(after)


def shut_to(node: Node, workload: Workload) -> str | None:
    """What keeps new replicas of `workload` off `node` for certain, in words; None when it is open to them."""
    if node.cordoned:
        return "is cordoned"
    taint = workload.repelled_by(node)
    return f"is tainted `{taint}`" if taint is not None else None


def _seat_one(snapshot: Snapshot, workload: Workload, binding: Binding) -> Refusal | None:
    node = snapshot.node(binding.node)
    if node is None:
        return _no(binding, "is not in the estate")
    if node.cluster != workload.cluster:
        return _no(binding, f"belongs to cluster `{node.cluster}`, the workload runs in `{workload.cluster}`")
    if shut := shut_to(node, workload):
        return _no(binding, shut)
    if node.health is not Health.HEALTHY:
        return _no(binding, f"is {node.health.value}")
    return _devices(snapshot, workload, binding, node)


def _devices(snapshot: Snapshot, workload: Workload, binding: Binding, node: Node) -> Refusal | None:
    needed = workload.contract.accelerators_per_replica
    offered = len(set(binding.accelerators))
    if offered != needed or len(binding.accelerators) != needed:
        return _no(binding, f"offers {offered} accelerators where {needed} are needed, each named once")
    held_by_others = snapshot.taken(node.id)
    devices = {a.index: a for a in node.accelerators}
    for index in binding.accelerators:
        device = devices.get(index)
        if device is None:
            return _no(binding, f"has no accelerator {index}")
        if device.health is not Health.HEALTHY:
            return _no(binding, f"accelerator {index} is {device.health.value}")
        if index in held_by_others:
            return _no(binding, f"accelerator {index} is taken")
        if not workload.contract.accepts(device.model, device.vendor):
            return _no(binding, f"accelerator {index} is a {device.model}, the contract asks for another model")
        if device.memory_mebibytes < workload.contract.memory_mebibytes:
            return _no(binding, f"accelerator {index} has too little memory")
    return None


def _no(binding: Binding, fault: str) -> Refusal:
    return Refusal(code=RefusalCode.NO_CAPACITY, about=f"node/{binding.node}", message=f"`{binding.node}` {fault}")
