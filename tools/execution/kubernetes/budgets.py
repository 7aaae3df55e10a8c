"""Which disruption budgets hold a pod: read live, so that a refused eviction can name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.kubernetes import objects, resources
from tools.kubernetes.connecting import Connection, Object


async def holding(connection: Connection, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the budgets that select this pod and allow no disruption now, sorted."""
    return _names([b for b in await _selecting(connection, pod) if not allowed(b)])


async def closed(connection: Connection, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that would allow none even if every pod of theirs were healthy: waiting cannot help."""
    return _names([b for b in await _selecting(connection, pod) if _never(b)])


async def over(connection: Connection, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """All that select this pod, sorted. Kubernetes evicts no pod that is under more than one."""
    return _names(await _selecting(connection, pod))


async def _selecting(connection: Connection, pod: Mapping[str, Any]) -> list[Object]:
    about = pod["metadata"]
    answer = await connection.request("GET", resources.BUDGETS.path(about["namespace"]))
    labels = about.get("labels") or {}
    return [b for b in answer.get("items") or () if selects(b, labels)]


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
