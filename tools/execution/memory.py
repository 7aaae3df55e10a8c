"""The fake Target: a frozen estate in memory, with a script of faults. Tests and what-ifs use it."""

from __future__ import annotations

from collections.abc import Sequence

from estate import kept
from estate.changes import Change
from estate.conditions import Condition, Miss, misses
from estate.effects import Step, effect
from estate.errors import PlacetError
from estate.frozen import FrozenEstate
from estate.kept import Kept
from estate.results import Ok, Refusal, RefusalCode
from estate.snapshots import Snapshot
from estate.things import Thing
from tools.execution.patience import Patience
from tools.execution.port import StepKey


class MemoryTarget:
    """A world that is one value. No method yields in the middle, so writes are atomic."""

    def __init__(self, estate: FrozenEstate) -> None:
        self.estate = estate.complete()
        self.writes: list[str] = []
        """The keys that changed something, in order: each must be there once."""
        self._faults: dict[str, list[PlacetError | Refusal]] = {}

    def script(self, key: StepKey, *faults: PlacetError | Refusal) -> None:
        """The next writes of `key` meet these, one each, and then succeed."""
        self._faults.setdefault(str(key), []).extend(faults)

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """See the port."""
        return misses(self.estate, conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """See the port."""
        return await patience.until(lambda: self.check(conditions), lambda missed: not missed)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """See the port."""
        running: Snapshot = self.estate
        for step in steps:
            result = effect(step.change, running)
            if isinstance(result, Refusal):
                return result
            running = result.value
        return None

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """See the port."""
        return tuple(kept.seen(self.estate, thing) for thing in things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """See the port. A scripted refusal or error comes in the place of the write."""
        if str(key) in self.writes:
            return None
        if script := self._faults.get(str(key)):
            return _met(script.pop(0))
        if missed := misses(self.estate, preconditions):
            return _unmet(missed[0])
        return self._written(str(key), change)

    def _written(self, key: str, change: Change) -> Refusal | None:
        result = effect(change, self.estate)
        if not isinstance(result, Ok):
            return result
        assert isinstance(result.value, FrozenEstate)
        self.estate = result.value
        self.writes.append(key)
        return None


def _met(fault: PlacetError | Refusal) -> Refusal:
    if isinstance(fault, PlacetError):
        raise fault
    return fault


def _unmet(miss: Miss) -> Refusal:
    condition = miss.condition
    replaced = miss.found is not None and miss.fault.startswith("was replaced")
    return Refusal(
        code=RefusalCode.UID_CHANGED if replaced else RefusalCode.PRECONDITION_FAILED,
        about=str(condition.about),
        message=f"`{condition.about}` {condition.field.value} {miss.fault}; decide again on a newer snapshot",
    )
