"""The Bus port: durable messages, requests, key-value buckets and leases. Transport only, never the ledger.

Adapters: `nats` (the real one) and `memory` (tests and embedded what-ifs); one contract suite runs on both.
Delivery is at least once. A consumer acknowledges after its effect is durable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from estate.errors import NeverRetry, RetryLater
from tools.bus.precedence import Precedence

MAX_EVENT_BYTES = 256 * 1024


class StreamFull(RetryLater):
    """The stream refuses new messages until some are consumed: back-pressure, nothing was stored."""


class SubjectFull(StreamFull):
    """The stream has room, but this subject has used up its share: one sender pushes no other out."""


class TooLarge(NeverRetry):
    """The message is over the limit; send it by reference."""


class Conflict(RetryLater):
    """The key was changed by somebody else since it was read."""


class NotAllowed(NeverRetry):
    """This process's NATS user may not publish there."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream with explicit limits that refuses new messages when full."""

    name: str
    subjects: tuple[str, ...]
    work_queue: bool
    """True: a message is removed when acknowledged. False: kept up to the limits."""
    max_messages: int = 1_000_000
    max_bytes: int = 1024**3
    max_age: timedelta | None = None
    duplicate_window: timedelta = timedelta(minutes=10)
    discard_old: bool = False
    """Only for streams whose newest messages supersede the old (deltas, progress); never for work."""
    max_per_subject: int | None = None
    """The share of one subject in `max_messages`, refused beyond as a full stream refuses."""
    max_message_bytes: int | None = None
    """The server's own bound on one message with its headers, for streams that others than a Bus may publish to."""


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable pull consumer. `concurrency` bounds the handlers at work in this process."""

    stream: str
    name: str
    subjects: tuple[str, ...] = ()
    concurrency: int = 16
    ack_wait: timedelta = timedelta(seconds=10)
    """How long a silent holder keeps a message; a handler at work renews it."""
    max_deliver: int = 6
    backoff: tuple[timedelta, ...] = field(
        default=(timedelta(milliseconds=200), timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))
    )
    precedence: Precedence = Precedence.NEITHER


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as a handler sees it."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    message_id: str
    stream: str
    sequence: int
    attempt: int
    """1 on the first delivery."""


type Handler = Callable[[Delivery], Awaitable[None]]
"""Returns: acknowledged. Raises RetryLater (or anything unexpected): delivered again after the back-off, and after
`max_deliver` dead-lettered with the reason. Raises NewerRecord: left unacknowledged, with an alarm. Raises another
NeverRetry: dead-lettered at once."""

type Responder = Callable[[bytes, Mapping[str, str]], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Stored:
    """The value under a key with the revision that a conditional update names."""

    key: str
    value: bytes
    revision: int


class Bucket(Protocol):
    """A key-value bucket with compare-and-swap."""

    async def get(self, key: str) -> Stored | None:
        """The newest value, or None."""

    async def create(self, key: str, value: bytes) -> int:
        """Store where nothing is; the revision. Raises Conflict."""

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Store where `revision` is still the newest; the new revision. Raises Conflict."""

    async def put(self, key: str, value: bytes) -> int:
        """Store whatever is there; the revision."""

    async def delete(self, key: str) -> None:
        """Forget the key."""

    def watch(self, pattern: str = ">") -> AsyncIterator[Stored]:
        """Every current value under the pattern, then each new one as it comes, until the iterator is closed."""

    async def keys(self, pattern: str = ">") -> tuple[str, ...]:
        """The keys under the pattern."""

    async def values(self, pattern: str = ">") -> tuple[Stored, ...]:
        """The newest value of each key under the pattern, by key."""


class Lease(Protocol):
    """Mutual exclusion that survives its holder: `token` only ever grows, whoever holds it."""

    @property
    def token(self) -> int:
        """The fencing token of this holding."""

    async def renew(self) -> None:
        """Extend it. Raises Conflict when somebody else took over."""

    async def release(self) -> None:
        """Give it back early."""


class Bus(Protocol):
    """One authenticated connection of one process."""

    async def publish(
        self, subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> bool:
        """Store durably; True when stored now, False when `message_id` was stored before (a duplicate).

        Raises:
            StreamFull, TooLarge, NotAllowed, RetryLater.
        """

    async def signal(self, subject: str, data: bytes) -> None:
        """Send at most once to whoever listens now (progress); nothing is stored."""

    def listen(self, subject: str) -> AsyncIterator[tuple[str, bytes]]:
        """(subject, data) of every signal from now on, until closed."""

    async def request(self, subject: str, data: bytes, *, within: timedelta) -> bytes:
        """Ask whoever responds on `subject`. Raises RetryLater when nobody answers `within` that time."""

    async def respond(self, subject: str, responder: Responder, *, queue: str = "") -> None:
        """Answer requests until the bus is closed; one of the members of `queue` gets each."""

    async def declare(self, *streams: StreamSpec) -> None:
        """Create the streams or bring them to these limits."""

    async def consume(self, spec: ConsumerSpec, handler: Handler) -> None:
        """Handle messages until cancelled, with the rules of `Handler`."""

    async def replay(self, stream: str, *, subjects: tuple[str, ...] = ()) -> tuple[Delivery, ...]:
        """Every message now in the stream, oldest first, without consuming it."""

    def follow(self, stream: str, *, subjects: tuple[str, ...] = ()) -> AsyncIterator[Delivery]:
        """Every message of the stream from its oldest, in order, then each new one as it comes (no acknowledgement)."""

    async def delete_message(self, stream: str, sequence: int) -> None:
        """Remove one message (dead-letter handling)."""

    async def bucket(self, name: str, *, history: int = 1) -> Bucket:
        """Open or make a bucket."""

    async def lease(self, name: str, holder: str, *, ttl: timedelta) -> Lease:
        """Take the lease `name`, waiting until it is free."""

    async def close(self) -> None:
        """Drain and disconnect."""
