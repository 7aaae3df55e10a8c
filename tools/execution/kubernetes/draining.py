"""EvictPod and DrainNode: pods leave through the Eviction API, and only those that the decision read.

Before the first eviction the node carries the step's mark (a drain's in the very write that cordons it), so that
whoever resumes goes on and never begins anew. DaemonSets' pods, mirror pods and finished pods stay; one of them
that holds accelerators, a pod that nothing would make again, or one whose emptyDir would die with it, stops the step
before anything is written; and so does a workload whose next pod could land where the law forbids it (`landing`).
A gang leaves whole (`ganging`), and is seen to begin anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from estate.changes import DrainNode, EvictPod
from estate.changes.kinds import node_thing, resident_thing, unknown
from estate.conditions import Condition
from estate.errors import PlacetError
from estate.ids import Uid, WorkloadId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import cordoning, evicting, ganging, keys, landing
from tools.execution.kubernetes.evicting import Unfinished, evict, pod_address
from tools.execution.kubernetes.ganging import Gang
from tools.execution.kubernetes.means import Means, uid_of
from tools.execution.kubernetes.writing import Found, Outrun, apply
from tools.execution.port import StepKey
from tools.kubernetes import objects, ownership
from tools.kubernetes.connecting import Object

type Change = EvictPod | DrainNode


@dataclass(frozen=True, slots=True)
class Begun:
    """The node carries the mark; these pods shall leave it."""

    node: Found
    leaving: Mapping[WorkloadId, Sequence[Object]]
    """By the workload that they are replicas of."""
    gangs: tuple[Gang, ...] = ()
    """The gangs that these pods are in, with their members elsewhere."""

    @property
    def pods(self) -> tuple[Object, ...]:
        """Who leaves the node."""
        return tuple(pod for pods in self.leaving.values() for pod in pods)

    @property
    def mates(self) -> tuple[Object, ...]:
        """Who leaves other nodes because these leave this one."""
        return ganging.mates(self.gangs, self.pods)


async def write(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Write the change once, and wait until the pods are gone. Raises as the port says."""

    async def attempt() -> Begun | Refusal | None:
        return await _begin(means, key, change, preconditions)

    begun = await means.patience.insist(attempt, only=Outrun)
    if not isinstance(begun, Begun):
        return begun
    refusals = await _emptied(means, begun, str(key))
    if not refusals:
        await ganging.begun_anew(means, begun.node.connection, begun.gangs)
        await _still_shut(means, change, begun)
        return None
    if begun.mates:
        stopped = ", ".join(str(g) for g in begun.gangs)
        raise Unfinished(f"part of the {stopped} is stopped, and part may not go: {refusals[0].message}")
    if isinstance(change, EvictPod) and isinstance(await _unmarked(means, key, change, Uid(begun.node.uid)), Found):
        return refusals[0]
    raise Unfinished(f"{len(refusals)} of {len(begun.pods)} pods are still on `{change.node}`: {refusals[0].message}")


async def rehearsed(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Why the change would be refused, with a dry run of the cordon and of each eviction."""
    node = await means.reach.node(change.node, uid_of(node_thing(change.node), preconditions))
    if node is None:
        return unknown(node_thing(change.node))
    leaving = await _leaving(means, change, node)
    if refusal := await _objection(means, leaving):
        return refusal
    mark = keys.stamped(node.raw, key)
    if isinstance(change, DrainNode) and (refusal := await cordoning.cordon(node, mark, dry_run=True)):
        return refusal
    for pod in (*leaving.mates, *leaving.pods):
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
    leaving = await _leaving(means, change, node)
    if refusal := await _objection(means, leaving):
        return refusal
    mark = keys.stamped(node.raw, key)
    if isinstance(change, DrainNode):
        refused = await cordoning.cordon(node, mark)
    else:
        marked = await apply(node, mark, ownership.owned(node.raw))
        refused = marked if isinstance(marked, Refusal) else None
    return refused or leaving


async def _resumed(
    means: Means, key: StepKey, change: Change, node: Found, preconditions: Sequence[Condition]
) -> Begun | None:
    """What is left of a step that has begun. An eviction that is no longer to be seen has happened."""
    if not keys.newest(node.raw, key):
        return None
    found = await _leaving(means, change, node)
    if isinstance(change, DrainNode):
        return found
    leaving = tuple(p for p in found.pods if p["metadata"].get("deletionTimestamp"))
    here = [c for c in preconditions if c.about == resident_thing(change.workload, change.node)]
    untouched = not leaving and await means.unmet(here) is None
    return found if untouched else Begun(node, {change.workload: leaving})


async def _leaving(means: Means, change: Change, node: Found) -> Begun:
    """Who shall leave the node, and their gangs."""
    begun = Begun(node, await _chosen(means, change, node))
    return replace(begun, gangs=await ganging.gangs_of(means, node.connection, begun.pods))


async def _chosen(means: Means, change: Change, node: Found) -> dict[WorkloadId, list[Object]]:
    """The pods that shall leave, by workload: of a drain all replicas on the node, of an eviction one, which may be
    leaving already.
    """
    residents = await means.reach.residents(node)
    if isinstance(change, DrainNode):
        return dict(sorted(residents.items()))
    mine = sorted(residents.get(change.workload, ()), key=_soonest)
    return {change.workload: mine[:1]}


def _soonest(pod: Object) -> tuple[bool, str]:
    about = pod["metadata"]
    return not about.get("deletionTimestamp"), str(about["name"])


async def _objection(means: Means, leaving: Begun) -> Refusal | None:
    """The first pod, or gang, that may not be evicted, with the reason."""
    if refusal := _evictable(means, (*leaving.pods, *leaving.mates)):
        return refusal
    return await ganging.objection(leaving.node.connection, leaving.gangs) or await _unlawfully(means, leaving)


def _evictable(means: Means, pods: Sequence[Object]) -> Refusal | None:
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


async def _unlawfully(means: Means, begun: Begun) -> Refusal | None:
    """The first workload, a gang's mates with it, whose next pod could land where the law forbids it."""
    mates = await means.reach.by_workload(begun.node, begun.mates)
    for workload, pods in (*begun.leaving.items(), *mates.items()):
        if refusal := await landing.objection(means.reach, begun.node, workload, pods):
            return refusal
    return None


async def _emptied(means: Means, begun: Begun, mark: str) -> list[Refusal]:
    """Evict the mates of a gang, then the pods on the node, so that they tell who belongs together until the end."""
    return await _evicted(means, begun, begun.mates, mark) or await _evicted(means, begun, begun.pods, mark)


async def _evicted(means: Means, begun: Begun, pods: Sequence[Object], mark: str) -> list[Refusal]:
    """Evict them side by side, each within its own budget and deadline; what refused to go."""

    async def answer(pod: Object) -> Refusal | PlacetError | None:
        try:
            return await evict(begun.node.connection, pod, mark, means.limits)
        except PlacetError as error:  # the others are seen to their end first
            return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer(p), name=f"evict {p['metadata']['name']}") for p in pods]
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
