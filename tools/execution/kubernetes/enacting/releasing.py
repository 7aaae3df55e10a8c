"""One pod released to one node: its affinity is narrowed and Placet's gate goes, in one marked write.

Kubernetes lets a gated pod's affinity become narrower and nothing else, so what its owner asks for still holds. Gates
of others are theirs: a pod that they hold back is refused, because nobody could say when it would bind.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

from estate.results import Refusal
from tools.execution.kubernetes import keys, placing, seating
from tools.execution.kubernetes.enacting.asking import no
from tools.execution.kubernetes.enacting.places import PLACED, Place
from tools.execution.kubernetes.enacting.port import Task
from tools.execution.kubernetes.evicting import pod_address
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.writing import Found, Outrun, find, merge
from tools.kubernetes import gating
from tools.kubernetes.connecting import Object

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


async def release(
    task: Task, household: Household, pod: Object, place: Place, *, dry_run: bool = False
) -> Refusal | None:
    """Release this pod; None where it was, by whom ever. Raises RetryLater where the API server is out of reach."""
    about = str(pod_address(pod))
    if others := gating.held_by_others(pod["spec"]):
        return no(about, f"is held back by gates of others too (`{'`, `'.join(others)}`); place it once those are gone")
    names = await seating.hostnames(task.means.reach, Counter([place.node]))
    if isinstance(names, Refusal):
        return names

    async def attempt() -> Refusal | None:
        found = await find(household.owner.connection, pod_address(pod))
        if found is None or found.uid != pod["metadata"]["uid"] or not gating.gated(found.raw["spec"]):
            return None
        return await _written(task, found, place, names[place.node], dry_run=dry_run)

    return await task.means.patience.insist(attempt, only=Outrun)


async def _written(task: Task, found: Found, place: Place, hostname: str, *, dry_run: bool) -> Refusal | None:
    spec = {
        "affinity": {"nodeAffinity": {_REQUIRED: narrowed(found.raw["spec"], hostname)}},
        "schedulingGates": None,
    }
    mark = keys.stamped(found.raw, task.key)
    written = await merge(found, mark, {"spec": spec}, told={PLACED: str(place)}, dry_run=dry_run)
    return written if isinstance(written, Refusal) else None


def narrowed(spec: Object, hostname: str) -> dict[str, Any]:
    """What the pod requires of nodes, and that it is this one: each of its terms with one expression more."""
    held = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    terms = deepcopy(held.get("nodeSelectorTerms") or [{}])
    only = placing.pinned(frozenset({hostname}))["affinity"]["nodeAffinity"][_REQUIRED]["nodeSelectorTerms"][0]
    for term in terms:
        term["matchExpressions"] = [*(term.get("matchExpressions") or ()), *only["matchExpressions"]]
    return {"nodeSelectorTerms": terms}
