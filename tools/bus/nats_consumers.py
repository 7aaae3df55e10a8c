"""A durable pull consumer: asks for as many messages as there are free hands, and treats each by `handling`.

Called by `nats.NatsBus.consume`. The server's own max-deliver is left unlimited: beyond it the server would park a
message without a word, so `handling` counts attempts and dead-letters by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from estate.errors import PlacetError, RetryLater
from tools.bus.genuineness import MESSAGE_ID, forged
from tools.bus.handling import Handling, workers
from tools.bus.port import ConsumerSpec, Delivery
from tools.bus.wire import API, NotFound, Wire

log = structlog.get_logger(__name__)

_EXPIRES_SECONDS = 5.0
_IN_FLIGHT = 20_000


class NatsLetter:
    """See `handling.Letter`."""

    def __init__(self, wire: Wire, message: Msg, delivery: Delivery) -> None:
        self._wire = wire
        self._reply = message.reply
        self.delivery = delivery

    async def acknowledge(self) -> None:
        await self._wire.request(self._reply, b"+ACK")

    async def again(self, delay: timedelta) -> None:
        nanoseconds = int(delay.total_seconds() * 1e9)
        await self._wire.send(self._reply, b"-NAK " + json.dumps({"delay": nanoseconds}).encode())

    async def terminate(self) -> None:
        await self._wire.request(self._reply, b"+TERM")

    async def in_progress(self) -> None:
        await self._wire.send(self._reply, b"+WPI")


class NatsConsumer:
    """One run of one consumer in this process."""

    def __init__(self, wire: Wire, stream: str, stored: tuple[str, ...], handling: Handling) -> None:
        self._wire = wire
        self._stream = stream
        self._stored = stored
        self._handling = handling
        self._spec = handling.spec
        self._hands = asyncio.Semaphore(self._spec.concurrency)  # bounds the handlers at work
        self._at_work = 0

    async def run(self) -> None:
        """Pull and treat until cancelled."""
        inbox = self._wire.client.new_inbox()
        subscription = await self._wire.client.subscribe(f"{inbox}.*", pending_bytes_limit=-1, pending_msgs_limit=-1)
        try:
            async with workers() as handlers:
                ask = 0
                while True:
                    ask += 1
                    await self._pull(handlers, subscription, f"{inbox}.{ask}")
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _pull(self, handlers: asyncio.TaskGroup, subscription: Subscription, inbox: str) -> None:
        """One request for as many messages as there are free hands; returns when it is filled or has run out."""
        wanted = await self._free_hands()
        body = {"batch": wanted, "expires": int(_EXPIRES_SECONDS * 1e9)}
        try:
            await self._wire.send(
                f"{API}.CONSUMER.MSG.NEXT.{self._stream}.{self._spec.name}", json.dumps(body).encode(), inbox
            )
        except PlacetError as error:
            log.warning("pull failed", stream=self._stream, consumer=self._spec.name, error=str(error))
            await asyncio.sleep(1)
            return
        while wanted:
            try:
                message = await subscription.next_msg(timeout=_EXPIRES_SECONDS + 1)
            except (nats.errors.Error, TimeoutError):
                if self._wire.client.is_closed:
                    raise RetryLater(f"the connection of consumer `{self._spec.name}` was closed") from None
                return
            if status := (message.headers or {}).get("Status"):
                if message.subject == inbox:
                    await _pause_on_fault(status, message, self._spec)
                    return
                continue
            wanted -= 1
            await self._hands.acquire()
            self._at_work += 1
            handlers.create_task(self._treat(message), name=f"{self._spec.name}-delivery")

    async def _free_hands(self) -> int:
        """Waits for at least one."""
        await self._hands.acquire()
        self._hands.release()
        return max(1, self._spec.concurrency - self._at_work)

    async def _treat(self, message: Msg) -> None:
        try:
            letter = NatsLetter(self._wire, message, self._delivery(message))
            headers = message.headers or {}
            if fault := forged(message.subject, headers, self._stored):
                log.error("forged message dead-lettered", stream=self._stream, fault=fault)
                await self._handling.refuse(letter, f"forged: {fault}")
            else:
                await self._handling.treat(letter)
        finally:
            self._at_work -= 1
            self._hands.release()

    def _delivery(self, message: Msg) -> Delivery:
        metadata = message.metadata
        headers: Mapping[str, str] = dict(message.headers or {})
        return Delivery(
            subject=message.subject,
            data=message.data,
            headers=headers,
            message_id=headers.get(MESSAGE_ID, ""),
            stream=self._spec.stream,
            sequence=metadata.sequence.stream,
            attempt=metadata.num_delivered,
        )


async def _pause_on_fault(status: str, message: Msg, spec: ConsumerSpec) -> None:
    """404 and 408 say that nothing came; anything else is a fault worth a pause and a word."""
    if status in {"404", "408"}:
        return
    description = (message.headers or {}).get("Description", "")
    log.warning("pull refused", consumer=spec.name, stream=spec.stream, status=status, description=description)
    await asyncio.sleep(1)


async def declare_consumer(wire: Wire, stream: str, stored: tuple[str, ...], spec: ConsumerSpec) -> None:
    """Make the durable consumer, or bring it to this spec. Filters always, so that no alien subject is delivered."""
    config = _config(spec, stored)
    try:
        found = (await wire.api(f"CONSUMER.INFO.{stream}.{spec.name}"))["config"]
    except NotFound:
        found = None
    if found is not None and all(found.get(name) == value for name, value in config.items()):
        return
    action = "create" if found is None else "update"
    request = {"stream_name": stream, "config": config, "action": action}
    suffix = f".{config['filter_subject']}" if "filter_subject" in config else ""
    await wire.api(f"CONSUMER.CREATE.{stream}.{spec.name}{suffix}", request)


def _config(spec: ConsumerSpec, stored: tuple[str, ...]) -> dict[str, Any]:
    subjects = spec.subjects or stored
    config: dict[str, Any] = {
        "name": spec.name,
        "durable_name": spec.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(spec.ack_wait.total_seconds() * 1e9),
        "max_deliver": -1,
        "max_ack_pending": _IN_FLIGHT,
        "replay_policy": "instant",
    }
    return config | ({"filter_subject": subjects[0]} if len(subjects) == 1 else {"filter_subjects": list(subjects)})
