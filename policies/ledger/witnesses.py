"""The Witness port: somebody outside the installation who is shown each new checkpoint of its install log.

Who owns the ledger's key can rewrite the ledger and sign that; a witness that saw the old one then refuses the new,
and a verifier who was given the witness's key finds its cosignature missing. The install log alone is shown: its leaves
hold the heads of every tenant's log. A witness that does not answer delays nothing and is named in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from estate.errors import PlacetError
from policies.ledger.notes import Checkpoint

log = structlog.get_logger(__name__)

type Prove = Callable[[int], Awaitable[Sequence[bytes]]]
"""The hashes that prove that the log of that size is a prefix of the one shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A signed checkpoint, and how its consistency with an older one is proven."""

    note: str
    checkpoint: Checkpoint
    prove: Prove


class Witness(Protocol):
    """Shown checkpoints of one installation; remembers the last."""

    @property
    def name(self) -> str:
        """As people know it."""

    async def show(self, shown: Shown) -> str:
        """Its signature lines for the note; none where it keeps the checkpoint without signing.

        Raises:
            Denied: it has seen another history of this log, or answers for somebody else.
            RetryLater: it does not answer.
        """


@dataclass(frozen=True, slots=True)
class Witnesses:
    """All witnesses of a ledger, shown one checkpoint at a time: none may be older than the one before."""

    all: tuple[Witness, ...] = ()
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects the order in which checkpoints are taken and shown."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the order from before a moment of the ledger is chosen until its checkpoint was shown."""
        async with self._lock:
            yield

    async def show(self, shown: Shown) -> tuple[str, ...]:
        """The signature lines of all who signed. Never raises for what a witness does."""
        if not self.all or not shown.checkpoint.head.size:
            return ()
        lines = await asyncio.gather(*(_asked(witness, shown) for witness in self.all))
        return tuple(line for part in lines for line in part.splitlines(keepends=True))


async def _asked(witness: Witness, shown: Shown) -> str:
    size = shown.checkpoint.head.size
    try:
        return await witness.show(shown)
    except PlacetError as error:
        log.error("checkpoint not witnessed", witness=witness.name, size=size, reason=str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        log.error("checkpoint not witnessed", witness=witness.name, size=size, reason=reason)
    return ""
