"""Which disruption budgets hold a pod: read live, so that a refused eviction can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tools.execution.kubernetes.listing import Listing, listing
from tools.execution.kubernetes.watching import Since
from tools.kubernetes import objects, resources
from tools.kubernetes.connecting import Connection, Object


async def holding(connection: Connection, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the budgets that select this pod and allow no disruption now, sorted."""
    return _names([b for b in (await _selecting(connection, pod)).items if not allowed(b)])


async def closed(connection: Connection, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that would allow none even if every pod of theirs were healthy: waiting cannot help."""
    return _names([b for b in (await _selecting(connection, pod)).items if _never(b)])


async def over(connection: Connection, pod: Mapping[str, Any]) -> tuple[tuple[str, ...], Since]:
    """All that select this pod, sorted, and what to watch for another answer. Kubernetes evicts no pod that is under
    more than one.
    """
    found = await _selecting(connection, pod)
    return _names(found.items), found.since


async def _selecting(connection: Connection, pod: Mapping[str, Any]) -> Listing:
    about = pod["metadata"]
    found = await listing(connection, resources.BUDGETS, about["namespace"])
    labels = about.get("labels") or {}
    return replace(found, items=[b for b in found.items if selects(b, labels)])


def selects(budget: Object, labels: Mapping[str, str]) -> bool:
    """Whether a budget is over pods with these labels."""
    selector = objects.budget(budget).selector
    return selector is not None and selector.selects(labels)


def allowed(budget: Mapping[str, Any]) -> int:
    """How many of its pods may be evicted now."""
    return int((budget.get("status") or {}).get("disruptionsAllowed", 0))


def _never(budget: Mapping[str, Any]) -> bool:
    status = budget.get("status") or {}
    return not allowed(budget) and int(status.get("desiredHealthy", 0)) >= int(status.get("expectedPods", 0))


def _names(found: list[Object]) -> tuple[str, ...]:
    return tuple(sorted(str(b["metadata"]["name"]) for b in found))
