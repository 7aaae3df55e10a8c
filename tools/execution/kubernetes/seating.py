"""Brings a workload's pods to the nodes that a goal names, and takes everything back where that cannot be finished.

Called for moves and scalings. Each pass looks at the cluster and does what is missing, so whoever resumes a step
comes to the same end. Where the template rolls, the controller replaces all pods at once under its own strategy;
where it does not, one pod at a time leaves through the Eviction API and comes back from a template that allows the
needy node alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from estate.ids import NodeId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import keys, owners, placing, templates
from tools.execution.kubernetes.enacting import schedulers
from tools.execution.kubernetes.enacting.port import Origin
from tools.execution.kubernetes.evicting import Unfinished, evict
from tools.execution.kubernetes.goals import Goal, Seats
from tools.execution.kubernetes.owners import Rollout
from tools.execution.kubernetes.reaching import Household, Reach
from tools.execution.kubernetes.waiting import Limits
from tools.execution.kubernetes.writing import Found, Outrun, apply
from tools.execution.patience import Patience
from tools.execution.port import StepKey
from tools.kubernetes import ownership
from tools.kubernetes.connecting import Object

type Held = dict[str, Any]
type Change = Callable[[Held], Held]


@dataclass(frozen=True, slots=True)
class Seating:
    """One step on one workload."""

    reach: Reach
    limits: Limits
    patience: Patience
    key: StepKey
    goal: Goal

    async def opening(self, household: Household, *, dry_run: bool = False) -> Found | Refusal:
        """The first write: placement, replicas, and what stood before, all in one. Conditions are the caller's."""
        names = await hostnames(self.reach, self.goal.seats)
        if isinstance(names, Refusal):
            return names
        change = self._first(household, names)
        mark = keys.stamped(household.owner.raw, self.key)
        return await apply(household.owner, mark, change(ownership.owned(household.owner.raw)), dry_run=dry_run)

    async def finish(self, origin: Origin) -> Refusal | None:
        """Bring it to its end from wherever it stands. A refusal says that everything is as it was.

        Raises:
            Unfinished: it could not be finished, and is not as it was.
        """
        household = await self.reach.household(self.goal.workload)
        if household is None:
            return None
        rolls = owners.rollout(household.owner.raw) is Rollout.ROLLS
        refusal = await self._followed() if rolls or not self.goal.placed else await self._replaced()
        return await self._withdrawn(refusal, origin) if refusal else None

    def _first(self, household: Household, names: Mapping[NodeId, str]) -> Change:
        owner, goal = household.owner.raw, self.goal
        seats = self.reach.seats(household)
        scaled = goal.replicas != owner["spec"].get("replicas", 1)
        if not goal.placed and owners.rollout(owner) is Rollout.ROLLS:
            return lambda held: templates.with_replicas(held, goal.replicas)
        if not goal.placed:
            return lambda held: templates.with_replicas(self._as_it_was(held) or held, goal.replicas)
        if owners.rollout(owner) is Rollout.ROLLS:
            wanted = _spread(owner, Counter({names[n]: c for n, c in goal.seats.items()}))
        else:
            needy = min(goal.seats - seats, default=min(goal.seats))
            wanted, scaled = placing.pinned(frozenset({names[needy]})), False
        return lambda held: self._placed(held, wanted, goal.replicas if scaled else None)

    def _placed(self, held: Held, wanted: templates.Placement, replicas: int | None) -> Held:
        changed = templates.with_placement(templates.remembering(held, self.key), wanted)
        return changed if replicas is None else templates.with_replicas(changed, replicas)

    async def _followed(self) -> Refusal | None:
        """Wait until the controller is done with the new template and replicas."""
        household = await self._until(self._reached)
        return None if self._reached(household) else self._late(household)

    async def _replaced(self) -> Refusal | None:
        """One needy node at a time: let new pods bind there alone, then start one or let one go."""
        names = await hostnames(self.reach, self.goal.seats)
        if isinstance(names, Refusal):
            return names
        household = await self._look()
        while needy := self.goal.seats - self.reach.seats(household):
            refusal = await self._seat_one(min(needy), names[min(needy)])
            if refusal is not None:
                return refusal
            household = await self._look()
        last = await self._write(lambda held: self._last(held, names))
        return last if isinstance(last, Refusal) else await self._followed()

    async def _seat_one(self, node: NodeId, hostname: str) -> Refusal | None:
        household = await self._look()
        before, now = self.reach.seats(household)[node], household.owner.raw["spec"].get("replicas", 1)
        grows = now < self.goal.replicas
        replicas = now + 1 if grows else None
        written = await self._write(lambda held: self._placed(held, placing.pinned(frozenset({hostname})), replicas))
        if isinstance(written, Refusal):
            return written
        await self._until(lambda h: owners.observed(h.owner.raw))
        if not grows and (refusal := await self._let_go()):
            return refusal
        household = await self._until(lambda h: self.reach.seats(h)[node] > before)
        return None if self.reach.seats(household)[node] > before else self._late(household)

    async def _let_go(self) -> Refusal | None:
        """Evict a pod that is not where the goal wants one: a pending one before a running one."""
        household = await self._look()
        surplus = self.reach.seats(household) - self.goal.seats
        spare = [p for p in household.pods if self._is_spare(p, surplus)]
        if not spare:
            return None
        pod = min(spare, key=lambda p: (bool(p["spec"].get("nodeName")), p["metadata"]["name"]))
        mark = keys.stamped(household.owner.raw, self.key)
        return await evict(household.owner.connection, pod, mark, self.limits)

    def _is_spare(self, pod: Object, surplus: Seats) -> bool:
        name = pod["spec"].get("nodeName")
        return not name or surplus[self.reach.node_called(self.goal.workload, name)] > 0

    def _last(self, held: Held, names: Mapping[NodeId, str]) -> Held:
        """The placement that stays: all nodes of the goal. An undo puts back what stood before the step it undoes."""
        return self._as_it_was(held) or templates.with_placement(held, placing.pinned(frozenset(names.values())))

    def _as_it_was(self, held: Held) -> Held | None:
        """What we hold with the placement that the step displaced which this one undoes; None where there is none."""
        done = StepKey(self.key.proposal, self.key.number, undo=False)
        earlier = templates.remembered(held, done) if self.key.undo else None
        if earlier is None:
            return None
        return templates.with_placement(templates.forgetting(templates.forgetting(held, done), self.key), earlier)

    async def _withdrawn(self, refusal: Refusal, origin: Origin) -> Refusal:
        """Take our writes back. What was moved by then stays where it is, and is told."""

        def back(held: Held) -> Held:
            earlier = templates.remembered(held, self.key)
            changed = templates.forgetting(held, self.key)
            changed = changed if earlier is None else templates.with_placement(changed, earlier)
            return templates.with_replicas(changed, origin.replicas) if "replicas" in held.get("spec", {}) else changed

        written = await self._write(back, withdrawn=True)
        if isinstance(written, Refusal):
            raise Unfinished(f"{refusal.message}; it could not be taken back: {written.message}")
        await self._unstuck()
        household = await self._until(lambda h: self.reach.seats(h) == origin.seats and owners.rolled_out(h.owner.raw))
        if self.reach.seats(household) != origin.seats:
            raise Unfinished(f"{refusal.message}; taken back, and its pods are on {told(self.reach.seats(household))}")
        return refusal

    async def _unstuck(self) -> None:
        """Pods that wait for a node which is no longer wanted come back from the template that was put back."""
        household = await self._until(lambda h: owners.observed(h.owner.raw))
        if owners.rollout(household.owner.raw) is Rollout.ROLLS:
            return
        for pod in household.pods:
            if not pod["spec"].get("nodeName"):
                await evict(household.owner.connection, pod, keys.stamped(household.owner.raw, self.key), self.limits)

    async def _write(self, change: Change, *, withdrawn: bool = False) -> Found | Refusal:
        """A further write of this step, on whatever stands now; nothing where it stands already."""

        async def attempt() -> Found | Refusal:
            owner = (await self._look()).owner
            held = ownership.owned(owner.raw)
            wanted = change(held)
            if wanted == held and not withdrawn:
                return owner
            return await apply(owner, keys.stamped(owner.raw, self.key, withdrawn=withdrawn), wanted)

        return await self.patience.insist(attempt, only=Outrun)

    async def _look(self) -> Household:
        household = await self.reach.household(self.goal.workload)
        if household is None:
            raise Unfinished(f"`{self.goal.about}` went away while it was written")
        return household

    async def _until(self, settled: Callable[[Household], bool]) -> Household:
        return await self.limits.deadline(self.limits.bind).until(self._look, settled, lambda seen: seen.since)

    def _reached(self, household: Household) -> bool:
        seats = self.reach.seats(household)
        exact = seats == self.goal.seats and len(household.pods) == self.goal.replicas
        return exact and owners.rolled_out(household.owner.raw)

    def _late(self, household: Household) -> Refusal:
        pending = sum(1 for p in household.pods if not p["spec"].get("nodeName"))
        return Refusal(
            code=RefusalCode.NO_CAPACITY,
            about=str(self.goal.about),
            message=f"after {self.limits.bind:g} s the pods of `{self.goal.about}` are on"
            f" {told(self.reach.seats(household))}{f' and {pending} pending' if pending else ''}, not on"
            f" {told(self.goal.seats)}; {_why(household)}",
        )


def _why(household: Household) -> str:
    words = schedulers.words(household.pods)
    return f"the scheduler says: {words}" if words else "see what keeps them from there"


async def hostnames(reach: Reach, seats: Seats) -> dict[NodeId, str] | Refusal:
    """The hostname labels of the nodes: what an affinity matches, which need not be their names."""
    names: dict[NodeId, str] = {}
    for node in seats:
        if (found := await reach.node(node)) is None:
            return Refusal(code=RefusalCode.UNKNOWN_TARGET, about=f"node/{node}", message=f"node `{node}` is gone")
        names[node] = (found.raw["metadata"].get("labels") or {}).get(placing.HOSTNAME, found.address.name)
    return names


def _spread(owner: Mapping[str, Any], seats: placing.Seats) -> templates.Placement:
    label = owners.KINDS[owner["kind"].lower()].revision_label
    return placing.spread(seats, owner["spec"]["selector"], label)


def told(seats: Seats) -> str:
    """The nodes in words."""
    return ", ".join(f"`{n}`×{c}" for n, c in sorted(seats.items())) or "no node"
