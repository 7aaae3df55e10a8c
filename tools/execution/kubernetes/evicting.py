"""One pod leaves through the Eviction API: budgets respected, its uid named, its end awaited. Never a plain delete.

Called by moves, evictions and drains. A `Refusal` says that the pod was not evicted; `Unfinished` that it was, and
did not end in time. Passing faults are waited out until the deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estate.errors import NeverRetry, PlacetError, RetryLater
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import budgets, keys
from tools.execution.kubernetes.waiting import Limits
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Address, refused
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import Connection, Object


class Unfinished(NeverRetry):
    """Something was written and did not come to its end in time; the message says what stands."""


def pod_address(pod: Mapping[str, Any]) -> Address:
    """Where a pod lives."""
    about = pod["metadata"]
    return Address(resources.PODS, about["name"], about["namespace"])


async def evict(connection: Connection, pod: Object, mark: str, limits: Limits) -> Refusal | None:
    """Evict this very pod and wait until it is gone. None: it is, whoever ended it.

    Raises:
        Unfinished: it was evicted and is still there at the deadline.
        RetryLater: the API server was out of reach until the deadline.
    """
    if not pod["metadata"].get("deletionTimestamp") and (refusal := await _let_go(connection, pod, mark, limits)):
        return refusal
    await _ended(connection, pod, limits)
    return None


async def rehearsed(connection: Connection, pod: Object, mark: str) -> Refusal | None:
    """Why an eviction of this pod could never succeed, by a dry run; None where it could, now or later."""
    if refusal := _doubly_held(pod, (await budgets.over(connection, pod))[0]):
        return refusal
    try:
        await _request(connection, pod, mark, dry_run=True)
    except faults.Budgeted:
        if closed := await budgets.closed(connection, pod):
            return _blocked(pod, closed, "allows no disruption even when every pod is healthy")
    except (faults.NotFound, faults.Conflicted):
        return None
    except (faults.Rejected, faults.Forbidden) as error:
        return refused(pod_address(pod), error)
    return None


async def _let_go(connection: Connection, pod: Object, mark: str, limits: Limits) -> Refusal | None:
    """Ask until the eviction is granted, the pod is another one, or the time is up; again when its budgets change."""

    async def ask() -> tuple[Refusal | PlacetError | None, Since]:
        names, since = await budgets.over(connection, pod)
        return _doubly_held(pod, names) or await _answer(connection, pod, mark), since

    deadline = limits.deadline(limits.evict)
    answer, _ = await deadline.until(ask, lambda seen: not isinstance(seen[0], RetryLater), lambda seen: seen[1:])
    if isinstance(answer, faults.Budgeted):
        holding = await budgets.holding(connection, pod)
        return _blocked(pod, holding, f"did not let it go within {limits.evict:g} s")
    return refused(pod_address(pod), answer) if isinstance(answer, PlacetError) else answer


def _doubly_held(pod: Object, names: tuple[str, ...]) -> Refusal | None:
    """Kubernetes answers 500 to such an eviction, for ever; what looks like a passing fault is none."""
    return _blocked(pod, names, "hold it together, and Kubernetes evicts no pod under two") if len(names) > 1 else None


async def _answer(connection: Connection, pod: Object, mark: str) -> PlacetError | None:
    """None: it was granted, or there is no such pod any more."""
    try:
        await _request(connection, pod, mark)
    except (faults.NotFound, faults.Conflicted):
        return None
    except (faults.Budgeted, faults.Rejected, faults.Forbidden) as answer:
        return answer
    return None


async def _request(connection: Connection, pod: Object, mark: str, *, dry_run: bool = False) -> None:
    address = pod_address(pod)
    options: Object = {"preconditions": {"uid": pod["metadata"]["uid"]}}
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": address.name, "namespace": address.namespace, "annotations": {keys.WARRANT: mark}},
        "deleteOptions": options | ({"dryRun": ["All"]} if dry_run else {}),
    }
    query: dict[str, str | int | bool] = {"dryRun": "All"} if dry_run else {}
    await connection.request("POST", f"{address.path}/eviction", query, body)


async def _ended(connection: Connection, pod: Object, limits: Limits) -> None:
    address, uid = pod_address(pod), pod["metadata"]["uid"]

    async def look() -> Object | None:
        try:
            seen = await connection.request("GET", address.path)
        except faults.NotFound:
            return None
        return seen if seen["metadata"]["uid"] == uid else None

    def since(seen: Object | None) -> tuple[Since, ...]:
        version = seen["metadata"]["resourceVersion"] if seen is not None else ""
        return (Since.of(connection, resources.PODS, address.namespace, address.name, version),)

    left = await limits.deadline(limits.end).until(look, lambda seen: seen is None, since)
    if left is not None:
        raise Unfinished(f"{address} was evicted and is still there after {limits.end:g} s: {_why(left)}")


def _why(pod: Mapping[str, Any]) -> str:
    if finalizers := pod["metadata"].get("finalizers"):
        return f"the finalizers {', '.join(f'`{f}`' for f in finalizers)} never ended; see to their controllers"
    return f"its node `{pod['spec'].get('nodeName')}` does not confirm its end; see to the kubelet"


def _blocked(pod: Mapping[str, Any], holding: tuple[str, ...], why: str) -> Refusal:
    named = ", ".join(f"`{b}`" for b in holding) or "(none is left that selects it)"
    return Refusal(
        code=RefusalCode.FAULT,
        about=str(pod_address(pod)),
        message=f"{pod_address(pod)} was not evicted: the disruption budget {named} {why}; raise the replicas, or ask"
        " whoever owns the budget",
    )
