"""Kueue: the answer to an admission check. Kueue keeps the quota and starts the Job; where it runs is Placet's word.

A Job in a queue is suspended until every check of its Workload is ready. Ours is the check whose AdmissionCheck names
`placet.dev/placement` as its controller. Ready bears the node as an update of the pod set; a plan over several nodes
needs Placet's gate in the Job's template beside it, because a pod set has one node selector. What does not bind is
answered `Retry`, with the scheduler's words, and Kueue takes it back into its queue; `Rejected` declines for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from estate.results import Refusal
from tools.execution.kubernetes import keys, placing, seating
from tools.execution.kubernetes.enacting import places
from tools.execution.kubernetes.enacting.asking import no
from tools.execution.kubernetes.enacting.gates import SchedulingGates, mark_owner
from tools.execution.kubernetes.enacting.port import Origin, Task
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.listing import listed
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.writing import Address, Found, Outrun, find, merge
from tools.kubernetes import faults, ownership, queueing
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import Resource


@dataclass(frozen=True, slots=True)
class Queued:
    """The Workload of a Job that waits, and the name of our check on it."""

    found: Found
    check: str

    @property
    def state(self) -> str:
        """What was answered last."""
        return str(next(c.get("state") for c in _checks(self.found.raw) if c.get("name") == self.check))

    @property
    def reserved(self) -> bool:
        """Whether Kueue has set its quota aside."""
        told = (self.found.raw.get("status") or {}).get("conditions") or ()
        return any(c.get("type") == "QuotaReserved" and c.get("status") == "True" for c in told)


async def queued(household: Household) -> Queued | None:
    """The Workload of that Job that bears our check; None where it is in no queue, or nobody asks us.

    Nothing is read for what is no Job in a queue.
    """
    owner = household.owner
    if not queueing.in_queue(owner.raw):
        return None
    checks, _ = await _served(owner.connection, queueing.CHECKS, "")
    ours = {str(c["metadata"]["name"]) for c in checks if c["spec"].get("controllerName") == queueing.CONTROLLER}
    waiting, kind = await _served(owner.connection, queueing.WORKLOADS, owner.address.namespace) if ours else ([], None)
    for raw in waiting:
        owned = any(o.get("uid") == owner.uid for o in raw["metadata"].get("ownerReferences") or ())
        mine = sorted(ours & {str(c.get("name")) for c in _checks(raw)})
        if kind is not None and owned and mine:
            address = Address(kind, str(raw["metadata"]["name"]), owner.address.namespace)
            return Queued(Found(owner.connection, address, raw), mine[0])
    return None


class AdmissionCheck:
    """See the port."""

    def __init__(self, held: Queued, gates: SchedulingGates) -> None:
        self._held = held
        self._gates = gates

    async def objection(self, task: Task, household: Household) -> Refusal | None:
        """See the port."""
        about, goal, bound = str(task.goal.about), task.goal, task.means.reach.seats(household)
        if not goal.seats:
            return None
        if not self._held.reserved:
            return no(about, "waits in Kueue for its quota; place it once Kueue has reserved that")
        if bound and bound != goal.seats:
            return no(about, "runs already, and Kueue starts a Job once; let it finish, or have Kueue evict it")
        if goal.seats.total() < goal.replicas:
            return no(about, "is a Job in a queue, which begins whole; place all of its replicas")
        if len(goal.seats) > 1 and not places.gated_template(household):
            why = "shall run on several nodes, and a pod set of Kueue has one node selector"
            return no(about, f"{why}; put the scheduling gate `{queueing.CONTROLLER}` into its template")
        return None

    async def opening(self, task: Task, household: Household, *, dry_run: bool = False) -> Refusal | None:
        """See the port. The Job bears the mark before its Workload is answered."""
        if dry_run:
            return await self._answer(task, household, dry_run=True)
        return await mark_owner(task, told=_declined(task))

    async def finish(self, task: Task, origin: Origin) -> Refusal | None:
        """See the port."""
        household = await task.means.reach.household(task.goal.workload)
        if household is None:
            return None
        if refusal := await self._answer(task, household):
            return refusal
        if not task.goal.seats:
            return await self._gates.awaited(replace(task, goal=replace(task.goal, replicas=0)))
        refusal = await self._gates.pursued(task)
        return await self._withdrawn(task, refusal, origin) if refusal else None

    async def _withdrawn(self, task: Task, refusal: Refusal, origin: Origin) -> Refusal:
        """Kueue takes it back into the queue."""
        back = replace(task, goal=replace(task.goal, seats=origin.seats, replicas=0))
        household = await task.means.reach.household(task.goal.workload)
        failed = await self._answer(back, household, refusal.message) if household is not None else None
        failed = failed or await self._gates.awaited(back) or await mark_owner(back, withdrawn=True)
        if failed is not None:
            raise Unfinished(f"{refusal.message}; it could not be taken back: {failed.message}")
        return refusal

    async def _answer(
        self, task: Task, household: Household, why: str = "", *, dry_run: bool = False
    ) -> Refusal | None:
        """The state of our check, under the mark of the step: first the mark, which a status cannot bear."""
        entry = await _entry(task, household, self._held.found.raw, why)
        if isinstance(entry, Refusal):
            return entry

        async def attempt() -> Refusal | None:
            found = await find(self._held.found.connection, self._held.found.address)
            if found is None:
                raise Unfinished(f"{self._held.found.address} went away while it was answered")
            marked = await merge(found, keys.stamped(found.raw, task.key), {}, dry_run=dry_run)
            return marked if isinstance(marked, Refusal) else await self._written(marked, entry, dry_run=dry_run)

        return await task.means.patience.insist(attempt, only=Outrun)

    async def _written(self, found: Found, entry: Mapping[str, Any], *, dry_run: bool) -> Refusal | None:
        mine = {"name": self._held.check, "lastTransitionTime": _time(found.raw), **entry}
        checks = [mine if c.get("name") == self._held.check else c for c in _checks(found.raw)]
        mark = str(found.raw["metadata"]["annotations"][keys.WARRANT])
        status = {"status": {"admissionChecks": checks}}
        written = await merge(found, mark, status, part="status", dry_run=dry_run)
        return written if isinstance(written, Refusal) else None


async def _entry(task: Task, household: Household, workload: Object, why: str) -> Mapping[str, Any] | Refusal:
    """What our check says: the node, or why not."""
    goal = task.goal
    if not goal.seats:
        declined = _declined(task)
        state = "Rejected" if declined else "Retry"
        return {"state": state, "message": why or "placet took its placement back under a warrant"}
    names = await seating.hostnames(task.means.reach, goal.seats)
    if isinstance(names, Refusal):
        return names
    told = f"placed by placet on {seating.told(goal.seats)}"
    sets = [str(s["name"]) for s in workload["spec"].get("podSets") or ()]
    one = {placing.HOSTNAME: next(iter(names.values()))} if len(names) == 1 else {}
    updates = [{"name": name, **({"nodeSelector": one} if one else {})} for name in sets]
    return {"state": "Ready", "message": told[:1000], "podSetUpdates": updates}


def _declined(task: Task) -> Mapping[str, str]:
    """A scaling to nothing declines for good; it stands on the Job, so that nobody takes it for waiting any more."""
    scaled = getattr(task.change, "replicas", None) == 0
    return {queueing.DECLINED: str(task.key)} if scaled else {}


def _checks(raw: Object) -> list[Object]:
    return list((raw.get("status") or {}).get("admissionChecks") or ())


def _time(raw: Object) -> str:
    """When the API server took the mark that was just written: its clock, and nobody else's."""
    return str(max(e["time"] for e in raw["metadata"]["managedFields"] if e["manager"] == ownership.MANAGER))


async def _served(connection: Connection, kind: Resource, namespace: str) -> tuple[list[Object], Resource]:
    for version in (kind.version, *kind.older):
        served = replace(kind, version=version)
        try:
            return await listed(connection, served, namespace), served
        except faults.NotFound:
            continue
    return [], kind
