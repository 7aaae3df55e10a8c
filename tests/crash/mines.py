"""Decorators of the real adapters that kill their own process at a named point, as `kill -9` does.

A point is `<what happened>:<of what>`, e.g. `delivered:intake`, `appended:issued:case`, `wrote:MoveWorkload`; the mine
goes off at its n-th occurrence, after the thing has happened and before anybody is told.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.checkpoints.port import Address, Shelf
from console.adapters import Adapters
from estate.changes import Change
from estate.conditions import Condition
from estate.ids import Digest
from estate.results import Refusal
from policies.ledger.port import Appended, Draft, EntryKind, Ledger
from tools.bus.port import Bucket, Bus, ConsumerSpec, Delivery, Handler
from tools.execution.port import StepKey, Target


@dataclass(slots=True)
class Mine:
    """Goes off at the `at`-th time that `point` is reached; never where no point is named."""

    point: str = ""
    at: int = 1
    _seen: int = 0

    def reached(self, point: str) -> None:
        if point != self.point:
            return
        self._seen += 1
        if self._seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Around:
    """Everything that a decorator does not change is the real adapter's."""

    def __init__(self, inner: Any, mine: Mine) -> None:
        self._inner = inner
        self._mine = mine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class MinedBus(Around):
    """`delivered:<consumer>` before its handler begins, `handled:<consumer>` between the handler and the ack."""

    async def consume(self, spec: ConsumerSpec, handler: Handler) -> None:
        async def mined(delivery: Delivery) -> None:
            self._mine.reached(f"delivered:{spec.name}")
            await handler(delivery)
            self._mine.reached(f"handled:{spec.name}")

        await self._inner.consume(spec, mined)

    async def publish(self, subject: str, data: bytes, **more: Any) -> bool:
        stored: bool = await self._inner.publish(subject, data, **more)
        self._mine.reached(f"published:{subject.split('.')[3]}")
        return stored

    async def bucket(self, name: str, **more: Any) -> Bucket:
        found: Bucket = MinedBucket(await self._inner.bucket(name, **more), self._mine)
        return found


class MinedBucket(Around):
    """`stored:<first token of the key>` after a conditional write."""

    async def create(self, key: str, value: bytes) -> int:
        revision: int = await self._inner.create(key, value)
        self._mine.reached(f"stored:{key.partition('.')[0]}")
        return revision

    async def update(self, key: str, value: bytes, revision: int) -> int:
        following: int = await self._inner.update(key, value, revision)
        self._mine.reached(f"stored:{key.partition('.')[0]}")
        return following


class MinedLedger(Around):
    """`appended:<kind>:<lane>` once an entry about a proposal is durable."""

    def __init__(self, inner: Ledger, mine: Mine) -> None:
        super().__init__(inner, mine)
        self._lanes: dict[Digest, str] = {}

    async def append(self, draft: Draft) -> Appended:
        made: Appended = await self._inner.append(draft)
        if draft.kind is EntryKind.PROPOSED and draft.proposal is not None:
            proposal = draft.body["proposal"]
            assert isinstance(proposal, dict)
            self._lanes[draft.proposal] = str(proposal["lane"])
        if draft.proposal is not None:
            self._mine.reached(f"appended:{draft.kind.value}:{self._lanes.get(draft.proposal, 'unknown')}")
        return made


class MinedShelf(Around):
    """`saved:checkpoint` once a thread's document is durable."""

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        saved: int = await self._inner.save(address, data, version)
        self._mine.reached("saved:checkpoint")
        return saved


class MinedTarget(Around):
    """`wrote:<change>` once the world has it; then the write takes its time to return."""

    def __init__(self, inner: Target, mine: Mine, seconds: float) -> None:
        super().__init__(inner, mine)
        self._seconds = seconds

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        refusal: Refusal | None = await self._inner.apply(key, change, preconditions, expected)
        self._mine.reached(f"wrote:{type(change).__name__}")
        await asyncio.sleep(self._seconds if type(change).__name__ == "MoveWorkload" else 0)
        return refusal


def laid(mine: Mine, seconds: float) -> Adapters:
    """The adapters of a process with one mine, whose moves take that many seconds each."""

    def bus(inner: Bus) -> Bus:
        return MinedBus(inner, mine)

    def ledger(inner: Ledger) -> Ledger:
        return MinedLedger(inner, mine)

    def shelf(inner: Shelf) -> Shelf:
        return MinedShelf(inner, mine)

    def target(inner: Target) -> Target:
        return MinedTarget(inner, mine, seconds)

    return Adapters(bus, ledger, shelf, target)
