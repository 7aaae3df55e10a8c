"""The Shelf port: where the documents of threads are kept, each with a version that only its writer may replace.

Adapters: `jetstream` (a bucket of the Bus; the default), `postgres`, `memory`. A shelf knows nothing of LangGraph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from estate.errors import RetryLater


class Fenced(RetryLater):
    """Another run of this thread has written since this one read it: that one goes on, this one must stop.

    Its caller may look at the thread again later, in case the other one died; going on with what it read, never.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """Which document: one namespace of one thread."""

    thread: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Held:
    """A document's bytes and the version that a replacement names."""

    data: bytes
    version: int


class Shelf(Protocol):
    """Bytes by address, with compare-and-swap. Versions of one address only grow, deletions included."""

    async def load(self, address: Address) -> Held | None:
        """The newest bytes, or None."""

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        """Replace `version` (None: nothing is there yet); the new version. Raises Fenced when it is not the newest."""

    async def delete(self, address: Address) -> None:
        """Forget it, if it is there."""

    async def addresses(self, thread: str | None = None) -> tuple[Address, ...]:
        """What is kept, of one thread or of all."""
