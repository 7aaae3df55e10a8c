"""The HTTP door: what senders post becomes durable raw messages on their channel's own subject.

202 is answered only after the stream has stored the body. Nothing is parsed beyond what the transport needs; the
intake consumer judges the content, and dead-letters what it cannot read. The channel in the path is proven by its
token, so a sender never chooses cluster or tenant.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.intake.receiving import RECEIVED_AT
from console.config import Channel, Format
from console.http.bodies import BodyTooLarge, read_body
from console.http.channels import Channels, takes
from console.http.cloudevents import Batch, Binary, Structured, Unreadable, unpack
from console.rates import Rates
from estate import canonical
from estate.clocks import Clock
from estate.errors import PlacetError, RetryLater
from estate.ids import ChannelId
from estate.records import write_time
from estate.subjects import Subjects
from tools.bus.port import Bus, StreamFull, SubjectFull, TooLarge

RETRY_SECONDS = "2"
_LOGS = frozenset({Format.KERNEL, Format.FABRIC_MANAGER})
_CONTEXT = ("placet-host", "placet-boot", "placet-cluster")
_LONGEST_CONTEXT = 253


class Refused(Exception):
    """An answer other than 202: status, what is wrong, and what to do."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Door:
    """What the handlers need: the bus to publish on, the subjects, who may post, how fast, and what readiness means."""

    bus: Bus
    subjects: Subjects
    channels: Channels
    rates: Rates[ChannelId]
    ready: Callable[[], Awaitable[bool]]
    clock: Clock

    async def store(self, channel: Channel, format: Format, body: bytes, headers: Mapping[str, str]) -> bool:
        """Publish one raw message; False when the same message was stored before."""
        carried: list[canonical.Json] = [f"{name}: {value}" for name, value in sorted(headers.items())]
        identity = canonical.digest_of([channel.id, format.value, canonical.digest(body), carried])
        subject = self.subjects.intake(channel.id, format.value)
        stamped = {**headers, RECEIVED_AT: write_time(self.clock())}
        return await self.bus.publish(subject, body, message_id=identity, headers=stamped)


def application(door: Door) -> Starlette:
    """The ASGI application."""

    def post(format: Format) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await _receive(door, format, request)

        return endpoint

    routes = [Route(f"/v1/channels/{{channel}}/{f.value}", post(f), methods=["POST"]) for f in Format]
    return Starlette(
        routes=[
            *routes,
            Route("/healthz", _healthy, methods=["GET"]),
            Route("/readyz", _readiness(door), methods=["GET"]),
        ],
        exception_handlers={Refused: _refusal, 404: _unknown_path},
    )


async def _receive(door: Door, format: Format, request: Request) -> Response:
    channel = _admitted(door, format, request)
    _in_turn(door, channel)
    try:
        body = await read_body(request)
    except BodyTooLarge as error:
        raise Refused(413, "the body is over 256 KiB; send it by reference") from error
    stored = await _stored(door, channel, format, body, _carried(format, request, body))
    return JSONResponse({"stored": True, "duplicate": not stored}, status_code=202)


def _admitted(door: Door, format: Format, request: Request) -> Channel:
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise Refused(401, "no token; send `Authorization: Bearer …`", {"WWW-Authenticate": "Bearer"})
    name = request.path_params["channel"]
    channel = door.channels.authenticate(name, authorization)
    if channel is None:
        raise Refused(401, f"the token does not open channel `{name}`; see `channels` in placet.yaml")
    if not takes(channel, format):
        raise Refused(403, f"channel `{name}` does not take `{format.value}`; add it to the channel's formats")
    return channel


def _in_turn(door: Door, channel: Channel) -> None:
    if seconds := door.rates.wait(channel.id, channel):
        told = f"channel `{channel.id}` posts more than {channel.per_second} a second; send it again in {seconds} s"
        raise Refused(429, f"{told}, or in batches", {"Retry-After": str(seconds)})


def _carried(format: Format, request: Request, body: bytes) -> dict[str, str]:
    """The headers that go with the body; refuses a media type or shape that the format cannot have."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if format is Format.CLOUDEVENTS:
        return _cloudevents(media, request.headers, body)
    known = _context(request)
    if format in _LOGS:
        if media not in {"application/json", "text/plain", ""}:
            raise Refused(415, f"`{media}` is not a log; send application/json or text/plain")
        return {"content-type": media or "text/plain", **known}
    if media and media != "application/json" and not media.endswith("+json"):
        raise Refused(415, f"`{media}` is not JSON; send application/json")
    _must_be_object(body)
    return {"content-type": "application/json", **known}


def _context(request: Request) -> dict[str, str]:
    """What the sender knows and the payload does not say, as parsers read it: a claim, like the payload itself."""
    found = {name: request.headers[name] for name in _CONTEXT if name in request.headers}
    for name, value in found.items():
        if not (value.isascii() and value.isprintable() and len(value) <= _LONGEST_CONTEXT):
            raise Refused(422, f"the header `{name}` is not a name in printable ASCII; correct the sender")
    return found


def _cloudevents(media: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    try:
        match unpack(media, headers, body):
            case Structured() | Batch():
                return {"content-type": media}
            case Binary(attributes):
                return attributes
    except Unreadable as error:
        raise Refused(error.status, str(error)) from error


def _must_be_object(body: bytes) -> None:
    try:
        form: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(422, "the body is not JSON; correct the sender") from error
    if not isinstance(form, dict):
        raise Refused(422, "the body is not a JSON object; correct the sender")


async def _stored(door: Door, channel: Channel, format: Format, data: bytes, headers: Mapping[str, str]) -> bool:
    try:
        return await door.store(channel, format, data, headers)
    except SubjectFull as error:
        told = f"channel `{channel.id}` has as many `{format.value}` bodies waiting as it may"
        advice = "send it again later, and look at `placet dlq list`"
        raise Refused(429, f"{told}; {advice}", {"Retry-After": RETRY_SECONDS}) from error
    except StreamFull as error:
        raise Refused(429, "the intake is full; send it again later", {"Retry-After": RETRY_SECONDS}) from error
    except TooLarge as error:
        raise Refused(413, "the message is over 256 KiB; send it by reference") from error
    except RetryLater as error:
        raise Refused(503, "not stored; send it again later", {"Retry-After": RETRY_SECONDS}) from error


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _readiness(door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        try:
            ready = await door.ready()
        except PlacetError:
            ready = False
        return JSONResponse({"status": "ready" if ready else "not ready"}, status_code=200 if ready else 503)

    return endpoint


async def _unknown_path(_: Request, __: Exception) -> Response:
    formats = "|".join(f.value for f in Format)
    message = f"no such path; post to /v1/channels/<channel>/<{formats}>"
    return JSONResponse({"error": message}, status_code=404)


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": error.message}, status_code=error.status, headers=error.headers)
