"""Scheduling gates: each pod waits, unseen by the scheduler, until it is told its node; no template changes.

Works wherever a pod template bears Placet's gate, whoever makes the pods: a Job or a bare pod too. A pod is released by
one write that narrows its node affinity to one node and takes the gate away; any multiset of nodes can be said so. One
that shall leave is evicted, and what its controller makes in its place waits again. A gate cannot be put back: what
cannot be finished is taken back by evicting the pods that were released, and those of others stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import ganging, keys, seating, templates
from tools.execution.kubernetes.enacting import places, releasing, schedulers
from tools.execution.kubernetes.enacting.asking import autoscaled, never_changed, no
from tools.execution.kubernetes.enacting.places import Place
from tools.execution.kubernetes.enacting.port import Origin, Task
from tools.execution.kubernetes.evicting import Unfinished, evict
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.writing import Found, Outrun, apply
from tools.kubernetes import ownership
from tools.kubernetes.connecting import Object

type Prepare = Callable[[Task, Object, Place], Awaitable[Refusal | None]]
"""What must stand before a pod is released to a place."""


async def _as_it_is(task: Task, pod: Object, place: Place) -> Refusal | None:
    return None


class SchedulingGates:
    """See the port."""

    def __init__(self, prepare: Prepare | None = None) -> None:
        """`prepare` is called for each pod before it is released."""
        self._prepare = prepare or _as_it_is

    async def objection(self, task: Task, household: Household) -> Refusal | None:
        """See the port."""
        if refusal := never_changed(household, task.goal) or await autoscaled(household, task.goal):
            return refusal
        about, leaving = str(task.goal.about), places.surplus(task, household)
        if leaving and household.owner.address.resource.kind == "Pod":
            return no(about, "is a bare pod: nothing would make it again; put it under a Job or a Deployment")
        if leaving and not places.gated_template(household):
            return no(about, "has no gate in its template, so that its next pod could land anywhere; put it there")
        lacking = places.needed(task, household).total() - len(places.waiting(household)) - len(leaving)
        if task.goal.replicas <= household.workload.replicas and lacking > 0:
            return no(about, f"has {lacking} fewer pods behind Placet's gate than shall be placed; have them made anew")
        gang = ganging.Gang(household.workload.namespace, household.workload.name, tuple(leaving))
        return await ganging.objection(household.owner.connection, [gang] if leaving else [])

    async def opening(self, task: Task, household: Household, *, dry_run: bool = False) -> Refusal | None:
        """See the port. The owner bears the mark before any pod is released or evicted, so that whoever resumes goes
        on.
        """
        if refusal := await self._tried(task, household):
            return refusal
        written = await _marked(task, household, dry_run=dry_run)
        return written if isinstance(written, Refusal) else None

    async def finish(self, task: Task, origin: Origin) -> Refusal | None:
        """See the port."""
        refusal = await self.pursued(task)
        return await self._withdrawn(task, refusal, origin) if refusal else None

    async def _tried(self, task: Task, household: Household) -> Refusal | None:
        """Why a pod that waits could not be released: by a dry run of each."""
        for pod, place in places.paired(task, household):
            if refusal := await releasing.release(task, household, pod, place, dry_run=True):
                return refusal
        return None

    async def pursued(self, task: Task) -> Refusal | None:
        """Release and evict until every pod is where the goal wants it; or why that did not come about."""
        household = await _look(task)
        while not _arrived(task, household):
            if pairs := places.paired(task, household):
                for pod, place in pairs:
                    refusal = await self._prepare(task, pod, place)
                    refusal = refusal or await releasing.release(task, household, pod, place)
                    if refusal is not None:
                        return refusal
            elif not places.destined(household) and (leaving := places.surplus(task, household)):
                mark = keys.stamped(household.owner.raw, task.key)
                if refusal := await evict(household.owner.connection, leaving[0], mark, task.means.limits):
                    return refusal
            else:
                return await self.awaited(task)
            household = await _look(task)
        return None

    async def awaited(self, task: Task) -> Refusal | None:
        """Nothing is left to do but to wait: for pods to bind, or for a controller to make them."""

        def settled(household: Household) -> bool:
            ready = not places.destined(household) and bool(places.surplus(task, household))
            return _arrived(task, household) or bool(places.paired(task, household)) or ready

        household = await _until(task, settled)
        if not settled(household):
            return _late(task, household)
        return None if _arrived(task, household) else await self.pursued(task)

    async def _withdrawn(self, task: Task, refusal: Refusal, origin: Origin) -> Refusal:
        """Pods that were released come back gated; who was moved goes back."""
        household = await _look(task)
        if household.owner.address.resource.kind == "Pod":
            raise Unfinished(f"{refusal.message}; a bare pod cannot be gated again, and waits for that node still")
        for pod in places.destined(household):
            mark = keys.stamped(household.owner.raw, task.key)
            if held := await evict(household.owner.connection, pod, mark, task.means.limits):
                raise Unfinished(f"{refusal.message}; it could not be taken back: {held.message}")
        back = replace(task, goal=replace(task.goal, seats=origin.seats, replicas=origin.replicas))
        left = await mark_owner(back) or await self.pursued(back) or await mark_owner(back, withdrawn=True)
        if left is not None:
            raise Unfinished(f"{refusal.message}; it could not be taken back: {left.message}")
        return refusal


def _arrived(task: Task, household: Household) -> bool:
    return task.means.reach.seats(household) == task.goal.seats and not places.destined(household)


async def mark_owner(task: Task, *, told: Mapping[str, str] | None = None, withdrawn: bool = False) -> Refusal | None:
    """A further mark of this step on whatever stands now; `told` are annotations that it shall bear."""

    async def attempt() -> Found | Refusal:
        return await _marked(task, await _look(task), told, withdrawn=withdrawn)

    written = await task.means.patience.insist(attempt, only=Outrun)
    return written if isinstance(written, Refusal) else None


async def _marked(
    task: Task,
    household: Household,
    told: Mapping[str, str] | None = None,
    *,
    dry_run: bool = False,
    withdrawn: bool = False,
) -> Found | Refusal:
    """Mark the owner; where the number of its replicas changes, in the same write."""
    owner, replicas = household.owner, task.goal.replicas
    held = ownership.owned(owner.raw)
    if "replicas" in owner.raw["spec"] and owner.raw["spec"]["replicas"] != replicas:
        held = templates.with_replicas(held, replicas)
    if told:
        held.setdefault("metadata", {}).setdefault("annotations", {}).update(told)
    return await apply(owner, keys.stamped(owner.raw, task.key, withdrawn=withdrawn), held, dry_run=dry_run)


async def _look(task: Task) -> Household:
    household = await task.means.reach.household(task.goal.workload)
    if household is None:
        raise Unfinished(f"`{task.goal.about}` went away while it was placed")
    return household


async def _until(task: Task, settled: Callable[[Household], bool]) -> Household:
    limits = task.means.limits
    return await limits.deadline(limits.bind).until(lambda: _look(task), settled, lambda seen: seen.since)


def _late(task: Task, household: Household) -> Refusal:
    told = schedulers.words(household.pods)
    stand = seating.told(task.means.reach.seats(household))
    return Refusal(
        code=RefusalCode.NO_CAPACITY,
        about=str(task.goal.about),
        message=f"after {task.means.limits.bind:g} s the pods of `{task.goal.about}` are on {stand}, not on"
        f" {seating.told(task.goal.seats)}; the scheduler says: {told or 'nothing'}",
    )
