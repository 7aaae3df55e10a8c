"""What every change is written with: the clusters in reach, how long to wait, and how often to try again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from estate.conditions import Condition, Miss, misses
from estate.hardware import Node
from estate.ids import Uid
from estate.objects import Sighting
from estate.results import Refusal, RefusalCode
from estate.things import Thing
from estate.workloads import Workload
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.waiting import Limits
from tools.execution.patience import Patience


@dataclass(frozen=True, slots=True)
class Means:
    """The same for every step of one executor."""

    reach: Reach
    limits: Limits
    patience: Patience

    async def unmet(self, conditions: Sequence[Condition], *read: Node | Workload | Sighting) -> Refusal | None:
        """The refusal for the first condition that does not hold now; what was `read` a moment ago is taken as it
        was.
        """
        missed = misses(await self.reach.sight(conditions, *read), conditions)
        return refusal_of(missed[0]) if missed else None


def uid_of(about: Thing, conditions: Iterable[Condition]) -> Uid | None:
    """Which thing of that name was decided on; None where no condition says."""
    return next((c.uid for c in conditions if c.about == about), None)


def refusal_of(miss: Miss) -> Refusal:
    """A condition that does not hold, as the refusal of a write."""
    condition = miss.condition
    replaced = miss.fault.startswith("was replaced")
    return Refusal(
        code=RefusalCode.UID_CHANGED if replaced else RefusalCode.PRECONDITION_FAILED,
        about=str(condition.about),
        message=f"`{condition.about}` {condition.field.value} {miss.fault}: `{miss.found}` where the decision read"
        f" `{condition.equals}`; decide again on a newer snapshot",
    )
