"""The Bus on NATS JetStream: the real one.

Made by `console.bootstrap` (and by tests) for one process, with that process's own NATS user. Streams, buckets and
consumers carry the installation in their names on the server, so that several installations may share an account.
It keeps no message that it could lose: a publish returns when the server has stored, an acknowledgement when the
server has noted it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import nats.errors
import structlog
from nats.aio.msg import Msg

from estate.errors import RetryLater
from estate.subjects import Subjects
from tools.bus import dead_letters, leases
from tools.bus.genuineness import MESSAGE_ID
from tools.bus.handling import Handling
from tools.bus.nats_buckets import NatsBucket, bucket_config
from tools.bus.nats_consumers import NatsConsumer, declare_consumer
from tools.bus.nats_reading import Kept, Source, follow, read
from tools.bus.port import (
    MAX_EVENT_BYTES,
    Bucket,
    ConsumerSpec,
    Delivery,
    Handler,
    Lease,
    Responder,
    StreamSpec,
    TooLarge,
)
from tools.bus.precedence import RightOfWay
from tools.bus.wire import Credentials, NotFound, Wire

log = structlog.get_logger(__name__)

_RECALL = timedelta(milliseconds=1)
_NOTICED_SECONDS = 0.3
"""The server looks at a changed deadline within a tenth of a second."""

FAULT_HEADER = "Placet-Fault"
"""Set on an answer when the responder failed: the asker gets RetryLater instead of silence."""


class NatsBus:
    """See `port.Bus`. `max_bytes` is the limit of one message's body; `way` is what its consumers take and give."""

    def __init__(self, wire: Wire, subjects: Subjects, max_bytes: int, bucket_bytes: int, way: RightOfWay) -> None:
        self._wire = wire
        self._subjects = subjects
        self._max_bytes = max_bytes
        self._bucket_bytes = bucket_bytes
        self._way = way
        self._stored: dict[str, tuple[str, ...]] = {}
        self._buckets: dict[str, NatsBucket] = {}

    @classmethod
    async def connect(
        cls,
        credentials: Credentials,
        subjects: Subjects,
        *,
        name: str,
        max_bytes: int = MAX_EVENT_BYTES,
        bucket_bytes: int = 768 * 1024,
        way: RightOfWay | None = None,
    ) -> NatsBus:
        """Connect as one process. Raises RetryLater, NotAllowed, BadInput as `wire.Wire.connect`."""
        wire = await Wire.connect(credentials, name=name)
        return cls(wire, subjects, max_bytes, bucket_bytes, way or RightOfWay())

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> bool:
        if len(data) > self._max_bytes:
            raise TooLarge(f"{len(data)} bytes for `{subject}`, the limit is {self._max_bytes}; send a reference")
        answer = await self._wire.publish(subject, data, {**(headers or {}), MESSAGE_ID: message_id})
        return not answer.get("duplicate", False)

    async def signal(self, subject: str, data: bytes) -> None:
        await self._wire.send(subject, data)

    async def listen(self, subject: str) -> AsyncIterator[tuple[str, bytes]]:
        subscription = await self._wire.client.subscribe(subject)
        await self._wire.arrived()
        try:
            async for message in subscription.messages:
                yield message.subject, message.data
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def request(self, subject: str, data: bytes, *, within: timedelta) -> bytes:
        answer = await self._wire.request(subject, data, within=within.total_seconds())
        if fault := (answer.headers or {}).get(FAULT_HEADER):
            raise RetryLater(f"`{subject}` failed: {fault}")
        return answer.data

    async def respond(self, subject: str, responder: Responder, *, queue: str = "") -> None:
        working: set[asyncio.Task[None]] = set()

        async def answer(message: Msg) -> None:
            task = asyncio.create_task(_answer(message, responder), name=f"respond-{subject}")
            working.add(task)
            task.add_done_callback(working.discard)

        await self._wire.client.subscribe(subject, queue=queue, cb=answer)
        await self._wire.arrived()

    async def declare(self, *streams: StreamSpec) -> None:
        for spec in streams:
            await self._declare(self._physical(spec.name), _stream_config(spec))
            self._stored[spec.name] = spec.subjects

    async def prepare(self, *consumers: ConsumerSpec) -> None:
        """Make the durable consumers of other processes, whose users may not (bootstrap only; not in the port)."""
        for spec in consumers:
            stored = await self._subjects_of(spec.stream)
            await declare_consumer(self._wire, self._physical(spec.stream), stored, spec)

    async def recall(self, *consumers: ConsumerSpec) -> None:
        """Let what was delivered and never answered be delivered again at once, its attempts still counted.

        For a bootstrap that knows every earlier holder to be dead (not in the port): nobody waits for the rest of
        their deadlines.
        """
        held = [spec for spec in consumers if await self._holds(spec)]
        if held:
            await self.prepare(*(replace(spec, ack_wait=_RECALL) for spec in held))
            await asyncio.sleep(_NOTICED_SECONDS)
            await self.prepare(*held)

    async def _holds(self, spec: ConsumerSpec) -> bool:
        found = await self._wire.api(f"CONSUMER.INFO.{self._physical(spec.stream)}.{spec.name}")
        return bool(found["num_ack_pending"])

    async def consume(self, spec: ConsumerSpec, handler: Handler) -> None:
        await self.prepare(spec)
        handling = Handling(spec, handler, self._bury, self._left, self._way)
        stored = await self._subjects_of(spec.stream)
        await NatsConsumer(self._wire, self._physical(spec.stream), stored, handling).run()

    async def replay(self, stream: str, *, subjects: tuple[str, ...] = ()) -> tuple[Delivery, ...]:
        source = await self._source(stream, subjects)
        return tuple([_delivery(stream, kept) async for kept in read(self._wire, source)])

    async def follow(self, stream: str, *, subjects: tuple[str, ...] = ()) -> AsyncIterator[Delivery]:
        source = await self._source(stream, subjects)
        async with aclosing(follow(self._wire, source)) as found:
            async for kept in found:
                yield _delivery(stream, kept)

    async def delete_message(self, stream: str, sequence: int) -> None:
        with suppress(NotFound):
            await self._wire.api(f"STREAM.MSG.DELETE.{self._physical(stream)}", {"seq": sequence})

    async def bucket(self, name: str, *, history: int = 1) -> Bucket:
        if name not in self._buckets:
            physical = self._physical(name)
            found = await self._declare(f"KV_{physical}", bucket_config(self._wire, physical, history), update=False)
            expire = bool(found.get("allow_msg_ttl"))
            self._buckets[name] = NatsBucket(self._wire, physical, self._bucket_bytes, markers_expire=expire)
        return self._buckets[name]

    async def lease(self, name: str, holder: str, *, ttl: timedelta) -> Lease:
        return await leases.take(await self.bucket("leases"), name, holder, ttl=ttl)

    async def close(self) -> None:
        await self._wire.close()

    async def _declare(self, physical: str, config: dict[str, Any], *, update: bool = True) -> dict[str, Any]:
        """The settings in force after making the stream, or bringing it to `config`."""
        try:
            found: dict[str, Any] = (await self._wire.api(f"STREAM.INFO.{physical}"))["config"]
        except NotFound:
            made: dict[str, Any] = await self._wire.api(f"STREAM.CREATE.{physical}", {"name": physical, **config})
            return dict(made["config"])
        if update and any(found.get(name) != value for name, value in config.items()):
            await self._wire.api(f"STREAM.UPDATE.{physical}", {**found, **config})
        return found

    async def _subjects_of(self, stream: str) -> tuple[str, ...]:
        if stream not in self._stored:
            found = await self._wire.api(f"STREAM.INFO.{self._physical(stream)}")
            self._stored[stream] = tuple(found["config"]["subjects"])
        return self._stored[stream]

    async def _source(self, stream: str, subjects: tuple[str, ...]) -> Source:
        stored = await self._subjects_of(stream)
        return Source(self._physical(stream), stored, subjects or stored)

    async def _bury(self, delivery: Delivery, spec: ConsumerSpec, reason: str) -> None:
        letter = dead_letters.copy_of(delivery, spec.name, reason)
        subject = dead_letters.subject(self._subjects, spec, delivery)
        headers = {**letter.headers, MESSAGE_ID: letter.message_id}
        try:
            await self._wire.publish(subject, letter.data, headers)
        except TooLarge:
            log.error("dead letter kept without its body", stream=spec.stream, sequence=delivery.sequence)
            await self._wire.publish(subject, b"", {**headers, dead_letters.BODY: "omitted, over the server's limit"})

    async def _left(self) -> Bucket:
        return await self.bucket("left")

    def _physical(self, name: str) -> str:
        """A stream's or bucket's name on the server."""
        return f"{self._subjects.installation}_{name}"


