"""What an execution acts with: the world it writes, the estate it reads, the clock it obeys, and its patience."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from estate.clocks import Clock
from estate.notices import Notice
from estate.progress import Stage
from tools.execution.patience import Patience
from tools.execution.port import Target
from tools.inventory.port import Reader

type Announce = Callable[[Notice], Awaitable[None]]
"""Tells people so that they have been told: durable when it returns. Raises RetryLater."""

type Tell = Callable[[Stage, str], Awaitable[None]]
"""Tells people who watch, at most once; never a source of truth."""


@dataclass(frozen=True, slots=True)
class Hands:
    """The same for every execution of a process."""

    target: Target
    reader: Reader
    clock: Clock
    patience: Patience = field(default_factory=Patience)
    announce: Announce | None = None
    """None: whoever holds these hands cannot tell anybody, and refuses what must be told."""


async def silent(stage: Stage, text: str) -> None:
    """A `Tell` for when nobody watches."""
