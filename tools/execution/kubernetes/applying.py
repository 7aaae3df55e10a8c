"""ApplyManifest and DeleteObject on Kubernetes: server-side apply of what Placet alone holds, and its deletion by uid.

An object whose content another field manager holds is never written, and the refusal names it. What an API server would
write otherwise than it was proposed (a quantity, a default) is refused by the dry run, with the fields to correct.
"""

from __future__ import annotations

from collections.abc import Sequence

from estate.changes import ApplyManifest, DeleteObject
from estate.conditions import Condition
from estate.manifests import Form, differences, form_of, unfit
from estate.objects import MADE
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import ending, keys
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.writing import Address, Found, Outrun, apply, create, gone, held_by
from tools.execution.port import StepKey
from tools.kubernetes import ownership

type Change = ApplyManifest | DeleteObject


async def write(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Write the change once, while its preconditions hold. Raises as the port says.

    What a deletion does not find is deleted: nobody could tell whether this very step did it.
    """

    async def attempt() -> Found | Refusal | None:
        if isinstance(change, ApplyManifest):
            return await _apply(means, key, change, preconditions)
        return await _delete(means, key, change, preconditions)

    answer = await means.patience.insist(attempt, only=Outrun)
    if isinstance(answer, Refusal):
        return answer
    if isinstance(change, DeleteObject) and answer is not None:
        await ending.ended(means.limits, answer)
    return None


async def rehearsed(means: Means, key: StepKey, change: Change) -> Refusal | None:
    """Why the cluster would refuse the change, or write it otherwise, by a dry run of its write."""
    found = await means.reach.object(change.address)
    if refusal := _barred(key, change, found) or await _unmet(means, change, found, ()):
        return refusal
    if isinstance(change, DeleteObject):
        return gone(means.reach.address(change.address)) if found is None else await ending.delete(found, dry_run=True)
    answer = await _applied(means, key, change, found, dry_run=True)
    return answer if isinstance(answer, Refusal) else _rewritten(answer, form_of(change.manifest))


async def _apply(
    means: Means, key: StepKey, change: ApplyManifest, preconditions: Sequence[Condition]
) -> Found | Refusal | None:
    found = await means.reach.object(change.address)
    if found is not None and keys.holds(found.raw, key):
        return None
    if refusal := _barred(key, change, found) or await _unmet(means, change, found, preconditions):
        return refusal
    answer = await _applied(means, key, change, found)
    if found is not None or isinstance(answer, Refusal):
        return answer
    return await _made(means, key, answer)


async def _applied(
    means: Means, key: StepKey, change: ApplyManifest, found: Found | None, *, dry_run: bool = False
) -> Found | Refusal:
    held = form_of(change.manifest)
    if found is not None:
        return await apply(found, keys.stamped(found.raw, key), held, dry_run=dry_run)
    connection = await means.reach.connection(change.cluster)
    return await create(connection, means.reach.address(change.address), str(key), held, dry_run=dry_run)


async def _made(means: Means, key: StepKey, answer: Found) -> Found | Refusal:
    """What was made, unless somebody made it in the same moment: then our part of it is given up again."""
    if not (others := means.reach.sighting_of(answer).others):
        return answer
    taken_back = await apply(answer, keys.stamped(answer.raw, key, withdrawn=True), {})
    return taken_back if isinstance(taken_back, Refusal) else held_by(answer.address, others)


async def _delete(
    means: Means, key: StepKey, change: DeleteObject, preconditions: Sequence[Condition]
) -> Found | Refusal | None:
    """What is on its way out, or None where nothing is there."""
    found = await means.reach.object(change.address)
    if found is None:
        return None
    if keys.holds(found.raw, key) and means.reach.sighting_of(found).ending:
        return found
    if refusal := _barred(key, change, found) or await _unmet(means, change, found, preconditions):
        return refusal
    if not keys.holds(found.raw, key):
        marked = await apply(found, keys.stamped(found.raw, key), ownership.held_form(found.raw), remember=False)
        if isinstance(marked, Refusal):
            return marked
        found = marked
    return await ending.delete(found) or found


async def _unmet(
    means: Means, change: Change, found: Found | None, preconditions: Sequence[Condition]
) -> Refusal | None:
    seen = means.reach.sighting(change.address, found)
    if seen.others and found is not None:
        return held_by(found.address, seen.others)
    return await means.unmet(preconditions, seen)


def _barred(key: StepKey, change: Change, found: Found | None) -> Refusal | None:
    """Why the object may not be written by anybody, or it is not known which one is meant."""
    if isinstance(change, ApplyManifest) and (why := unfit(change.manifest)):
        return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(change.target()), message=f"`{change.address}`: {why}")
    if change.before is None or change.before.uid != MADE or found is None:
        return None
    if not key.undo:
        why = "say in `before.uid` which object is meant; an undo alone may leave it out"
        return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(change.target()), message=f"`{change.address}`: {why}")
    if keys.holds(found.raw, StepKey(key.proposal, key.number, undo=False)):
        return None
    why = "was replaced (another uid); it is not what this step made"
    return Refusal(code=RefusalCode.UID_CHANGED, about=str(change.target()), message=f"`{change.address}` {why}")


def _rewritten(answer: Found, wanted: Form) -> Refusal | None:
    """The refusal of what the API server would write otherwise: it could never be verified."""
    if not (paths := differences(ownership.held_form(answer.raw), wanted)):
        return None
    address: Address = answer.address
    why = f"the API server writes {', '.join(paths[:5])} otherwise; write these as it does (`kubectl get -o yaml`)"
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(address), message=f"{address}: {why}")
