"""The port of enactment: a goal (so many pods on these nodes) brought about through whatever the cluster has for it.

Adapters: `affinity` (required node affinity in the owner's template), `gates` (scheduling gates of single pods),
`claims` (the same, and DRA claims narrowed to the chosen devices), `kueue` (an admission check). `choosing` takes the
first that serves; all obey one step of one warrant, and none decides anything. They refuse, in words, what the
technology cannot say; what was begun and cannot be finished is taken back, or `Unfinished` says what stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from estate.changes import MoveWorkload, ScaleWorkload
from estate.results import Refusal
from tools.execution.kubernetes.goals import Goal, Seats
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Household
from tools.execution.port import StepKey

type Change = MoveWorkload | ScaleWorkload


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the workload was before the step, for when it must go back."""

    seats: Seats
    replicas: int


@dataclass(frozen=True, slots=True)
class Task:
    """One step on one workload."""

    means: Means
    key: StepKey
    change: Change
    goal: Goal


class Enactment(Protocol):
    """One way to bring a goal about. A household is the workload as it was read a moment ago."""

    async def objection(self, task: Task, household: Household) -> Refusal | None:
        """What stands against the goal before anything is written."""

    async def opening(self, task: Task, household: Household, *, dry_run: bool = False) -> Refusal | None:
        """The first write. A dry run asks the API server and changes nothing.

        Raises:
            Outrun: the object changed since it was read; read it again and decide again.
        """

    async def finish(self, task: Task, origin: Origin) -> Refusal | None:
        """Bring the goal about from wherever it stands, and see it so. A refusal says that everything is as it was.

        Raises:
            Unfinished: it could not be finished, and is not as it was.
        """
