"""The Target on Kubernetes: one executor's hands on the clusters that it was given. See the port for what each call
does.

Clusters are written by nobody else with this field manager; each cluster's own rules (RBAC, admission, budgets, other
managers) stand above ours, and what they refuse is a refusal in their words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import assert_never

from estate.changes import (
    ApplyManifest,
    Change,
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
from estate.conditions import Condition, Miss, misses
from estate.effects import Step
from estate.errors import BadInput, Denied, PlacetError, RetryLater
from estate.ids import ClusterId
from estate.kept import Kept
from estate.law import Facts
from estate.results import Refusal, RefusalCode
from estate.things import Thing
from tools.execution.kubernetes import (
    applying,
    capping,
    copying,
    cordoning,
    draining,
    moving,
    preserving,
    rehearsing,
    removing,
    repartitioning,
    resizing,
    verifying,
)
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.waiting import Limits
from tools.execution.patience import Patience
from tools.execution.port import StepKey
from tools.kubernetes.connecting import Connection


class KubernetesTarget:
    """Hands on these clusters."""

    def __init__(
        self,
        clusters: Mapping[ClusterId, Connection],
        facts: Callable[[], Facts],
        limits: Limits | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`clusters` are those it may write; `facts` gives the signed facts by which their objects have names."""
        self._means = Means(Reach(clusters, facts), limits or Limits(), patience or Patience())

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """See the port."""
        with _passing(BadInput, Denied):
            return misses(await self._means.reach.sight(conditions), conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """See the port."""
        with _passing(BadInput, Denied):
            return await verifying.verified(self._means, conditions, patience.seconds)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """See the port. Every first write of the whole is dry-run by the API servers."""
        try:
            return await rehearsing.rehearse(self._means, steps)
        except (Denied, BadInput) as error:
            return Refusal(code=RefusalCode.FAULT, about="cluster", message=str(error))

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """See the port."""
        with _passing(BadInput, Denied):
            return await preserving.preserved(self._means.reach, things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """See the port."""
        with _passing(Denied):
            match change:
                case CordonNode() | UncordonNode() | TaintNode() | UntaintNode():
                    return await cordoning.write(self._means, key, change, preconditions)
                case MoveWorkload() | ScaleWorkload():
                    return await moving.write(self._means, key, change, preconditions, expected)
                case CopyWorkload():
                    return await copying.write(self._means, key, change, preconditions)
                case RemoveWorkload():
                    return await removing.write(self._means, key, change, preconditions)
                case EvictPod() | DrainNode():
                    return await draining.write(self._means, key, change, preconditions)
                case RepartitionAccelerator():
                    return await repartitioning.write(self._means, key, change, preconditions, expected)
                case ApplyManifest() | DeleteObject():
                    return await applying.write(self._means, key, change, preconditions)
                case ScaleMachineGroup():
                    return await resizing.write(self._means, key, change, preconditions)
                case SetPowerCap() | ReserveCapacity() | ReleaseCapacity():
                    return capping.refused(change)
                case unreachable:
                    assert_never(unreachable)


@contextmanager
def _passing(*kinds: type[PlacetError]) -> Iterator[None]:
    """What somebody must set right (credentials, facts, a broken object) before the same call can succeed."""
    try:
        yield
    except kinds as error:
        raise RetryLater(str(error)) from error
