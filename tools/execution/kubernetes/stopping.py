"""Which of equal pods stop when a workload shrinks: those that the goal does not want; and which first when it rolls.

A Deployment or ReplicaSet stops the pods first whose deletion cost is lowest, so those to go are marked before the
replicas change. A StatefulSet always stops its highest ordinals: a goal that wants others is refused before anything is
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import keys
from tools.execution.kubernetes.evicting import pod_address
from tools.execution.kubernetes.goals import Goal, Seats
from tools.execution.kubernetes.reaching import Household, Reach
from tools.execution.kubernetes.writing import apply, find
from tools.execution.port import StepKey
from tools.kubernetes import objects, ownership
from tools.kubernetes.connecting import Object

COST = "controller.kubernetes.io/pod-deletion-cost"
_LOWEST = "-2147483647"
_EARLY = "-1000000"
"""Low, and above what marks a pod that shall stop for good."""


def leaving(reach: Reach, household: Household, goal: Goal) -> list[Object]:
    """The pods that the goal does not want, by name; pending ones where it wants fewer pods than are bound."""
    surplus = reach.seats(household) - goal.seats
    chosen: list[Object] = []
    for pod in _by_name(household.pods):
        name = pod["spec"].get("nodeName")
        node = reach.node_called(goal.workload, name) if name else None
        if node is not None and surplus[node] > 0:
            surplus[node] -= 1
            chosen.append(pod)
    return chosen


def objection(reach: Reach, household: Household, goal: Goal) -> Refusal | None:
    """Why its controller would stop other pods than the goal wants, or None."""
    if household.owner.address.resource.kind != "StatefulSet":
        return None
    ordered = sorted(household.pods, key=_ordinal)
    kept: Seats = Counter(
        reach.node_called(goal.workload, p["spec"]["nodeName"])
        for p in ordered[: goal.replicas]
        if p["spec"].get("nodeName")
    )
    if kept == goal.seats:
        return None
    return Refusal(
        code=RefusalCode.NOT_SUPPORTED,
        about=str(goal.about),
        message=f"`{goal.about}` is a StatefulSet, which stops its highest ordinals; the plan keeps other"
        " pods than those",
    )


async def mark(household: Household, pods: Sequence[Object], key: StepKey, *, dry_run: bool = False) -> Refusal | None:
    """Let these pods stop first."""
    for pod in pods:
        if refusal := await _marked(household, pod, key, _LOWEST, dry_run=dry_run):
            return refusal
    return None


async def free_first(reach: Reach, household: Household, goal: Goal, key: StepKey) -> None:
    """Let a rollout begin with the pods on nodes that it fills again.

    A new pod may find no room on such a node while an old one stays; were others stopped first, the old one might have
    to stay for the sake of availability, and the rollout would stand still. What somebody else has marked is left.
    """
    for pod in _by_name(household.pods):
        name = pod["spec"].get("nodeName")
        if name and goal.seats[reach.node_called(goal.workload, name)]:
            await _marked(household, pod, key, _EARLY)


async def _marked(
    household: Household, pod: Object, key: StepKey, cost: str, *, dry_run: bool = False
) -> Refusal | None:
    found = await find(household.owner.connection, pod_address(pod))
    if found is None:
        return None
    held = ownership.owned(found.raw)
    annotations = held.setdefault("metadata", {}).setdefault("annotations", {})
    if annotations.get(COST) == cost:
        return None
    annotations[COST] = cost
    written = await apply(found, keys.stamped(found.raw, key), held, dry_run=dry_run)
    return written if isinstance(written, Refusal) else None


def _by_name(pods: Sequence[Object]) -> list[Object]:
    return sorted(pods, key=lambda p: str(p["metadata"]["name"]))


def _ordinal(pod: Object) -> int:
    """The last for a pod that only claims to be of the set: its name is anybody's to choose."""
    number = str(pod["metadata"]["name"]).rpartition("-")[2]
    return int(number) if number.isdecimal() and len(number) < 9 else objects.MOST_REPLICAS
