"""CopyWorkload on Kubernetes: a controller is made once more in another cluster, placed before its first pod exists,
and seen to run where the plan says; or it is taken away again.

What is copied says `blueprints`, what must be there already `needs`, what else stands against it `receiving`. Refused
besides: what is there under that name already, and an executor that writes only one of the two clusters.
"""

from __future__ import annotations

from collections.abc import Sequence

from estate.changes import CopyWorkload
from estate.changes.kinds import unknown, workload_thing
from estate.conditions import Condition
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import ending, keys, owners, receiving
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.seating import told
from tools.execution.kubernetes.sites import Site, refused, site_of
from tools.execution.kubernetes.writing import Found, Outrun, apply, create, find, held_by
from tools.execution.port import StepKey
from tools.kubernetes import ownership
from tools.kubernetes.connecting import Object


async def write(means: Means, key: StepKey, change: CopyWorkload, preconditions: Sequence[Condition]) -> Refusal | None:
    """Make the copy once, and see it run. A refusal says that nothing of it is left. Raises as the port says."""
    site = await site_of(means.reach, change)
    if isinstance(site, Refusal):
        return site

    async def attempt() -> Found | Refusal:
        return await _begin(means, key, change, site, preconditions)

    made = await means.patience.insist(attempt, only=Outrun)
    return made if isinstance(made, Refusal) else await _followed(means, site, made)


async def rehearsed(means: Means, key: StepKey, change: CopyWorkload, coming: Sequence[Object] = ()) -> Refusal | None:
    """Why the copy would be refused, with a dry run of its creation. `coming` is what earlier steps apply there."""
    site = await site_of(means.reach, change)
    if isinstance(site, Refusal):
        return site
    if await find(site.connection, site.address) is not None:
        return _taken(site)
    household = await means.reach.household(change.workload)
    if household is None:
        return unknown(change.target())
    form = await receiving.form(means, site, household, coming)
    made = form if isinstance(form, Refusal) else await _created(site, key, form, dry_run=True)
    return made if isinstance(made, Refusal) else None


async def _begin(
    means: Means, key: StepKey, change: CopyWorkload, site: Site, preconditions: Sequence[Condition]
) -> Found | Refusal:
    """The copy, made now or by an earlier attempt of this step; what that one took away is awaited first."""
    found = await find(site.connection, site.address)
    if found is not None and keys.holds(found.raw, key):
        if not ending.is_ending(found):
            return found
        await ending.ended(means.limits, found)
    elif found is not None:
        return _taken(site)
    household = await means.reach.household(change.workload)
    if household is None:
        return unknown(change.target())
    if refusal := await means.unmet(preconditions, household.workload):
        return refusal
    form = await receiving.form(means, site, household)
    return form if isinstance(form, Refusal) else await _made(site, key, form)


async def _created(site: Site, key: StepKey, form: Object, *, dry_run: bool = False) -> Found | Refusal:
    # A copy is its owner's from now on: it remembers nothing by which their next change would be a drift.
    made = await create(site.connection, site.address, str(key), form, dry_run=dry_run, remember=False)
    if isinstance(made, Refusal) and made.code is RefusalCode.UNKNOWN_TARGET:
        space = site.address.namespace
        return refused(site.about, f"has no namespace `{space}` in `{site.cluster}`; have an administrator make it")
    return made


async def _made(site: Site, key: StepKey, form: Object) -> Found | Refusal:
    """The copy, unless somebody made one in the same moment: then our part of it is given up again."""
    made = await _created(site, key, form)
    if isinstance(made, Refusal) or not (others := ownership.strangers(made.raw)):
        return made
    taken_back = await apply(made, keys.stamped(made.raw, key, withdrawn=True), {})
    return taken_back if isinstance(taken_back, Refusal) else held_by(site.address, others)


async def _followed(means: Means, site: Site, made: Found) -> Refusal | None:
    """Wait until every pod serves where the plan says; else take the copy away and say what became of it."""

    async def look() -> Household | None:
        return await means.reach.household(site.id)

    deadline = means.limits.deadline(means.limits.bind)
    seen = await deadline.until(
        look, lambda h: h is None or _runs(means, site, h), lambda h: h.since if h is not None else ()
    )
    if seen is not None and _runs(means, site, seen):
        return None
    refusal = (
        refused(site.about, "was copied, and somebody deleted the copy") if seen is None else _late(means, site, seen)
    )
    await _taken_away(means, made, refusal)
    return refusal


def _runs(means: Means, site: Site, household: Household) -> bool:
    there = means.reach.seats(household)
    exact = there == site.seats and len(household.pods) == site.replicas
    return exact and owners.rolled_out(household.owner.raw)


async def _taken_away(means: Means, made: Found, why: Refusal) -> None:
    async def attempt() -> Found | Refusal | None:
        found = await find(made.connection, made.address)
        if found is None or found.uid != made.uid:
            return None
        return await ending.delete(found, dependents=True) or found

    left = await means.patience.insist(attempt, only=Outrun)
    if isinstance(left, Refusal):
        raise Unfinished(f"{why.message}; it could not be taken away: {left.message}")
    if left is not None:
        await ending.ended(means.limits, left)


def _late(means: Means, site: Site, household: Household) -> Refusal:
    there = means.reach.seats(household)
    pending = sum(1 for p in household.pods if not p["spec"].get("nodeName"))
    ready = (household.owner.raw.get("status") or {}).get("availableReplicas", 0)
    return Refusal(
        code=RefusalCode.NO_CAPACITY,
        about=str(workload_thing(site.id)),
        message=f"after {means.limits.bind:g} s {ready} of {site.replicas} replicas of the copy `{site.id}` serve: its"
        f" pods are on {told(there)}{f', {pending} pending' if pending else ''}, not all on {told(site.seats)}; it was"
        f" taken away and `{site.about}` is as it was; see what keeps them from there",
    )


def _taken(site: Site) -> Refusal:
    why = f"`{site.about}` is not copied: {site.address} is in `{site.cluster}` already; remove or rename that"
    return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(workload_thing(site.id)), message=why)
