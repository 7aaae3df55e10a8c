"""Whether replicas fit the nodes and devices they are bound to: the capacity rule that every change of bindings shares.

Devices, and parts of them; processors and memory of the node. What a scheduler would refuse is refused here before it
is proposed, approved or done.
"""

from __future__ import annotations

from collections.abc import Iterable

from estate import loads, localities
from estate.hardware import Accelerator, Health, Node
from estate.ids import NodeId
from estate.loads import Load
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload


def seat(snapshot: Snapshot, workload: Workload, fresh: Iterable[Binding]) -> Refusal | None:
    """Why the `fresh` bindings cannot be held beside what else stands there, and beside one another; or None.

    `workload` is the workload as it will be, without them. Where `snapshot` has it otherwise does not count.
    """
    taken: dict[NodeId, Load] = {}
    for binding in fresh:
        node = snapshot.node(binding.node)
        if node is None:
            return _no(binding, "is not in the estate")
        if node.id not in taken:
            taken[node.id] = loads.beside(snapshot, node, workload, workload.bindings)
        if fault := _fault(workload, binding, node, taken[node.id]):
            return _no(binding, fault)
        taken[node.id].add(workload, (binding,))
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


def _fault(workload: Workload, binding: Binding, node: Node, load: Load) -> str | None:
    """What is wrong with one replica there, beside the load of the others."""
    if node.cluster != workload.cluster:
        return f"belongs to cluster `{node.cluster}`, the workload runs in `{workload.cluster}`"
    if shut := shut_to(node, workload):
        return shut
    if node.health is not Health.HEALTHY:
        return f"is {node.health.value}"
    if absent := [r for r in workload.contract.software if not r.met_by(node.software)]:
        return f"has no {absent[0].name} of {absent[0].at_least} or later"
    return _lack(workload, node, load) or _misfit(workload, binding, node, load)


def _lack(workload: Workload, node: Node, load: Load) -> str | None:
    """Processors or memory of the node that one more replica would be short of."""
    contract = workload.contract
    cpu, memory = load.processors_left(node), load.memory_left(node)
    if contract.millicores and cpu is not None and contract.millicores > cpu:
        return f"has {max(cpu, 0)} millicores left, {contract.millicores} are needed"
    if contract.host_mebibytes and memory is not None and contract.host_mebibytes > memory:
        return f"has {max(memory, 0)} MiB of memory left, {contract.host_mebibytes} are needed"
    return None


def _misfit(workload: Workload, binding: Binding, node: Node, load: Load) -> str | None:
    needed, offered = workload.contract.accelerators_per_replica, len(set(binding.accelerators))
    if offered != needed or len(binding.accelerators) != needed:
        return f"offers {offered} accelerators where {needed} are needed, each named once"
    devices = {a.index: a for a in node.accelerators}
    for index in binding.accelerators:
        device = devices.get(index)
        if device is None:
            return f"has no accelerator {index}"
        if fault := _unfit(workload, device) or _taken(workload, device, load):
            return f"accelerator {index} {fault}"
    return _scattered(workload, binding, node, load)


def _scattered(workload: Workload, binding: Binding, node: Node, load: Load) -> str | None:
    """Whether what it holds is not in one part of the node, or that part is short of something."""
    contract = workload.contract
    if contract.locality is None and not contract.rails:
        return None
    found = localities.spread(node, contract.locality, binding)
    if len(found) != 1 or found.total() < len(binding.accelerators):
        word = contract.locality.value if contract.locality else "node"
        return f"does not have accelerators {', '.join(map(str, binding.accelerators))} in one {word}"
    part = next(iter(found))
    lacking = localities.supplies(node, contract.locality, load.running)[part].lacks(workload)
    return lacking and f"{contract.locality.value} {part} {lacking}" if contract.locality else lacking


def _unfit(workload: Workload, device: Accelerator) -> str | None:
    """Why the contract does not accept a device, whoever holds it."""
    contract = workload.contract
    if device.health is not Health.HEALTHY:
        return f"is {device.health.value}"
    if not contract.accepts(device.model, device.vendor):
        return f"is a {device.model}, the contract asks for another model"
    if device.memory_mebibytes < contract.memory_mebibytes:
        return "has too little memory"
    if contract.limit_watts and (device.power_limit_watts or 0) < contract.limit_watts:
        return f"may draw less than {contract.limit_watts} W, or nobody tells how much"
    if device.cut != contract.profile:
        return f"is {_sized(device.cut)}, the contract asks for {_sized(contract.profile)}"
    if contract.share is not None and device.sharing is None:
        return "cannot be shared"
    return None


def _taken(workload: Workload, device: Accelerator, load: Load) -> str | None:
    """Who holds a device already: only replicas of one tenant share one."""
    left, wanted = load.milli_left(device.index), workload.contract.milli
    if wanted <= left:
        others = load.tenants[device.index] - {workload.tenant}
        return f"is shared by `{min(others)}`; two tenants never share one" if others else None
    return "is taken" if not left or workload.contract.share is None else f"has {left} thousandths left of {wanted}"


def _sized(profile: str) -> str:
    return f"a slice `{profile}`" if profile else "a whole accelerator"


def _no(binding: Binding, fault: str) -> Refusal:
    return Refusal(code=RefusalCode.NO_CAPACITY, about=f"node/{binding.node}", message=f"`{binding.node}` {fault}")
