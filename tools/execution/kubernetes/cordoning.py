"""CordonNode, UncordonNode, TaintNode and UntaintNode on a Kubernetes node.

A fence is the field `spec.unschedulable`, held by server-side apply; lifting it gives the field up. A fence that
another manager holds is not ours to lift. Taints are one list that the cluster's controllers write too, so ours go in
and out by a merge patch on the list as it was just read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, assert_never

from estate.changes import CordonNode, TaintNode, UncordonNode, UntaintNode
from estate.changes.kinds import unknown
from estate.conditions import Condition
from estate.hardware import Taint
from estate.results import Refusal
from tools.execution.kubernetes import keys
from tools.execution.kubernetes.means import Means, uid_of
from tools.execution.kubernetes.writing import Found, Outrun, apply, held_by, merge
from tools.execution.port import StepKey
from tools.kubernetes import ownership
from tools.kubernetes.connecting import Object

_FENCE = ("spec", "unschedulable")

type Change = CordonNode | UncordonNode | TaintNode | UntaintNode


async def write(means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition]) -> Refusal | None:
    """Write the change once, while its preconditions hold. Raises as the port says."""

    async def attempt() -> Refusal | None:
        found = await means.reach.node(change.node, uid_of(change.target(), preconditions))
        if found is None:
            return unknown(change.target())
        if keys.holds(found.raw, key):
            return None
        refusal = await means.unmet(preconditions, means.reach.node_of(found))
        return refusal or await _written(found, keys.stamped(found.raw, key), change)

    return await means.patience.insist(attempt, only=Outrun)


async def rehearsed(
    means: Means, key: StepKey, change: Change, preconditions: Sequence[Condition] = ()
) -> Refusal | None:
    """Why the cluster would refuse the change, by a dry run of its write."""
    found = await means.reach.node(change.node, uid_of(change.target(), preconditions))
    if found is None:
        return unknown(change.target())
    return await _written(found, keys.stamped(found.raw, key), change, dry_run=True)


async def _written(found: Found, mark: str, change: Change, *, dry_run: bool = False) -> Refusal | None:
    match change:
        case CordonNode():
            return await cordon(found, mark, dry_run=dry_run)
        case UncordonNode():
            return await uncordon(found, mark, dry_run=dry_run)
        case TaintNode():
            taints = [*(t for t in _taints(found) if not _alike(t, change.taint)), _written_out(change.taint)]
            return _refusal(await merge(found, mark, {"spec": {"taints": taints}}, dry_run=dry_run))
        case UntaintNode():
            left = [t for t in _taints(found) if t != _written_out(change.taint)]
            return _refusal(await merge(found, mark, {"spec": {"taints": left or None}}, dry_run=dry_run))
        case unreachable:
            assert_never(unreachable)


async def cordon(found: Found, mark: str, *, dry_run: bool = False) -> Refusal | None:
    """Hold the fence."""
    return _refusal(await apply(found, mark, with_fence(ownership.owned(found.raw), True), dry_run=dry_run))


async def uncordon(found: Found, mark: str, *, dry_run: bool = False) -> Refusal | None:
    """Give the fence up, so that the node is really open; refused while somebody else holds it."""
    closed = bool(found.raw["spec"].get("unschedulable"))
    if closed and (others := ownership.holders(found.raw, *_FENCE)):
        return held_by(found.address, others, ".".join(_FENCE))
    held = ownership.owned(found.raw)
    ours = "unschedulable" in held.get("spec", {})
    # A fence that nobody holds (put before fields had managers) does not fall by giving it up.
    wanted = with_fence(held, False if closed and not ours else None)
    return _refusal(await apply(found, mark, wanted, dry_run=dry_run))


def with_fence(held: Mapping[str, Any], closed: bool | None) -> dict[str, Any]:
    """What we hold, with the fence as given; None leaves it out, which gives it up."""
    wanted = deepcopy(dict(held))
    spec = wanted.setdefault("spec", {})
    spec.pop("unschedulable", None)
    if closed is not None:
        spec["unschedulable"] = closed
    return wanted


def _taints(found: Found) -> list[Object]:
    return list(found.raw["spec"].get("taints") or ())


def _alike(raw: Object, taint: Taint) -> bool:
    return (raw["key"], raw["effect"]) == (taint.key, taint.effect.value)


def _written_out(taint: Taint) -> Object:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, **value, "effect": taint.effect.value}


def _refusal(answer: Found | Refusal) -> Refusal | None:
    return answer if isinstance(answer, Refusal) else None
