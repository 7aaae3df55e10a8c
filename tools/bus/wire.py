"""One NATS connection and the JetStream API over it, with every fault told as one of ours.

Called by the other `nats_…` adapters only. It never uses `publish_async` (its futures hang after a lost connection),
counts headers against the server's limit, and turns the permission error that NATS reports on the side into an error
of the call that caused it.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from estate.errors import BadInput, NeverRetry, PlacetError, RetryLater
from tools.bus.port import Conflict, NotAllowed, StreamFull, SubjectFull, TooLarge

log = structlog.get_logger(__name__)

OLDEST_SERVER = (2, 10)
API = "$JS.API"
_FORBIDDEN = re.compile(r'permissions violation for (?:publish|subscription) to "([^"]+)"', re.IGNORECASE)
_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
_FULL = ("maximum messages exceeded", "maximum bytes exceeded")
_SHARE_USED = "maximum messages per subject exceeded"
_NOT_FOUND = 404
_NO_MESSAGE = 10037
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a process connects and as whom. Each user has an inbox prefix of its own; no other reads its replies."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    authority: Path | None = None
    """Whose certificates the server must have (PEM) where its address is `tls://…`. None: the system's authorities."""

    @property
    def inbox(self) -> str:
        """The prefix of every reply subject of this user."""
        return inbox_of(self.user)


def inbox_of(user: str) -> str:
    """The prefix of every reply subject of that user."""
    return f"_INBOX_{user}" if user else "_INBOX"


def _tls(credentials: Credentials) -> ssl.SSLContext | None:
    """What is asked of the server's certificate; None where no TLS is spoken."""
    if not credentials.url.startswith("tls://"):
        return None
    try:
        return ssl.create_default_context(cafile=credentials.authority)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(f"`{credentials.authority}` holds no certificates: {error}; correct `nats_authority`") from error


class NotFound(RetryLater):
    """The stream or consumer is not there (yet)."""


class NoMessage(NotFound):
    """The stream has no such message."""


