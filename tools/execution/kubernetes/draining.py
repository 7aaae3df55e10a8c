"""EvictPod and DrainNode: pods leave through the Eviction API, and only those that the decision read.

Before the first eviction the node carries the step's mark (a drain's in the very write that cordons it), so that
whoever resumes goes on and never begins anew. DaemonSets' pods, mirror pods and finished pods stay; one of them
that holds accelerators, a pod that nothing would make again, or one whose emptyDir would die with it, stops the step
before anything is written; and so does a workload whose next pod could land where the law forbids it (`landing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estate.changes import DrainNode, EvictPod
from estate.changes.kinds import node_thing, unknown
from estate.conditions import Condition
from estate.errors import PlacetError
from estate.ids import Uid, WorkloadId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import cordoning, evicting, keys, landing, ownership
from tools.execution.kubernetes.evicting import Unfinished, evict, pod_address
from tools.execution.kubernetes.means import Means, uid_of
from tools.execution.kubernetes.writing import Found, Outrun, apply
from tools.execution.port import StepKey
from tools.kubernetes import objects
from tools.kubernetes.connecting import Object

type Change = EvictPod | DrainNode


@dataclass(frozen=True, slots=True)
class Begun:
    """The node carries the mark; these pods shall leave it."""

    node: Found
    pods: tuple[Object, ...]


async def write(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Write the change once, and wait until the pods are gone. Raises as the port says."""

    async def attempt() -> Begun | Refusal | None:
        return await _begin(means, key, change, preconditions)

    begun = await means.patience.insist(attempt, only=Outrun)
    if not isinstance(begun, Begun):
        return begun
    refusals = await _emptied(means, begun, str(key))
    if not refusals:
        await _still_shut(means, change, begun)
        return None
    if isinstance(change, EvictPod) and isinstance(await _unmarked(means, key, change, Uid(begun.node.uid)), Found):
        return refusals[0]
    raise Unfinished(f"{len(refusals)} of {len(begun.pods)} pods are still on `{change.node}`: {refusals[0].message}")


