"""The gang-mates of pods that leave a node: found live, refused together, and seen to begin anew.

Called by `draining`. A gang leaves whole or not at all: its mates go before the members on the node, so that whoever
resumes a step still finds there who belongs together. Nothing is begun where a disruption budget would let only part of
it go, or where a Job would give up over it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import budgets
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.listing import listed, listing
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Address, find
from tools.kubernetes import objects, resources
from tools.kubernetes.connecting import Connection, Object

_BACKOFF_LIMIT = 6
"""Kubernetes' own, where a Job names none."""


@dataclass(frozen=True, slots=True)
class Gang:
    """One gang as its cluster has it."""

    namespace: str
    name: str
    pods: tuple[Object, ...]

    @property
    def bound(self) -> tuple[Object, ...]:
        """The members that hold a place."""
        return tuple(p for p in self.pods if p["spec"].get("nodeName"))

    def __str__(self) -> str:
        return f"gang `{self.namespace}/{self.name}`"


async def gangs_of(means: Means, connection: Connection, pods: Sequence[Object]) -> tuple[Gang, ...]:
    """The gangs that have a member among these pods. Nothing is read where none of them could be in one."""
    spaces = {str(p["metadata"]["namespace"]) for p in pods if _may_be_ganged(p)}
    leaving = {p["metadata"]["uid"] for p in pods}
    found: list[Gang] = []
    for namespace in sorted(spaces):
        for name, members in sorted((await _by_name(means, connection, namespace))[0].items()):
            if any(p["metadata"]["uid"] in leaving for p in members):
                found.append(Gang(namespace, name, tuple(members)))
    return tuple(found)


def mates(gangs: Iterable[Gang], pods: Sequence[Object]) -> tuple[Object, ...]:
    """Who stops with these pods and is not among them."""
    leaving = {p["metadata"]["uid"] for p in pods}
    return tuple(p for g in gangs for p in g.bound if p["metadata"]["uid"] not in leaving)


async def objection(connection: Connection, gangs: Iterable[Gang]) -> Refusal | None:
    """Why a gang would not leave whole, or would not come back."""
    for gang in gangs:
        staying = [p for p in gang.bound if not p["metadata"].get("deletionTimestamp")]
        refusal = await _held_back(connection, gang, staying) or await _given_up(connection, gang, staying)
        if refusal is not None:
            return refusal
    return None


async def begun_anew(means: Means, connection: Connection, gangs: Sequence[Gang]) -> None:
    """Wait until the controllers of each gang have made it whole again, wherever its pods find room.

    Raises:
        Unfinished: they have not, in the time that pods are given to bind.
    """
    for gang in gangs:
        await _begun_anew(means, connection, gang)


async def _begun_anew(means: Means, connection: Connection, gang: Gang) -> None:
    gone, wanted = {p["metadata"]["uid"] for p in gang.pods}, len(gang.bound)

    async def made() -> tuple[int, Since]:
        named, since = await _by_name(means, connection, gang.namespace)
        live = (p for p in named.get(gang.name, ()) if not p["metadata"].get("deletionTimestamp"))
        return sum(1 for p in live if p["metadata"]["uid"] not in gone), since

    deadline = means.limits.deadline(means.limits.bind)
    seen, _ = await deadline.until(made, lambda found: found[0] >= wanted, lambda found: found[1:])
    if seen < wanted:
        raise Unfinished(
            f"{gang} was stopped whole, and its controllers have made {seen} of {wanted} pods again after"
            f" {means.limits.bind:g} s; see to them"
        )


async def _by_name(means: Means, connection: Connection, namespace: str) -> tuple[dict[str, list[Object]], Since]:
    """The pods of each gang in a namespace that count as replicas, and what to watch for another answer."""
    found = await listing(connection, resources.PODS, namespace)
    named: defaultdict[str, list[Object]] = defaultdict(list)
    for owner, members in (await means.reach.families(connection, namespace, found.items)).values():
        for raw in members:
            if name := owner.gang_of(objects.pod(raw)):
                named[name].append(raw)
    return named, found.since


def _may_be_ganged(raw: Object) -> bool:
    """Whether a pod names a gang itself, or its Job may."""
    pod = objects.pod(raw)
    return bool(pod.ask.gang) or (pod.controller is not None and pod.controller.word == "Job")


async def _held_back(connection: Connection, gang: Gang, pods: Sequence[Object]) -> Refusal | None:
    """The first budget that lets only part of the gang go now."""
    held: Counter[str] = Counter()
    allowed: dict[str, int] = {}
    for budget in await listed(connection, resources.BUDGETS, gang.namespace):
        name = str(budget["metadata"]["name"])
        held[name] = sum(1 for p in pods if budgets.selects(budget, p["metadata"].get("labels") or {}))
        allowed[name] = budgets.allowed(budget)
    short = next((n for n in sorted(held) if held[n] > allowed[n]), None)
    if short is None:
        return None
    why = f"stops whole, and the disruption budget `{short}` lets {allowed[short]} of its {held[short]} pods go now"
    return _no(gang, f"{why}; raise it to the size of the gang, or ask whoever owns it")


async def _given_up(connection: Connection, gang: Gang, pods: Sequence[Object]) -> Refusal | None:
    """The first Job that would take the end of its pods for more failures than it bears."""
    jobs = Counter(c.name for p in pods if (c := objects.pod(p).controller) is not None and c.word == "Job")
    for name, count in sorted(jobs.items()):
        job = await find(connection, Address(resources.JOBS, name, gang.namespace))
        if job is None or _forgives(job.raw["spec"]):
            continue
        left = job.raw["spec"].get("backoffLimit", _BACKOFF_LIMIT) - (job.raw.get("status") or {}).get("failed", 0)
        if count > left:
            bears = f"its Job `{name}` bears {max(0, left)} more failed pods where {count} would be evicted"
            remedy = "let its podFailurePolicy ignore `DisruptionTarget`, or raise its backoffLimit"
            return _no(gang, f"stops whole, and {bears}; {remedy}")
    return None


def _forgives(spec: Mapping[str, Any]) -> bool:
    """Whether an eviction is no failure to the Job."""
    rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
    ignored = (c for r in rules if r.get("action") == "Ignore" for c in r.get("onPodConditions") or ())
    return any(c.get("type") == "DisruptionTarget" and c.get("status", "True") == "True" for c in ignored)


def _no(gang: Gang, why: str) -> Refusal:
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(gang), message=f"the {gang} {why}")
