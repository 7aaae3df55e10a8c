"""MoveWorkload and ScaleWorkload on the controllers of Kubernetes: read, checked, and brought about by an adapter of
`enacting`.

Refused: what no technology of the cluster can say. A bare pod, a Job or a controller that Placet does not know is
placed only where something holds its pods back; replicas that an autoscaler or another manager sets are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from estate.changes import MoveWorkload, ScaleWorkload
from estate.changes.kinds import unknown
from estate.conditions import Condition, Field
from estate.results import Refusal
from tools.execution.kubernetes import goals, keys, owners
from tools.execution.kubernetes.enacting.affinity import NodeAffinity
from tools.execution.kubernetes.enacting.choosing import enactment
from tools.execution.kubernetes.enacting.port import Enactment, Origin, Task
from tools.execution.kubernetes.goals import Goal
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.writing import Outrun
from tools.execution.port import StepKey

type Change = MoveWorkload | ScaleWorkload


@dataclass(frozen=True, slots=True)
class Begun:
    """A step whose first write stands."""

    way: Enactment
    task: Task
    origin: Origin


async def write(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Refusal | None:
    """Write the change once, and see it to its end. Raises as the port says."""

    async def attempt() -> Begun | Refusal | None:
        return await _begin(means, key, change, preconditions, expected)

    begun = await means.patience.insist(attempt, only=Outrun)
    return await begun.way.finish(begun.task, begun.origin) if isinstance(begun, Begun) else begun


async def rehearsed(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Refusal | None:
    """Why the change would be refused, with a dry run of its first write; None where it would not."""
    household = await _household(means, change)
    way = household if isinstance(household, Refusal) else await enactment(household, change)
    if isinstance(household, Refusal) or isinstance(way, Refusal):
        return way if isinstance(way, Refusal) else None
    goal = _goal(means, change, household, way, (preconditions, expected))
    if isinstance(goal, Refusal):
        return goal
    task = Task(means, key, change, goal)
    return await way.objection(task, household) or await way.opening(task, household, dry_run=True)


async def _begin(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition]
) -> Begun | Refusal | None:
    """The first write; or, where it stands already, what is needed to go on from it. None: a later step is past it."""
    household = await _household(means, change)
    way = household if isinstance(household, Refusal) else await enactment(household, change)
    if isinstance(household, Refusal) or isinstance(way, Refusal):
        return way if isinstance(way, Refusal) else None
    standing = keys.holds(household.owner.raw, key)
    if standing and not keys.newest(household.owner.raw, key):
        return None
    if not standing and (refusal := await means.unmet(preconditions, household.workload)):
        return refusal
    goal = _goal(means, change, household, way, (preconditions, expected))
    if isinstance(goal, Refusal):
        return goal
    task = Task(means, key, change, goal)
    if not standing:
        refusal = await way.objection(task, household) or await way.opening(task, household)
        if refusal is not None:
            return refusal
    return Begun(way, task, _origin(means, household, goal, preconditions))


async def _household(means: Means, change: Change) -> Household | Refusal:
    place, about = means.reach.place(change.workload), str(change.target())
    if place is not None and place.resource is None and (refusal := owners.unsupported(place.kind, about)):
        return refusal
    household = await means.reach.household(change.workload)
    return household or unknown(change.target())


def _goal(
    means: Means,
    change: Change,
    household: Household,
    way: Enactment,
    told: tuple[Sequence[Condition], Sequence[Condition]],
) -> Goal | Refusal:
    preconditions, expected = told
    before = goals.seated(preconditions, change.target())
    before = means.reach.seats(household) if before is None else before
    replicas = _replicas(household, change, preconditions)
    if isinstance(change, MoveWorkload):
        return goals.of_move(change, before, replicas, expected, holds_back=not isinstance(way, NodeAffinity))
    return goals.of_scale(change, before, replicas, expected)


def _replicas(household: Household, change: Change, preconditions: Sequence[Condition]) -> int:
    """How many there were before the step: as the decision read it, else as they are."""
    read = (c.equals for c in preconditions if c.about == change.target() and c.field is Field.REPLICAS)
    found = next(read, None)
    return found if isinstance(found, int) else _as_they_are(household)


def _as_they_are(household: Household) -> int:
    """Of controllers that are scaled the number that is wanted; a Job's and a bare pod's own count."""
    return int(household.owner.raw["spec"].get("replicas", household.workload.replicas))


def _origin(means: Means, household: Household, goal: Goal, preconditions: Sequence[Condition]) -> Origin:
    before = goals.seated(preconditions, goal.about)
    read = [c.equals for c in preconditions if c.about == goal.about and c.field is Field.REPLICAS]
    replicas = read[0] if read and isinstance(read[0], int) else _as_they_are(household)
    return Origin(means.reach.seats(household) if before is None else before, replicas)
