"""Checkpoints in memory: tests and what-ifs. The same contract suite runs on this and on the real shelves."""

from __future__ import annotations

from agents.checkpoints.port import Address, Fenced, Held


class MemoryShelf:
    """See `port.Shelf`."""

    def __init__(self) -> None:
        self._held: dict[Address, Held] = {}
        self._version = 0

    async def load(self, address: Address) -> Held | None:
        return self._held.get(address)

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        found = self._held.get(address)
        if (found.version if found else None) != version:
            raise Fenced(f"thread `{address.thread}` was written by another run")
        self._version += 1
        self._held[address] = Held(data, self._version)
        return self._version

    async def delete(self, address: Address) -> None:
        self._held.pop(address, None)

    async def addresses(self, thread: str | None = None) -> tuple[Address, ...]:
        return tuple(a for a in self._held if thread is None or a.thread == thread)
