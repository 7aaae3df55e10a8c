"""RemoveWorkload on Kubernetes: a controller is deleted by uid, once its counterpart runs, and its pods' end awaited.

Its pods end with it, each with its own grace period, under no disruption budget: the budget's promise is kept by the
counterpart, and judged by the law. In an undo, a copy is known by the mark of the step that made it.
"""

from __future__ import annotations

from collections.abc import Sequence

from estate.changes import RemoveWorkload
from estate.changes.kinds import unknown
from estate.conditions import Condition
from estate.objects import MADE
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import ending, keys, owners
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Place
from tools.execution.kubernetes.writing import Address, Found, Outrun, apply, find
from tools.execution.port import StepKey
from tools.kubernetes import ownership


async def write(
    means: Means, key: StepKey, change: RemoveWorkload, preconditions: Sequence[Condition]
) -> Refusal | None:
    """Remove it once, while the preconditions hold. What is not found is removed: nobody could tell by whom.

    Raises as the port says.
    """

    async def attempt() -> Found | Refusal | None:
        return await _begin(means, key, change, preconditions)

    answer = await means.patience.insist(attempt, only=Outrun)
    if isinstance(answer, Found):
        await ending.ended(means.limits, answer)
        return None
    return answer


async def rehearsed(means: Means, key: StepKey, change: RemoveWorkload) -> Refusal | None:
    """Why its cluster would not let it be marked, which is the first write; and where it bears a mark, be deleted."""
    place = _place(means, change)
    if isinstance(place, Refusal):
        return place
    found = await _found(means, place)
    if found is None:
        return unknown(change.target())
    marked = await apply(found, keys.stamped(found.raw, key), ownership.owned(found.raw), dry_run=True)
    if isinstance(marked, Refusal) or not keys.standing(found.raw):
        return marked if isinstance(marked, Refusal) else None
    return await ending.delete(found, dependents=True, dry_run=True)


async def _begin(
    means: Means, key: StepKey, change: RemoveWorkload, preconditions: Sequence[Condition]
) -> Found | Refusal | None:
    """What is on its way out, or None where nothing is there."""
    place = _place(means, change)
    if isinstance(place, Refusal):
        return place
    found = await _found(means, place)
    if found is None or (keys.holds(found.raw, key) and ending.is_ending(found)):
        return found
    if refusal := _mistaken(key, change, found, preconditions) or await means.unmet(preconditions):
        return refusal
    if not keys.holds(found.raw, key):
        marked = await apply(found, keys.stamped(found.raw, key), ownership.owned(found.raw), remember=False)
        if isinstance(marked, Refusal):
            return marked
        found = marked
    return await ending.delete(found, dependents=True) or found


def _place(means: Means, change: RemoveWorkload) -> Place | Refusal:
    about = str(change.target())
    place = means.reach.place(change.workload)
    if place is None:
        cluster = change.workload.partition(".")[0]
        why = f"`{about}` is in cluster `{cluster}`, which this executor does not write; give it that cluster too"
        return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=why)
    return owners.unsupported(place.kind, about) or place


async def _found(means: Means, place: Place) -> Found | None:
    assert place.resource is not None, "a kind that is supported is read"
    connection = await means.reach.connection(place.cluster)
    return await find(connection, Address(place.resource, place.name, place.namespace))


def _mistaken(key: StepKey, change: RemoveWorkload, found: Found, preconditions: Sequence[Condition]) -> Refusal | None:
    """What a step made has a uid that no decision read: only that step's undo may remove it, by its mark."""
    about = change.target()
    if not any(c.about == about and c.uid == MADE for c in preconditions):
        return None
    if key.undo and keys.holds(found.raw, StepKey(key.proposal, key.number, undo=False)):
        return None
    why = f"`{about}` was replaced (another uid); it is not what this step made"
    return Refusal(code=RefusalCode.UID_CHANGED, about=str(about), message=why)