class Wire:
    """A connection that reconnects for ever."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._first_fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reconnects = 0
        """How often the connection was lost and healed."""
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    @classmethod
    async def connect(cls, credentials: Credentials, *, name: str) -> Wire:
        """Connect once, or say why not; later losses are healed by reconnecting without limit.

        Raises:
            RetryLater: nobody answers there.
            NotAllowed: the server refuses these credentials.
            BadInput: the server is older than 2.10 or has no JetStream headers.
        """
        wire = cls(Client())
        attempt = asyncio.ensure_future(wire._open(credentials, name))
        try:
            await asyncio.wait((attempt, wire._first_fault), return_when=asyncio.FIRST_COMPLETED)
            attempt.result() if attempt.done() else wire._first_fault.result()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            await wire.close()
            if "authorization" in str(error).lower():
                raise NotAllowed(f"nats refuses user `{credentials.user}`; check its credentials") from error
            raise RetryLater(f"no NATS server at `{credentials.url}`: {error}") from error
        finally:
            attempt.cancel()
            if not wire._first_fault.cancel():
                wire._first_fault.exception()  # looked at, so that asyncio does not report it
        await wire._refuse_old_server()
        return wire

    async def _open(self, credentials: Credentials, name: str) -> None:
        """Told to reconnect for ever, nats-py also makes its first connection for ever: `_first_fault` ends that."""
        await self.client.connect(
            credentials.url,
            name=name,
            user=credentials.user or None,
            password=credentials.password or None,
            inbox_prefix=credentials.inbox,
            connect_timeout=5,
            ping_interval=5,
            max_outstanding_pings=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            allow_reconnect=True,
            tls=_tls(credentials),
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnect,
        )

    async def _refuse_old_server(self) -> None:
        version = self.client.connected_server_version
        if (version.major, version.minor) < OLDEST_SERVER:
            found = f"{version.major}.{version.minor}.{version.patch}"
            await self.close()
            raise BadInput(f"NATS server `{found}` silently ignores stream settings; use 2.10 or newer")

    @property
    def server(self) -> tuple[int, int]:
        """Major and minor version of the connected server."""
        version = self.client.connected_server_version
        return (version.major, version.minor)

    async def request(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, within: float = _TIMEOUT_SECONDS
    ) -> Msg:
        """Ask and wait for one answer; a permission error ends the wait at once.

        Raises:
            TooLarge, NotAllowed, RetryLater.
        """
        self._refuse_oversize(subject, data, headers)
        answer = asyncio.ensure_future(
            self.client.request(subject, data, timeout=within, headers=dict(headers or {}) or None)
        )
        refusal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        key = subject.lower()  # as nats-py reports it
        self._waiting[key].add(refusal)
        try:
            await asyncio.wait((answer, refusal), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise NotAllowed(f"this user may not publish to `{subject}`; use the process that may")
            return answer.result()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise translated(error, subject) from error
        finally:
            answer.cancel()
            refusal.cancel()
            self._forget(key, refusal)

    async def api(self, call: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One JetStream API call.

        Raises:
            NotFound, Conflict, StreamFull, NotAllowed, RetryLater, NeverRetry.
        """
        answer = await self.request(f"{API}.{call}", json.dumps(body).encode() if body is not None else b"")
        return parsed(answer.data, call)

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Store one message; the server's acknowledgement (`seq`, `duplicate`)."""
        return parsed((await self.request(subject, data, headers)).data, subject)

    async def send(self, subject: str, data: bytes, reply: str = "") -> None:
        """Core NATS: at most once."""
        self._refuse_oversize(subject, data, None)
        try:
            await self.client.publish(subject, data, reply=reply)
        except (nats.errors.Error, OSError) as error:
            raise translated(error, subject) from error

    async def arrived(self) -> None:
        """Return when the server has taken in everything that was sent before, subscriptions too.

        nats-py writes a PING ahead of what still waits to be written: only the second one comes behind it.
        """
        await self.client.flush()
        await self.client.flush()

    async def close(self) -> None:
        """Flush what was sent, then disconnect; what waits for a server that is gone, is dropped. Never raises."""
        with suppress(nats.errors.Error, OSError, TimeoutError):
            if self.client.is_connected:
                await self.client.flush(timeout=2)
        if not self.client.is_connected:
            # nats-py would write what waits to a transport that is gone: a TypeError (python/cpython#136234), in place
            # of the error that the caller is about to be told.
            self.client._pending_data_size = 0
        with suppress(nats.errors.Error, OSError, TypeError):
            await self.client.close()

    def _refuse_oversize(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> None:
        size = len(data) + header_bytes(headers or {})
        if size > self.client.max_payload:
            raise TooLarge(
                f"{size} bytes for `{subject}`, the server takes {self.client.max_payload}; send a reference"
            )

    def _forget(self, key: str, refusal: asyncio.Future[None]) -> None:
        self._waiting[key].discard(refusal)
        if not self._waiting[key]:
            del self._waiting[key]

    async def _on_error(self, error: Exception) -> None:
        if not self._first_fault.done():
            self._first_fault.set_exception(error)
            return
        found = _FORBIDDEN.search(str(error))
        if found is None:
            log.warning("nats connection fault", error=str(error) or type(error).__name__)
            return
        waiting = self._waiting.get(found.group(1).lower(), set())
        if not waiting:
            log.error("nats refused a subject", subject=found.group(1))
        for refusal in waiting:
            if not refusal.done():
                refusal.set_result(None)

    async def _on_reconnect(self) -> None:
        self.reconnects += 1
        log.info("nats reconnected", server=str(self.client.connected_url.netloc if self.client.connected_url else ""))


def header_bytes(headers: Mapping[str, str]) -> int:
    """What headers take on the wire: nats-py does not count them, and the server closes the connection over them."""
    if not headers:
        return 0
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{key}: {value}\r\n".encode()) for key, value in headers.items())


def parsed(data: bytes, about: str) -> dict[str, Any]:
    """The JSON answer of the JetStream API, its error raised as ours."""
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise RetryLater(f"`{about}` got an answer that is not JSON") from error
    if not isinstance(answer, dict):
        raise RetryLater(f"`{about}` got an answer that is not an object")
    if fault := answer.get("error"):
        raise _fault(fault, about)
    return answer


def translated(error: BaseException, subject: str) -> PlacetError:
    """A nats-py error as one of ours."""
    match error:
        case nats.errors.MaxPayloadError():
            return TooLarge(f"message for `{subject}` is over the server's limit; send a reference")
        case nats.errors.NoRespondersError():
            return RetryLater(f"nobody answers on `{subject}` (no stream or no responder)")
        case nats.errors.TimeoutError() | TimeoutError():
            return RetryLater(f"no answer on `{subject}` in time")
        case nats.errors.BadSubjectError():
            return BadInput(f"`{subject}` is not a NATS subject")
        case _:
            return RetryLater(f"NATS failed on `{subject}`: {str(error) or type(error).__name__}")


def _fault(fault: Mapping[str, Any], about: str) -> PlacetError:
    description = str(fault.get("description", "unknown error"))
    if fault.get("err_code") in _WRONG_LAST_SEQUENCE:
        return Conflict(f"`{about}` was changed by somebody else: {description}")
    if description == _SHARE_USED:
        return SubjectFull(f"`{about}` has as many messages waiting as it may; try again when some are consumed")
    if description in _FULL:
        return StreamFull(f"the stream of `{about}` is full ({description}); try again when some are consumed")
    if fault.get("err_code") == _NO_MESSAGE or description == "no message found":
        return NoMessage(f"`{about}`: {description}")
    if fault.get("code") == _NOT_FOUND:
        return NotFound(f"`{about}`: {description}")
    if fault.get("code") in {500, 503}:
        return RetryLater(f"`{about}`: {description}")
    return NeverRetry(f"`{about}`: {description} (code {fault.get('err_code')})")