async def rehearsed(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Why the change would be refused, with a dry run of the cordon and of each eviction."""
    node = await means.reach.node(change.node, uid_of(node_thing(change.node), preconditions))
    if node is None:
        return unknown(node_thing(change.node))
    chosen = await _chosen(means, change, node)
    pods = _all(chosen)
    if refusal := _objection(means, pods) or await _unlawfully(means, node, chosen):
        return refusal
    mark = keys.stamped(node.raw, key)
    if isinstance(change, DrainNode) and (refusal := await cordoning.cordon(node, mark, dry_run=True)):
        return refusal
    for pod in pods:
        if refusal := await evicting.rehearsed(node.connection, pod, mark):
            return refusal
    return None


async def _begin(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]
) -> Begun | Refusal | None:
    node = await means.reach.node(change.node, uid_of(node_thing(change.node), preconditions))
    if node is None:
        return unknown(node_thing(change.node))
    if keys.holds(node.raw, key):
        return await _resumed(means, key, change, node, preconditions)
    if refusal := await means.unmet(preconditions):
        return refusal
    chosen = await _chosen(means, change, node)
    pods = _all(chosen)
    if refusal := _objection(means, pods) or await _unlawfully(means, node, chosen):
        return refusal
    mark = keys.stamped(node.raw, key)
    if isinstance(change, DrainNode):
        refused = await cordoning.cordon(node, mark)
    else:
        marked = await apply(node, mark, ownership.owned(node.raw))
        refused = marked if isinstance(marked, Refusal) else None
    return refused or Begun(node, pods)


async def _resumed(
    means: Means, key: StepKey, change: Change, node: Found, preconditions: Sequence[Condition]
) -> Begun | None:
    """What is left of a step that has begun. An eviction that is no longer to be seen has happened."""
    if not keys.newest(node.raw, key):
        return None
    pods = _all(await _chosen(means, change, node))
    if isinstance(change, DrainNode):
        return Begun(node, pods)
    leaving = tuple(p for p in pods if p["metadata"].get("deletionTimestamp"))
    untouched = not leaving and await means.unmet(preconditions) is None
    return Begun(node, pods if untouched else leaving)


async def _chosen(means: Means, change: Change, node: Found) -> dict[WorkloadId, list[Object]]:
    """The pods that shall leave, by workload: of a drain all replicas on the node, of an eviction one, which may be
    leaving already.
    """
    residents = await means.reach.residents(node)
    if isinstance(change, DrainNode):
        return dict(sorted(residents.items()))
    mine = sorted(residents.get(change.workload, ()), key=_soonest)
    return {change.workload: mine[:1]}


def _all(chosen: Mapping[WorkloadId, list[Object]]) -> tuple[Object, ...]:
    return tuple(pod for pods in chosen.values() for pod in pods)


def _soonest(pod: Object) -> tuple[bool, str]:
    about = pod["metadata"]
    return not about.get("deletionTimestamp"), str(about["name"])


def _objection(means: Means, pods: Sequence[Object]) -> Refusal | None:
    """The first pod that may not be evicted, with the reason."""
    for pod in pods:
        if objects.pod(pod).kept_by_node:
            return _no(pod, "it would come back to this very node; have its DaemonSet (or its manifest) leave the node")
        if objects.pod(pod).controller is None:
            return _no(pod, "nothing would make it again; put it under a controller, or delete it yourself")
        volumes = [v["name"] for v in pod["spec"].get("volumes") or () if "emptyDir" in v]
        if volumes and not means.limits.empty_dirs:
            named = ", ".join(f"`{v}`" for v in volumes)
            return _no(pod, f"what is in its emptyDir {named} would die with it; allow that, or move the data first")
    return None


async def _unlawfully(means: Means, node: Found, chosen: Mapping[WorkloadId, list[Object]]) -> Refusal | None:
    """The first workload whose next pod could land where the law forbids it."""
    for workload, pods in chosen.items():
        if refusal := await landing.objection(means.reach, node, workload, pods):
            return refusal
    return None


async def _emptied(means: Means, begun: Begun, mark: str) -> list[Refusal]:
    """Evict them side by side, each within its own budget and deadline; what refused to go."""

    async def answer(pod: Object) -> Refusal | PlacetError | None:
        try:
            return await evict(begun.node.connection, pod, mark, means.limits)
        except PlacetError as error:  # the others are seen to their end first
            return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer(p), name=f"evict {p['metadata']['name']}") for p in begun.pods]
    answers = [task.result() for task in tasks]
    for found in answers:
        if isinstance(found, PlacetError):
            raise found
    return [a for a in answers if isinstance(a, Refusal)]


async def _still_shut(means: Means, change: Change, begun: Begun) -> None:
    """Look whether the node is the one that was drained, and is shut: one that returned meanwhile may have filled
    again.
    """
    node = await means.reach.node(change.node, Uid(begun.node.uid))
    if node is None or not isinstance(change, DrainNode):
        return
    if node.uid != begun.node.uid:
        raise Unfinished(f"node `{change.node}` was replaced while it was drained; decide again")
    if not means.reach.node_of(node).cordoned:
        raise Unfinished(
            f"somebody lifted the fence of `{change.node}` while it was drained; see who, and decide again"
        )


async def _unmarked(means: Means, key: StepKey, change: Change, uid: Uid) -> Found | Refusal:
    """Take the mark of an eviction that did not happen back, so that the step may be tried again."""

    async def attempt() -> Found | Refusal:
        node = await means.reach.node(change.node, uid)
        if node is None:
            return unknown(node_thing(change.node))
        return await apply(node, keys.stamped(node.raw, key, withdrawn=True), ownership.owned(node.raw))

    return await means.patience.insist(attempt, only=Outrun)


def _no(pod: Object, why: str) -> Refusal:
    address = pod_address(pod)
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(address), message=f"{address} was not evicted: {why}")