async def _answer(message: Msg, responder: Responder) -> None:
    if not message.reply:
        return
    headers: dict[str, str] = {}
    try:
        data = await responder(message.data, dict(message.headers or {}))
    except Exception as error:
        log.exception("responder failed", subject=message.subject)
        data, headers = b"", {FAULT_HEADER: type(error).__name__}
    with suppress(nats.errors.Error):
        await message._client.publish(message.reply, data, headers=headers or None)


def _delivery(stream: str, kept: Kept) -> Delivery:
    return Delivery(kept.subject, kept.data, kept.headers, kept.headers.get(MESSAGE_ID, ""), stream, kept.sequence, 1)


def _stream_config(spec: StreamSpec) -> dict[str, Any]:
    return {
        "subjects": list(spec.subjects),
        "retention": "workqueue" if spec.work_queue else "limits",
        "max_msgs": spec.max_messages,
        "max_msgs_per_subject": spec.max_per_subject or -1,
        "discard_new_per_subject": spec.max_per_subject is not None,
        "max_bytes": spec.max_bytes,
        "max_msg_size": spec.max_message_bytes or -1,
        "max_age": int(spec.max_age.total_seconds() * 1e9) if spec.max_age else 0,
        "duplicate_window": int(spec.duplicate_window.total_seconds() * 1e9),
        "discard": "old" if spec.discard_old else "new",
        "storage": "file",
        "allow_direct": False,
    }
