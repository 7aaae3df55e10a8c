"""Which of equal pods stop when a workload shrinks: those that the goal does not want.

A Deployment or ReplicaSet stops the pods first whose deletion cost is lowest, so those to go are marked before the
replicas change. A StatefulSet always stops its highest ordinals: a goal that wants others is refused before anything is
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import keys, ownership
from tools.execution.kubernetes.evicting import pod_address
from tools.execution.kubernetes.goals import Goal, Seats
from tools.execution.kubernetes.reaching import Household, Reach
from tools.execution.kubernetes.writing import apply, find
from tools.execution.port import StepKey
from tools.kubernetes.connecting import Object

COST = "controller.kubernetes.io/pod-deletion-cost"
_LOWEST = "-2147483647"


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
        found = await find(household.owner.connection, pod_address(pod))
        if found is None:
            continue
        held = ownership.owned(found.raw)
        annotations = held.setdefault("metadata", {}).setdefault("annotations", {})
        if annotations.get(COST) == _LOWEST:
            continue
        annotations[COST] = _LOWEST
        written = await apply(found, keys.stamped(found.raw, key), held, dry_run=dry_run)
        if isinstance(written, Refusal):
            return written
    return None


def _by_name(pods: Sequence[Object]) -> list[Object]:
    return sorted(pods, key=lambda p: str(p["metadata"]["name"]))


def _ordinal(pod: Object) -> int:
    return int(str(pod["metadata"]["name"]).rpartition("-")[2])
