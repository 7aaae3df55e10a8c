"""A target whose own faults end an execution in order: what is none of Placet's errors becomes `AdapterFault`.

The executor puts it before the target it was given. A bug in an adapter would else leave an execution unfinished: its
letter is delivered again, meets the same bug, and ends among the dead, with nobody told how far the step came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from estate import canonical
from estate.changes import Change
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.errors import NeverRetry, PlacetError
from estate.kept import Kept
from estate.results import Refusal
from estate.things import Thing
from tools.execution.patience import Patience
from tools.execution.port import StepKey, Target

_log = structlog.get_logger(__name__)
_LONGEST_REASON = 300


class AdapterFault(NeverRetry):
    """The adapter broke: how far it came is unknown, and the same call would break again."""


class Guarded:
    """The target behind it, and no error but ours. See the port for what each call does."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        """See the port."""
        with _told("check"):
            return await self._target.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        """See the port."""
        with _told("verify"):
            return await self._target.verify(conditions, patience)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        """See the port."""
        with _told("rehearse"):
            return await self._target.rehearse(steps)

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        """See the port."""
        with _told("preserve"):
            return await self._target.preserve(things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        """See the port."""
        with _told(f"apply {change.kind}"):
            return await self._target.apply(key, change, preconditions, expected)


@contextmanager
def _told(call: str) -> Iterator[None]:
    try:
        yield
    except PlacetError:
        raise
    except Exception as error:
        _log.exception("adapter broke", call=call)
        found = canonical.clean_text(f"{type(error).__name__}: {error}", limit=_LONGEST_REASON)
        raise AdapterFault(
            f"the adapter broke in `{call}` (`{found}`), a bug of placet's; report it with the executor's log"
        ) from error
