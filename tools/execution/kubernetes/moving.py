"""MoveWorkload and ScaleWorkload on the controllers of Kubernetes: what is asked before anything is written, then
`seating`.

Refused: bare pods, Jobs and controllers that Placet does not know; replicas that an autoscaler or another manager
sets; a rollout that would stop more than the contract allows; a plan that no template can say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from estate.changes import MoveWorkload, ScaleWorkload
from estate.changes.kinds import unknown
from estate.conditions import Condition, Field
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import autoscalers, goals, keys, owners, placing, stopping
from tools.execution.kubernetes.goals import Goal
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.owners import Rollout
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.seating import Origin, Seating
from tools.execution.kubernetes.writing import Outrun, held_by
from tools.execution.port import StepKey
from tools.kubernetes.objects import MOST_REPLICAS

type Change = MoveWorkload | ScaleWorkload


@dataclass(frozen=True, slots=True)
class Begun:
    """A step whose first write stands."""

    seating: Seating
    origin: Origin


async def write(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Refusal | None:
    """Write the change once, and see it to its end. Raises as the port says."""

    async def attempt() -> Begun | Refusal | None:
        return await _begin(means, key, change, preconditions, expected)

    begun = await means.patience.insist(attempt, only=Outrun)
    return await begun.seating.finish(begun.origin) if isinstance(begun, Begun) else begun


async def rehearsed(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Refusal | None:
    """Why the change would be refused, with a dry run of its first write; None where it would not."""
    household = await _household(means, change)
    if isinstance(household, Refusal):
        return household
    goal = _goal(means, change, household, preconditions, expected)
    if isinstance(goal, Refusal):
        return goal
    seating = Seating(means.reach, means.limits, means.patience, key, goal)
    return await _opened(means, household, seating, dry_run=True)


async def _begin(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Begun | Refusal | None:
    """The first write; or, where it stands already, what is needed to go on from it. None: a later step is past it."""
    household = await _household(means, change)
    if isinstance(household, Refusal):
        return household
    standing = keys.holds(household.owner.raw, key)
    if standing and not keys.newest(household.owner.raw, key):
        return None
    if not standing and (refusal := await means.unmet(preconditions, household.workload)):
        return refusal
    goal = _goal(means, change, household, preconditions, expected)
    if isinstance(goal, Refusal):
        return goal
    seating = Seating(means.reach, means.limits, means.patience, key, goal)
    if not standing and (refusal := await _opened(means, household, seating)):
        return refusal
    return Begun(seating, _origin(means, household, goal, preconditions))


async def _opened(means: Means, household: Household, seating: Seating, *, dry_run: bool = False) -> Refusal | None:
    """The first write. Pods that shall stop are told before it, and only once it is known that it would be taken."""
    if refusal := await _objection(means, household, seating.goal):
        return refusal
    if _shrinks(household, seating.goal) and household.owner.address.resource.kind != "StatefulSet":
        tried = await seating.opening(household, dry_run=True)
        leaving = stopping.leaving(means.reach, household, seating.goal)
        refusal = tried if isinstance(tried, Refusal) else None
        refusal = refusal or await stopping.mark(household, leaving, seating.key, dry_run=dry_run)
        if refusal is not None:
            return refusal
    elif seating.goal.placed and household.owner.address.resource.kind == "Deployment" and not dry_run:
        tried = await seating.opening(household, dry_run=True)
        if isinstance(tried, Refusal):
            return tried
        await stopping.free_first(means.reach, household, seating.goal, seating.key)
    written = await seating.opening(household, dry_run=dry_run)
    return written if isinstance(written, Refusal) else None


async def _household(means: Means, change: Change) -> Household | Refusal:
    place, about = means.reach.place(change.workload), str(change.target())
    if place is not None and (refusal := owners.unsupported(place.kind, about)):
        return refusal
    household = await means.reach.household(change.workload)
    return household or unknown(change.target())


def _goal(
    means: Means,
    change: Change,
    household: Household,
    preconditions: Sequence[Condition],
    expected: Sequence[Condition],
) -> Goal | Refusal:
    before = goals.seated(preconditions, change.target())
    before = means.reach.seats(household) if before is None else before
    replicas = _replicas(household, change, preconditions)
    if isinstance(change, MoveWorkload):
        return goals.of_move(change, before, replicas, expected)
    return goals.of_scale(change, before, replicas, expected)


def _replicas(household: Household, change: Change, preconditions: Sequence[Condition]) -> int:
    """How many there were before the step: as the decision read it, else as they are."""
    read = (c.equals for c in preconditions if c.about == change.target() and c.field is Field.REPLICAS)
    found = next(read, None)
    return found if isinstance(found, int) else int(household.owner.raw["spec"].get("replicas", 1))


def _origin(means: Means, household: Household, goal: Goal, preconditions: Sequence[Condition]) -> Origin:
    before = goals.seated(preconditions, goal.about)
    read = [c.equals for c in preconditions if c.about == goal.about and c.field is Field.REPLICAS]
    replicas = read[0] if read and isinstance(read[0], int) else household.owner.raw["spec"].get("replicas", 1)
    return Origin(means.reach.seats(household) if before is None else before, int(replicas))


async def _objection(means: Means, household: Household, goal: Goal) -> Refusal | None:
    """What stands against the goal before anything is written."""
    owner, about = household.owner.raw, str(goal.about)
    if owner["spec"].get("paused"):
        return _no(about, "is paused, so that no change of its template has an effect; resume its rollout")
    if owner["spec"].get("replicas", 1) > MOST_REPLICAS:
        return _no(
            about, f"wants more than {MOST_REPLICAS} replicas, which cannot be told and put back; lower that first"
        )
    if goal.replicas != owner["spec"].get("replicas", 1) and (refusal := await _autoscaled(household)):
        return refusal
    if _shrinks(household, goal):
        return stopping.objection(means.reach, household, goal)
    if not goal.placed or owners.rollout(owner) is not Rollout.ROLLS:
        return None
    return _rolling(household, goal) or await _room(means, household, goal)


def _rolling(household: Household, goal: Goal) -> Refusal | None:
    """Why a rollout of all pods would break a promise or could not bring the plan about."""
    owner, about = household.owner.raw, str(goal.about)
    if why := placing.uneven(Counter({str(n): c for n, c in goal.seats.items()})):
        return _no(about, f"cannot be placed so: {why}")
    needed = household.workload.contract.min_available
    left = household.workload.replicas - owners.most_unavailable(owner)
    if left < needed:
        why = (
            f"a change of its template stops up to {owners.most_unavailable(owner)} pods at a time, which leaves {left}"
        )
        return _no(about, f"{why} where {needed} must be available; lower its `maxUnavailable`")
    return None


async def _room(means: Means, household: Household, goal: Goal) -> Refusal | None:
    """Why a rollout that may stop nothing would stand still: a kept node must hold an old and a new pod at once."""
    needed = household.workload.contract.accelerators_per_replica
    if owners.most_unavailable(household.owner.raw) or not needed:
        return None
    for node in sorted(goal.seats.keys() & means.reach.seats(household).keys()):
        free = await means.reach.free(node)
        if free < needed:
            why = f"replaces all pods and may stop none first, and `{node}` has {free} accelerators left"
            return _no(str(goal.about), f"{why} where a new pod needs {needed}; allow a `maxUnavailable` of 1")
    return None


async def _autoscaled(household: Household) -> Refusal | None:
    address = household.owner.address
    scaler = await autoscalers.scaling(household.owner.connection, address)
    return held_by(address, (f"HorizontalPodAutoscaler {scaler}",), "spec.replicas") if scaler else None


def _shrinks(household: Household, goal: Goal) -> bool:
    return goal.replicas < int(household.owner.raw["spec"].get("replicas", 1))


def _no(about: str, why: str) -> Refusal:
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")
