"""The Target on a twin world. The world does the work; this only speaks the port."""

from __future__ import annotations

from collections.abc import Sequence

from estate import kept
from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.kept import Kept
from estate.results import Refusal
from estate.things import Thing
from tools.execution.patience import Patience
from tools.execution.port import StepKey
from tools.twin.world import World


class TwinTarget:
    """Hands on one twin world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """See the port."""
        return await self._world.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """See the port."""
        return await patience.until(lambda: self.check(conditions), lambda missed: not missed)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """See the port."""
        return await self._world.dry_run([step.change for step in steps])

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """See the port."""
        snapshot = await self._world.snapshot()
        return tuple(kept.seen(snapshot, thing) for thing in things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """See the port."""
        return await self._world.apply(str(key), change, preconditions)
