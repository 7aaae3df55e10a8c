"""The Bus in memory: one `MemoryBroker`, any number of connections. For tests and what-ifs inside one process.

The same contract suite runs on this and on NATS. Nothing outlives the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from estate.errors import BadInput, RetryLater
from estate.subjects import Subjects
from tools.bus import dead_letters, leases
from tools.bus.genuineness import MESSAGE_ID, matches
from tools.bus.handling import Handling, workers
from tools.bus.memory_streams import Durable, MemoryStream
from tools.bus.port import (
    MAX_EVENT_BYTES,
    Bucket,
    Conflict,
    ConsumerSpec,
    Delivery,
    Handler,
    Lease,
    NotAllowed,
    Responder,
    Stored,
    StreamSpec,
    TooLarge,
)
from tools.bus.precedence import RightOfWay

type MayPublish = Callable[[str], bool]


@dataclass(eq=False, slots=True)
class _Listener:
    subject: str
    arrived: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)


@dataclass(frozen=True, eq=False, slots=True)
class _Respondent:
    subject: str
    queue: str
    responder: Responder
    bus: MemoryBus


class MemoryBroker:
    """What a NATS server is to `NatsBus`."""

    def __init__(self) -> None:
        self.streams: dict[str, MemoryStream] = {}
        self.buckets: dict[str, MemoryBucket] = {}
        self.listeners: set[_Listener] = set()
        self.respondents: list[_Respondent] = []
        self.way = RightOfWay()

    def connect(
        self,
        subjects: Subjects,
        *,
        max_bytes: int = MAX_EVENT_BYTES,
        bucket_bytes: int = 768 * 1024,
        may_publish: MayPublish = lambda _: True,
    ) -> MemoryBus:
        """A connection of one process; `may_publish` plays the permissions of its user."""
        return MemoryBus(self, subjects, max_bytes, bucket_bytes, may_publish)

    def stream(self, name: str) -> MemoryStream:
        """The stream of that name. Raises RetryLater before it is declared."""
        if name not in self.streams:
            raise RetryLater(f"stream `{name}` is not declared yet")
        return self.streams[name]


class MemoryBus:
    """See `port.Bus`."""

    def __init__(
        self, broker: MemoryBroker, subjects: Subjects, max_bytes: int, bucket_bytes: int, may_publish: MayPublish
    ) -> None:
        self._broker = broker
        self._subjects = subjects
        self._max_bytes = max_bytes
        self._bucket_bytes = bucket_bytes
        self._may_publish = may_publish
        self._closed = False

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> bool:
        if len(data) > self._max_bytes:
            raise TooLarge(f"{len(data)} bytes for `{subject}`, the limit is {self._max_bytes}; send a reference")
        self._check(subject)
        stream = next((s for s in self._broker.streams.values() if s.stores(subject)), None)
        if stream is None:
            raise RetryLater(f"nobody answers on `{subject}` (no stream or no responder)")
        stored = await stream.store(subject, data, {**(headers or {}), MESSAGE_ID: message_id})
        self._tell(subject, data)
        return stored

    async def signal(self, subject: str, data: bytes) -> None:
        self._check(subject)
        self._tell(subject, data)

    def _tell(self, subject: str, data: bytes) -> None:
        for listener in self._broker.listeners:
            if matches(listener.subject, subject):
                listener.arrived.put_nowait((subject, data))

    async def listen(self, subject: str) -> AsyncIterator[tuple[str, bytes]]:
        listener = _Listener(subject)
        self._broker.listeners.add(listener)
        try:
            while True:
                yield await listener.arrived.get()
        finally:
            self._broker.listeners.discard(listener)

    async def request(self, subject: str, data: bytes, *, within: timedelta) -> bytes:
        self._check(subject)
        found = next((r for r in self._broker.respondents if matches(r.subject, subject)), None)
        if found is None:
            raise RetryLater(f"nobody answers on `{subject}` (no stream or no responder)")
        self._broker.respondents.remove(found)
        self._broker.respondents.append(found)  # the next request goes to another member
        try:
            return await asyncio.wait_for(found.responder(data, {}), within.total_seconds())
        except TimeoutError as error:
            raise RetryLater(f"no answer on `{subject}` in time") from error
        except Exception as error:
            raise RetryLater(f"`{subject}` failed: {type(error).__name__}") from error

    async def respond(self, subject: str, responder: Responder, *, queue: str = "") -> None:
        self._broker.respondents.append(_Respondent(subject, queue, responder, self))

    async def declare(self, *streams: StreamSpec) -> None:
        for spec in streams:
            if found := self._broker.streams.get(spec.name):
                found.spec = spec
            else:
                self._broker.streams[spec.name] = MemoryStream(spec)

    async def consume(self, spec: ConsumerSpec, handler: Handler) -> None:
        stream = self._broker.stream(spec.stream)
        durable = stream.bind(spec)
        handling = Handling(spec, handler, self._bury, self._left, self._broker.way)
        hands = asyncio.Semaphore(spec.concurrency)  # bounds the handlers at work

        async def treat(delivery: Delivery) -> None:
            try:
                await handling.treat(_MemoryLetter(self, stream, durable, delivery))
            finally:
                hands.release()

        async with workers() as handlers:
            while True:
                await hands.acquire()
                delivery = await stream.take(durable)
                self._check(delivery.subject, publishing=False)
                handlers.create_task(treat(delivery), name=f"{spec.name}-delivery")

    async def replay(self, stream: str, *, subjects: tuple[str, ...] = ()) -> tuple[Delivery, ...]:
        return self._broker.stream(stream).kept(subjects)

    async def follow(self, stream: str, *, subjects: tuple[str, ...] = ()) -> AsyncIterator[Delivery]:
        async for delivery in self._broker.stream(stream).following(subjects):
            yield delivery

    async def delete_message(self, stream: str, sequence: int) -> None:
        self._broker.stream(stream).remove(sequence)

    async def bucket(self, name: str, *, history: int = 1) -> Bucket:
        return self._broker.buckets.setdefault(name, MemoryBucket(name, self._bucket_bytes))

    async def lease(self, name: str, holder: str, *, ttl: timedelta) -> Lease:
        return await leases.take(await self.bucket("leases"), name, holder, ttl=ttl)

    async def close(self) -> None:
        self._closed = True
        self._broker.respondents = [r for r in self._broker.respondents if r.bus is not self]

    def _check(self, subject: str, *, publishing: bool = True) -> None:
        if self._closed:
            raise RetryLater("this bus is closed; connect again")
        if publishing and not self._may_publish(subject):
            raise NotAllowed(f"this user may not publish to `{subject}`; use the process that may")

    async def _bury(self, delivery: Delivery, spec: ConsumerSpec, reason: str) -> None:
        letter = dead_letters.copy_of(delivery, spec.name, reason)
        subject = dead_letters.subject(self._subjects, spec, delivery)
        await self.publish(subject, letter.data, message_id=letter.message_id, headers=letter.headers)

    async def _left(self) -> Bucket:
        return await self.bucket("left")


@dataclass(slots=True)
class _MemoryLetter:
    bus: MemoryBus
    stream: MemoryStream
    durable: Durable
    delivery: Delivery

    async def acknowledge(self) -> None:
        self.bus._check("", publishing=False)
        await self.stream.settle(self.durable, self.delivery.sequence)

    async def again(self, delay: timedelta) -> None:
        self.bus._check("", publishing=False)
        await self.stream.again(self.durable, self.delivery.sequence, delay)

    async def terminate(self) -> None:
        await self.acknowledge()

    async def in_progress(self) -> None:
        await self.again(self.durable.spec.ack_wait)


class MemoryBucket:
    """See `port.Bucket`. Revisions grow over the whole bucket, deletions included."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self._name = name
        self._max_bytes = max_bytes
        self._values: dict[str, Stored] = {}
        self._revision = 0
        self._changed = asyncio.Condition()  # protects nothing; watchers sleep on it

    async def get(self, key: str) -> Stored | None:
        return self._values.get(_fit(key))

    async def create(self, key: str, value: bytes) -> int:
        if key in self._values:
            raise Conflict(f"`{key}` is there already; read it and update")
        return await self.put(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        found = self._values.get(key)
        if found is None or found.revision != revision:
            raise Conflict(f"`{key}` was changed by somebody else; read it again")
        return await self.put(key, value)

    async def put(self, key: str, value: bytes) -> int:
        if len(value) > self._max_bytes:
            raise TooLarge(f"{len(value)} bytes for key `{key}`, the limit is {self._max_bytes}; split it")
        self._revision += 1
        self._values.pop(key, None)  # so that the order of the values is that of their revisions
        self._values[_fit(key)] = Stored(key, value, self._revision)
        async with self._changed:
            self._changed.notify_all()
        return self._revision

    async def delete(self, key: str) -> None:
        if self._values.pop(key, None) is not None:
            self._revision += 1

    async def watch(self, pattern: str = ">") -> AsyncIterator[Stored]:
        position = 0
        while True:
            async with self._changed:
                while not (found := self._after(position, pattern)):
                    await self._changed.wait()
            for stored in found:
                position = max(position, stored.revision)
                yield stored

    async def keys(self, pattern: str = ">") -> tuple[str, ...]:
        return tuple(stored.key for stored in await self.values(pattern))

    async def values(self, pattern: str = ">") -> tuple[Stored, ...]:
        return tuple(self._values[key] for key in sorted(self._values) if matches(pattern, key))

    def _after(self, position: int, pattern: str) -> tuple[Stored, ...]:
        return tuple(s for s in self._values.values() if s.revision > position and matches(pattern, s.key))


def _fit(key: str) -> str:
    if not key or set(key) & set(" *>\t\r\n") or key.startswith(".") or key.endswith(".") or ".." in key:
        raise BadInput(f"`{key}` is not a key; use letters, digits, `-`, `_`, `=`, `/` and single dots")
    return key
