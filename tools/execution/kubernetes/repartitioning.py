"""RepartitionAccelerator on a Kubernetes node: one word told to the GPU operator's MIG manager, and its answer awaited.

The contract is the operator's: the label `nvidia.com/mig.config` names a configuration, and the manager says in
`nvidia.com/mig.config.state` how far it is. The label is held by server-side apply and never taken from whoever else
holds it. A state may still be that of the word before, so what counts is how the devices are counted in the end. A
manager that fails, or is not done in time, leaves a node that people look at: nothing is written after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Final

from estate.changes import RepartitionAccelerator
from estate.changes.kinds import unknown
from estate.conditions import Condition, Field, misses
from estate.devices import PartitionState
from estate.effects import effect
from estate.errors import NeverRetry
from estate.hardware import Node
from estate.ids import Uid
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import keys
from tools.execution.kubernetes.means import Means, refusal_of, uid_of
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Found, Outrun, apply, held_by
from tools.execution.port import StepKey
from tools.kubernetes import ownership, resources
from tools.payloads.clusters import features

_LABEL: Final = ("metadata", "labels", features.MIG_CONFIG)


async def write(
    means: Means,
    key: StepKey,
    change: RepartitionAccelerator,
    preconditions: Sequence[Condition],
    expected: Sequence[Condition],
) -> Refusal | None:
    """Tell the manager once, while the preconditions hold, and wait for it.

    Raises:
        NeverRetry: it failed, or was not done in time.
    """
    uid = uid_of(change.target(), preconditions)

    async def attempt() -> Refusal | None:
        found = await means.reach.node(change.node, uid)
        if found is None:
            return unknown(change.target())
        if keys.holds(found.raw, key):
            return None
        refusal = await _objection(means, found, change, preconditions)
        return refusal or await _told(found, keys.stamped(found.raw, key), change)

    refusal = await means.patience.insist(attempt, only=Outrun)
    if refusal is None:
        await _obeyed(means, change, uid, [c for c in expected if c.field is Field.LAYOUT])
    return refusal


async def rehearsed(
    means: Means, key: StepKey, change: RepartitionAccelerator, preconditions: Sequence[Condition] = ()
) -> Refusal | None:
    """Why the cluster would refuse the label, by a dry run of its write."""
    found = await means.reach.node(change.node, uid_of(change.target(), preconditions))
    if found is None:
        return unknown(change.target())
    return await _told(found, keys.stamped(found.raw, key), change, dry_run=True)


async def _objection(
    means: Means, found: Found, change: RepartitionAccelerator, preconditions: Sequence[Condition]
) -> Refusal | None:
    """A precondition that is missed, or whatever else bars it on the node as it is: an undo is asked for that too."""
    bound = Condition(about=change.target(), uid=Uid(found.uid), field=Field.BINDINGS, equals=())
    sight = await means.reach.sight((*preconditions, bound), means.reach.node_of(found))
    if missed := misses(sight, preconditions):
        return refusal_of(missed[0])
    if count := len(sight.workloads_on(change.node)):
        why = f"`{change.node}` runs {count} workloads, and its partition manager may restart it; move them away first"
        return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(change.target()), message=why)
    result = effect(change, sight)
    return result if isinstance(result, Refusal) else None


async def _told(found: Found, mark: str, change: RepartitionAccelerator, *, dry_run: bool = False) -> Refusal | None:
    if others := ownership.holders(found.raw, *_LABEL):
        return held_by(found.address, others, f"the label {features.MIG_CONFIG}")
    wanted = deepcopy(ownership.owned(found.raw))
    wanted.setdefault("metadata", {}).setdefault("labels", {})[features.MIG_CONFIG] = change.layout
    answer = await apply(found, mark, wanted, dry_run=dry_run)
    return answer if isinstance(answer, Refusal) else None


async def _obeyed(means: Means, change: RepartitionAccelerator, uid: Uid | None, expected: Iterable[Condition]) -> None:
    """Come back once the node counts what is expected, and its manager says that it is done."""

    async def look() -> Found | None:
        return await means.reach.node(change.node, uid)

    def node(found: Found) -> Node:
        return means.reach.node_of(found)

    def done(found: Found) -> bool:
        return not misses(means.reach.estate(node(found)), expected)

    def settled(found: Found | None) -> bool:
        return found is None or done(found) or _state(node(found)) is PartitionState.FAILED

    def since(found: Found | None) -> list[Since]:
        assert found is not None, "it would be settled"
        return [Since.of(found.connection, resources.NODES, "", found.address.name, found.version)]

    seen = await means.limits.deadline(means.limits.cut).until(look, settled, since)
    if seen is None:
        raise NeverRetry(f"`{change.node}` went away while it was cut; see what became of the machine")
    if not done(seen):
        said = _state(node(seen))
        state = said.value if said is not None else "nothing"
        raise NeverRetry(
            f"the partition manager of `{change.node}` says `{state}` of the layout `{change.layout}`, and the node"
            " does not count those devices; read the manager's log, and have the node looked at before it is used"
        )


def _state(node: Node) -> PartitionState | None:
    return node.partitioning.state if node.partitioning is not None else None
