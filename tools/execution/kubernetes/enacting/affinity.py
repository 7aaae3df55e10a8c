"""Required node affinity in the owner's template: works on every cluster, where templates may change.

Before anything is written: a rollout of all pods must keep what is promised and find room, and the template must be
able to say the plan. `seating` writes it and sees it through.
"""

from __future__ import annotations

from collections import Counter

from estate.results import Refusal
from tools.execution.kubernetes import owners, placing, stopping
from tools.execution.kubernetes.enacting.asking import autoscaled, never_changed, no, shrinks
from tools.execution.kubernetes.enacting.port import Origin, Task
from tools.execution.kubernetes.owners import Rollout
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.seating import Seating


class NodeAffinity:
    """See the port."""

    async def objection(self, task: Task, household: Household) -> Refusal | None:
        """See the port."""
        owner, goal = household.owner.raw, task.goal
        if refusal := never_changed(household, goal) or await autoscaled(household, goal):
            return refusal
        if shrinks(household, goal):
            return stopping.objection(task.means.reach, household, goal)
        if not goal.placed or owners.rollout(owner) is not Rollout.ROLLS:
            return None
        return _rolling(task, household) or await _room(task, household)

    async def opening(self, task: Task, household: Household, *, dry_run: bool = False) -> Refusal | None:
        """See the port. Pods that shall stop are told before it, and only once it is known that it would be taken."""
        seating, kind = _seating(task), household.owner.address.resource.kind
        if shrinks(household, task.goal) and kind != "StatefulSet":
            tried = await seating.opening(household, dry_run=True)
            leaving = stopping.leaving(task.means.reach, household, task.goal)
            refusal = tried if isinstance(tried, Refusal) else None
            refusal = refusal or await stopping.mark(household, leaving, task.key, dry_run=dry_run)
            if refusal is not None:
                return refusal
        elif task.goal.placed and kind == "Deployment" and not dry_run:
            tried = await seating.opening(household, dry_run=True)
            if isinstance(tried, Refusal):
                return tried
            await stopping.free_first(task.means.reach, household, task.goal, task.key)
        written = await seating.opening(household, dry_run=dry_run)
        return written if isinstance(written, Refusal) else None

    async def finish(self, task: Task, origin: Origin) -> Refusal | None:
        """See the port."""
        return await _seating(task).finish(origin)


def _seating(task: Task) -> Seating:
    return Seating(task.means.reach, task.means.limits, task.means.patience, task.key, task.goal)


def _rolling(task: Task, household: Household) -> Refusal | None:
    """Why a rollout of all pods would break a promise or could not bring the plan about."""
    owner, about = household.owner.raw, str(task.goal.about)
    if why := placing.uneven(Counter({str(n): c for n, c in task.goal.seats.items()})):
        return no(about, f"cannot be placed so: {why}")
    needed = household.workload.contract.min_available
    left = household.workload.replicas - owners.most_unavailable(owner)
    if left < needed:
        why = (
            f"a change of its template stops up to {owners.most_unavailable(owner)} pods at a time, which leaves {left}"
        )
        return no(about, f"{why} where {needed} must be available; lower its `maxUnavailable`")
    return None


async def _room(task: Task, household: Household) -> Refusal | None:
    """Why a rollout that may stop nothing would stand still: a kept node must hold an old and a new pod at once."""
    reach, needed = task.means.reach, household.workload.contract.accelerators_per_replica
    if owners.most_unavailable(household.owner.raw) or not needed:
        return None
    for node in sorted(task.goal.seats.keys() & reach.seats(household).keys()):
        free = await reach.free(node)
        if free < needed:
            why = f"replaces all pods and may stop none first, and `{node}` has {free} accelerators left"
            return no(str(task.goal.about), f"{why} where a new pod needs {needed}; allow a `maxUnavailable` of 1")
    return None
