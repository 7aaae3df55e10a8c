"""What becomes of one delivery: the rules of `port.Handler`, shared by every adapter.

Called by the consumers of the NATS and memory adapters, so that both keep the same promises: acknowledged only after
the handler returned, a copy in the dead-letter stream before the original is given up, never a silent drop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from estate.errors import NeverRetry, NewerRecord, NotYet, PlacetError
from tools.bus.port import Bucket, ConsumerSpec, Delivery, Handler, StreamFull
from tools.bus.precedence import Precedence, RightOfWay

log = structlog.get_logger(__name__)

FULL_DELAY = timedelta(minutes=1)
"""How long a message rests whose letter finds no room: its sender's share is used up until people see to it."""
NEWER_DELAY = timedelta(minutes=10)
"""How long a record of a newer Placet rests before it is looked at again; an upgraded worker may get it then."""


class Letter(Protocol):
    """A delivery in hand, and what may be done with it."""

    delivery: Delivery

    async def acknowledge(self) -> None:
        """Done; waits until the server knows."""

    async def again(self, delay: timedelta) -> None:
        """Deliver it again after `delay`."""

    async def terminate(self) -> None:
        """Give it up for ever; waits until the server knows."""

    async def in_progress(self) -> None:
        """Still at it: the acknowledgement deadline starts anew."""


type Bury = Callable[[Delivery, ConsumerSpec, str], Awaitable[None]]
"""Copies a delivery into the dead-letter stream, with the reason."""


@dataclass(frozen=True, slots=True)
class Handling:
    """One consumer's way to treat its letters. `left` remembers, beyond a crash, what was left for a newer Placet."""

    spec: ConsumerSpec
    handler: Handler
    bury: Bury
    left: Callable[[], Awaitable[Bucket]]
    way: RightOfWay = field(default_factory=RightOfWay)
    """What everything in this interpreter takes or gives."""

    async def treat(self, letter: Letter) -> None:
        """Handle one letter to its end. Raises only what cancels it."""
        try:
            await self._treat(letter)
        except asyncio.CancelledError:
            with suppress(PlacetError):
                await letter.again(timedelta(0))
            raise
        except PlacetError as error:
            # Acknowledging or burying failed: the server delivers the letter again, and the effect is idempotent.
            self._log(letter).warning("delivery left to redelivery", error=str(error))

    async def refuse(self, letter: Letter, reason: str) -> None:
        """Dead-letter what must not reach the handler."""
        try:
            await self._dead(letter, reason)
        except PlacetError as error:
            self._log(letter).warning("refusal left to redelivery", error=str(error))

    async def _treat(self, letter: Letter) -> None:
        delivery = letter.delivery
        late = delivery.attempt > self.spec.max_deliver
        if late and not await self._was_left(delivery):
            await self._dead(letter, f"delivered {delivery.attempt - 1} times without an answer (its worker died?)")
            return
        try:
            async with _kept_alive(letter, self.spec.ack_wait):
                await self._handle(delivery)
        except NewerRecord as error:
            await self._leave(letter, error)
        except NeverRetry as error:
            await self._dead(letter, reason_of(error))
        except Exception as error:
            await self._retry(letter, error)
        else:
            await letter.acknowledge()
            if late:
                await (await self.left()).delete(self._left_key(delivery))

    async def _handle(self, delivery: Delivery) -> None:
        match self.spec.precedence:
            case Precedence.TAKES:
                with self.way.taken():
                    await self.handler(delivery)
            case Precedence.GIVES:
                await self.way.given()
                await self.handler(delivery)
            case Precedence.NEITHER:
                await self.handler(delivery)

    async def _retry(self, letter: Letter, error: Exception) -> None:
        attempt = letter.delivery.attempt
        if attempt >= self.spec.max_deliver:
            await self._dead(letter, f"{reason_of(error)} (attempt {attempt} of {self.spec.max_deliver})")
            return
        delay = backoff(self.spec, attempt)
        if isinstance(error, NotYet):
            self._log(letter).info("delivery waits", reason=reason_of(error), attempt=attempt, again_in=str(delay))
        else:
            self._log(letter).warning("delivery failed", error=reason_of(error), attempt=attempt, again_in=str(delay))
        await letter.again(delay)

    async def _dead(self, letter: Letter, reason: str) -> None:
        try:
            await self.bury(letter.delivery, self.spec, reason)
        except StreamFull as error:
            self._log(letter).error("no room among the dead letters", reason=reason, error=str(error))
            await letter.again(FULL_DELAY)
            return
        await letter.terminate()
        self._log(letter).error("delivery dead-lettered", reason=reason, attempt=letter.delivery.attempt)

    async def _leave(self, letter: Letter, error: NewerRecord) -> None:
        self._log(letter).error("record of a newer placet left unacknowledged", error=str(error))
        await (await self.left()).put(self._left_key(letter.delivery), b"newer")
        await letter.again(NEWER_DELAY)

    async def _was_left(self, delivery: Delivery) -> bool:
        return await (await self.left()).get(self._left_key(delivery)) is not None

    def _left_key(self, delivery: Delivery) -> str:
        return f"{delivery.stream}.{self.spec.name}.{delivery.sequence}"

    def _log(self, letter: Letter) -> structlog.stdlib.BoundLogger:
        delivery = letter.delivery
        bound: structlog.stdlib.BoundLogger = log.bind(
            stream=delivery.stream, consumer=self.spec.name, subject=delivery.subject, message_id=delivery.message_id
        )
        return bound


@asynccontextmanager
async def workers() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose owner's single error comes out as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from errors
        raise


def backoff(spec: ConsumerSpec, attempt: int) -> timedelta:
    """The pause after the failed `attempt` (1 is the first); the last one repeats."""
    return spec.backoff[min(attempt, len(spec.backoff)) - 1] if spec.backoff else timedelta(0)


def reason_of(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:1000]


@asynccontextmanager
async def _kept_alive(letter: Letter, ack_wait: timedelta) -> AsyncIterator[None]:
    """Tells the server that a long handler is still at work."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(ack_wait.total_seconds() / 3)
            with suppress(PlacetError):
                await letter.in_progress()

    heart = asyncio.create_task(beat(), name="delivery-heartbeat")
    try:
        yield
    finally:
        heart.cancel()
