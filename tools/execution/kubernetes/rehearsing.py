"""The dry run of a whole proposal: each first write by its API server, and what steps do to one another by
`estate.effects`.

A server's dry run sees its own object as it is now and nothing of the steps before, so the estate as it is now, read
live, is played forward beside it. Writes nothing, and nothing is logged: a rehearsal must not read like an act.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from estate import canonical
from estate.changes import (
    ApplyManifest,
    CopyWorkload,
    CordonNode,
    DeleteObject,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    RepartitionAccelerator,
    ReserveCapacity,
    ScaleMachineGroup,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.conditions import Condition, Field, misses
from estate.effects import Step, effect
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, Uid
from estate.manifests import Form
from estate.results import Refusal
from estate.things import Thing, ThingKind
from tools.execution.kubernetes import (
    applying,
    capping,
    copying,
    cordoning,
    draining,
    moving,
    removing,
    repartitioning,
    resizing,
)
from tools.execution.kubernetes.means import Means, refusal_of
from tools.execution.kubernetes.recounting import recounted
from tools.execution.port import StepKey

_NOBODY = canonical.digest(b"a rehearsal")
"""The proposal of a dry run's mark: it is never kept."""


async def rehearse(means: Means, steps: Sequence[Step]) -> Refusal | None:
    """Why the steps in order would be refused now, or None. What is dry-run and what is played is one read."""
    means = replace(means, reach=means.reach.once())
    running = await means.reach.sight(tuple(_wanted(steps)))
    for index, step in enumerate(steps):
        refusal = await _by_server(means, step, steps[:index])
        played = refusal or _played(step, running)
        if isinstance(played, Refusal):
            return played
        running = played
    return None


async def _by_server(means: Means, step: Step, earlier: Sequence[Step]) -> Refusal | None:
    key, change = StepKey(_NOBODY, step.number, undo=False), step.change
    match change:
        case CordonNode() | UncordonNode() | TaintNode() | UntaintNode():
            return await cordoning.rehearsed(means, key, change, step.preconditions)
        case MoveWorkload() | ScaleWorkload():
            return await moving.rehearsed(means, key, change, step.preconditions, step.postconditions)
        case CopyWorkload():
            return await copying.rehearsed(means, key, change, tuple(_applied(earlier, change.to_cluster)))
        case RemoveWorkload():
            return await removing.rehearsed(means, key, change)
        case EvictPod() | DrainNode():
            return await draining.rehearsed(means, key, change, step.preconditions)
        case RepartitionAccelerator():
            return await repartitioning.rehearsed(means, key, change, step.preconditions)
        case ApplyManifest() | DeleteObject():
            return await applying.rehearsed(means, key, change)
        case ScaleMachineGroup():
            return await resizing.rehearsed(means, key, change, step.preconditions)
        case SetPowerCap() | ReserveCapacity() | ReleaseCapacity():
            return capping.refused(change)
        case unreachable:
            assert_never(unreachable)


def _applied(steps: Sequence[Step], cluster: ClusterId) -> Iterator[Form]:
    """What these steps will have applied in that cluster."""
    for step in steps:
        if isinstance(step.change, ApplyManifest) and step.change.cluster == cluster:
            yield step.change.manifest


def _played(step: Step, running: FrozenEstate) -> FrozenEstate | Refusal:
    if missed := misses(running, step.preconditions):
        return refusal_of(missed[0])
    change, sight = recounted(step, running)
    result = effect(change, sight)
    if isinstance(result, Refusal):
        return result
    assert isinstance(result.value, FrozenEstate)
    return result.value


def _wanted(steps: Sequence[Step]) -> Iterator[Condition]:
    """What must be seen to play the steps: all they speak of, and who else is on the nodes that receive pods."""
    for step in steps:
        yield from step.preconditions
        yield from step.postconditions
        for node in _receiving(step):
            about = Thing(kind=ThingKind.NODE, id=node)
            yield Condition(about=about, uid=Uid("any"), field=Field.BINDINGS, equals=())


def _receiving(step: Step) -> tuple[NodeId, ...]:
    match step.change:
        case MoveWorkload(moves=moves):
            return tuple(m.target for m in moves if m.target)
        case ScaleWorkload(bindings=bindings) | CopyWorkload(bindings=bindings):
            return tuple(b.node for b in bindings)
        case _:
            return ()
