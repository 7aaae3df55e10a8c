"""The Target port: the world that an executor writes. Adapters: `twin`, `kubernetes`.

A target obeys: it has no opinion about the law. It refuses (a value) what cannot take effect, raises `RetryLater`
for passing faults, and never writes more than the one step it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.kept import Kept
from estate.results import Refusal
from estate.things import Thing
from tools.execution.patience import Patience


@dataclass(frozen=True, slots=True)
class StepKey:
    """What makes a write happen once: (proposal digest, step number, do or undo)."""

    proposal: str
    number: int
    undo: bool

    def __str__(self) -> str:
        return f"{self.proposal}:{self.number}:{'undo' if self.undo else 'do'}"


class Target(Protocol):
    """Hands on one world."""

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """Those conditions that a live read (not a cache) does not confirm."""

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """As `check`, once nothing is missed or patience ended. A world that can be watched is, rather than asked again
        and again.
        """

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """A server-side dry run of the whole proposal: why it would fail, or None. Writes nothing."""

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """Each of these as it stands now, read live.

        Raises:
            NeverRetry: this world cannot show its things.
        """

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """Write one change, once per key, only while the preconditions hold (compare-and-swap). None: it is done.

        `expected` is what will be verified. A world that leaves choices open (which of equal pods stops) makes them so.

        Raises:
            RetryLater: a passing fault; whether anything was written is unknown, and the same call is safe.
            NeverRetry: something was written and did not come to its end.
        """
