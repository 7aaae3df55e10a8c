"""Streams and durable consumers in memory, with the semantics of JetStream. Called by `memory` only."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from estate.errors import NeverRetry
from tools.bus.genuineness import MESSAGE_ID, matches
from tools.bus.port import ConsumerSpec, Delivery, StreamFull, StreamSpec, SubjectFull


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message."""

    sequence: int
    subject: str
    data: bytes
    headers: Mapping[str, str]
    at: float

    def delivery(self, stream: str, attempt: int = 1) -> Delivery:
        """As a handler sees it."""
        return Delivery(
            self.subject, self.data, self.headers, self.headers.get(MESSAGE_ID, ""), stream, self.sequence, attempt
        )


@dataclass(slots=True)
class Durable:
    """Where a durable consumer stands: what is due when, and how often it was delivered."""

    spec: ConsumerSpec
    subjects: tuple[str, ...]
    due: dict[int, float] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    queue: list[tuple[float, int]] = field(default_factory=list)

    def wants(self, subject: str) -> bool:
        """Whether the subject falls under its filters."""
        return any(matches(pattern, subject) for pattern in self.subjects)

    def schedule(self, sequence: int, at: float) -> None:
        """Deliver that message (again) at `at`."""
        self.due[sequence] = at
        heapq.heappush(self.queue, (at, sequence))

    def forget(self, sequence: int) -> None:
        """It is done."""
        self.due.pop(sequence, None)
        self.attempts.pop(sequence, None)

    def next_due(self) -> float | None:
        """When the next delivery is due, entries that were rescheduled since passed over."""
        while self.queue and self.due.get(self.queue[0][1]) != self.queue[0][0]:
            heapq.heappop(self.queue)
        return self.queue[0][0] if self.queue else None


class MemoryStream:
    """One stream. `changed` is notified whenever a reader or consumer may have something to do."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.changed = asyncio.Condition()  # protects nothing; readers and consumers sleep on it
        self._messages: dict[int, Message] = {}
        self._bytes = 0
        self._sequence = 0
        self._ids: dict[str, float] = {}
        self._ids_in_order: deque[tuple[float, str]] = deque()
        self._durables: dict[str, Durable] = {}

    def stores(self, subject: str) -> bool:
        """Whether a publish on `subject` lands here."""
        return any(matches(pattern, subject) for pattern in self.spec.subjects)

    async def store(self, subject: str, data: bytes, headers: Mapping[str, str]) -> bool:
        """True when stored, False when the message id was seen within the window. Raises StreamFull."""
        now = time.monotonic()
        self._expire(now)
        message_id = headers.get(MESSAGE_ID, "")
        if message_id in self._ids:
            return False
        self._share(subject)
        self._make_room(len(data))
        self._sequence += 1
        self._messages[self._sequence] = Message(self._sequence, subject, data, dict(headers), now)
        self._bytes += len(data)
        if message_id:
            self._ids[message_id] = now
            self._ids_in_order.append((now, message_id))
        for durable in self._durables.values():
            if durable.wants(subject):
                durable.schedule(self._sequence, now)
        await self.wake()
        return True

    def _share(self, subject: str) -> None:
        most = self.spec.max_per_subject
        if most is not None and sum(m.subject == subject for m in self._messages.values()) >= most:
            raise SubjectFull(f"`{subject}` has as many messages waiting as it may; try again when some are consumed")

    def _make_room(self, size: int) -> None:
        def full() -> bool:
            return len(self._messages) >= self.spec.max_messages or self._bytes + size > self.spec.max_bytes

        while self.spec.discard_old and self._messages and full():
            self.remove(next(iter(self._messages)))
        if full():
            raise StreamFull(f"stream `{self.spec.name}` is full; try again when some are consumed")

    def _expire(self, now: float) -> None:
        window = self.spec.duplicate_window.total_seconds()
        while self._ids_in_order and now - self._ids_in_order[0][0] > window:
            del self._ids[self._ids_in_order.popleft()[1]]
        if self.spec.max_age is not None:
            oldest = now - self.spec.max_age.total_seconds()
            for sequence in [s for s, message in self._messages.items() if message.at < oldest]:
                self.remove(sequence)

    def remove(self, sequence: int) -> None:
        """Forget one message."""
        if (message := self._messages.pop(sequence, None)) is not None:
            self._bytes -= len(message.data)
        for durable in self._durables.values():
            durable.forget(sequence)

    def bind(self, spec: ConsumerSpec) -> Durable:
        """The durable consumer of that name, made when it is new. Refuses an overlap on a work queue."""
        if found := self._durables.get(spec.name):
            return found
        subjects = spec.subjects or self.spec.subjects
        if self.spec.work_queue and any(_overlap(d.subjects, subjects) for d in self._durables.values()):
            raise NeverRetry(f"consumer `{spec.name}` overlaps another one on work queue `{spec.stream}`")
        durable = Durable(spec, subjects)
        for message in self._messages.values():
            if durable.wants(message.subject):
                durable.schedule(message.sequence, message.at)
        self._durables[spec.name] = durable
        return durable

    async def take(self, durable: Durable) -> Delivery:
        """The next delivery, waiting for it; unless settled within the ack wait it is due again."""
        async with self.changed:
            while True:
                now, due = time.monotonic(), durable.next_due()
                if due is not None and due <= now:
                    return self._handed(durable, durable.queue[0][1], now)
                try:
                    await asyncio.wait_for(self.changed.wait(), None if due is None else due - now)
                except TimeoutError:
                    continue

    def _handed(self, durable: Durable, sequence: int, now: float) -> Delivery:
        durable.attempts[sequence] = durable.attempts.get(sequence, 0) + 1
        durable.schedule(sequence, now + durable.spec.ack_wait.total_seconds())
        return self._messages[sequence].delivery(self.spec.name, durable.attempts[sequence])

    async def settle(self, durable: Durable, sequence: int) -> None:
        """Acknowledged or given up: never delivered again, and gone from a work queue."""
        durable.forget(sequence)
        if self.spec.work_queue:
            self.remove(sequence)
        await self.wake()

    async def again(self, durable: Durable, sequence: int, delay: timedelta) -> None:
        """Due again after `delay`, unless it was settled."""
        if sequence in durable.due:
            durable.schedule(sequence, time.monotonic() + delay.total_seconds())
        await self.wake()

    def kept(self, subjects: tuple[str, ...], after: int = 0) -> tuple[Delivery, ...]:
        """What is stored now with a sequence above `after`."""
        self._expire(time.monotonic())
        wanted = subjects or self.spec.subjects
        return tuple(
            message.delivery(self.spec.name)
            for sequence, message in self._messages.items()
            if sequence > after and any(matches(pattern, message.subject) for pattern in wanted)
        )

    async def following(self, subjects: tuple[str, ...]) -> AsyncIterator[Delivery]:
        """What is stored, then each new message."""
        position = 0
        while True:
            async with self.changed:
                while not (found := self.kept(subjects, position)):
                    await self.changed.wait()
            for delivery in found:
                position = delivery.sequence
                yield delivery

    async def wake(self) -> None:
        """Let everybody who sleeps on this stream look again."""
        async with self.changed:
            self.changed.notify_all()


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return any(_meet(a.split("."), b.split(".")) for a in one for b in other)


def _meet(one: list[str], other: list[str]) -> bool:
    for a, b in zip(one, other, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(one) == len(other)
