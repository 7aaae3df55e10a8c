"""A connection to one cluster, through `kubernetes.aio` with raw requests: plain JSON in, plain JSON out.

Called by the inventory's source (reads) and by the executor's target (writes), each with credentials of its own.
Refused: typed models (a typed list of a thousand pods holds the loop for a quarter of a second), and retries of its
own: whoever calls knows whether a call may be repeated. Only a 401 is tried again, once, with credentials read anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from estate.errors import BadInput
from tools.kubernetes import faults

type Object = dict[str, Any]
type Query = Mapping[str, str | int | bool]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PATCH = "application/json-patch+json"
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
"""To accept the metadata of an object alone: its content never travels."""

PAGE = 500
LARGEST_EVENT = 16 * 1024 * 1024
"""Bytes of one watch event; etcd holds objects of 1.5 MB at most."""
CONNECT_SECONDS = 10.0
QUIET_SECONDS = 90.0
"""A watch that says nothing for this long is dead: bookmarks come every minute."""
_PLAIN = {"Accept": JSON, "Content-Type": JSON}
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, ConnectionError, OSError)


@dataclass(frozen=True, slots=True)
class Access:
    """Where a connection takes its credentials from: a kubeconfig file and context, or the pod it runs in (None)."""

    kubeconfig: Path | None = None
    context: str | None = None

    def __str__(self) -> str:
        if self.kubeconfig is None:
            return "the service account of this pod"
        return f"{self.kubeconfig}{f' ({self.context})' if self.context else ''}"


@dataclass(frozen=True, slots=True)
class Written:
    """One object as the API server wrote it, read when it is asked for: most that a watch brings is known already."""

    raw: bytes
    call: str
    """Whose answer it is of."""

    @property
    def form(self) -> Object:
        """The object, parsed each time. Raises as `Connection.request` where it is none."""
        return _parsed(self.raw, self.call)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. All pages of one list carry the same `version`."""

    written: tuple[Written, ...]
    version: str

    @property
    def items(self) -> tuple[Object, ...]:
        """The objects, parsed each time."""
        return tuple(w.form for w in self.written)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`, and the object."""

    type: str
    written: Written

    @property
    def object(self) -> Object:
        """The object, parsed each time."""
        return self.written.form


class _About(msgspec.Struct, gc=False):
    resourceVersion: str | None = None
    following: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct, gc=False):
    metadata: _About
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


_list = msgspec.json.Decoder(_List)
_line = msgspec.json.Decoder(_Line)
_HEADS = {b'{"type":"%b","object":{' % kind.encode(): kind for kind in ("ADDED", "MODIFIED", "DELETED")}
"""How the lines of nearly all API servers begin: those are not read to find where the object is."""


class Connection:
    """Requests to one API server. Close it when done; every error is one of `tools.kubernetes.faults`."""

    def __init__(self, access: Access, client: ApiClient) -> None:
        """Use `Connection.open`."""
        self._access = access
        self._client = client
        self._retired: list[ApiClient] = []
        self._renewing = asyncio.Lock()  # protects the exchange of the client: of many 401s at once, one renews

    @classmethod
    async def open(cls, access: Access) -> Self:
        """Read the credentials. Nothing is sent yet.

        Raises:
            BadInput: the kubeconfig, its context, or the service account is not there or not readable.
        """
        return cls(access, await _client(access))

    async def close(self) -> None:
        """Close every socket."""
        for client in (*self._retired, self._client):
            await client.close()  # type: ignore[no-untyped-call] # the vendor's is untyped

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        *,
        content_type: str = JSON,
        timeout: float = 30.0,  # noqa: ASYNC109 - handed to the socket, which names the fault
    ) -> Object:
        """The parsed answer. `path` begins with `/api`; `body` is plain JSON, also for server-side apply.

        Raises:
            RetryLater, NeverRetry, Denied: see `tools.kubernetes.faults`.
        """
        forms = {"Accept": JSON, "Content-Type": content_type}
        return await self._whole(method, path, query, body, forms, timeout)

    async def metadata(self, path: str) -> Object:
        """The metadata alone of the object at `path`: its content never travels. Raises as `request`."""
        return await self._whole("GET", path, None, None, {"Accept": METADATA, "Content-Type": JSON}, 30.0)

    async def _whole(
        self, method: str, path: str, query: Query | None, body: Any, forms: Mapping[str, str], seconds: float
    ) -> Object:
        limits = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
        async with self._answer(method, path, query, body, forms, limits) as (call, response):
            return _parsed(await _read(response, call), call)

    async def pages(self, path: str, query: Query | None = None, *, size: int = PAGE) -> AsyncIterator[Page]:
        """A whole list, page by page, as of one version. Raises `Gone` when it took too long: begin again."""
        carry_on: str | None = ""
        limits = aiohttp.ClientTimeout(total=30.0, connect=CONNECT_SECONDS)
        while carry_on is not None:
            asked = dict(query or {}) | {"limit": size} | ({"continue": carry_on} if carry_on else {})
            async with self._answer("GET", path, asked, None, _PLAIN, limits) as (call, response):
                page, carry_on = page_of(await _read(response, call), call)
            yield page

    async def watch(self, path: str, query: Query | None = None, *, seconds: int = 240) -> AsyncIterator[Event]:
        """What happens after `query["resourceVersion"]`, bookmarks too, until the server ends it after `seconds`.

        Raises:
            Gone: the version is too old; list again.
            RetryLater, Denied, NeverRetry: as `request`. What was given before stays true.
        """
        asked = dict(query or {}) | {"watch": True, "allowWatchBookmarks": True, "timeoutSeconds": seconds}
        limits = aiohttp.ClientTimeout(total=seconds + 30, connect=CONNECT_SECONDS, sock_read=QUIET_SECONDS)
        async with self._answer("GET", path, asked, None, _PLAIN, limits) as (call, response):
            async for line in _lines(response, call):
                yield event_of(line, call)

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Any,
        forms: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> AsyncIterator[tuple[str, aiohttp.ClientResponse]]:
        """A good answer whose body is not read yet. A 401 renews the credentials and asks once more."""
        call = f"{method} {path}"
        asked = f"{path}?{urlencode(_words(query))}" if query else path
        client = self._client
        response = await _sent(client, call, asked, body, forms, limits)
        if response.status == 401:
            response.release()
            client = await self._renewed(client)
            response = await _sent(client, call, asked, body, forms, limits)
        try:
            if not 200 <= response.status < 300:
                raise await _refusal(response, call)
            yield call, response
        finally:
            response.close()

    async def _renewed(self, refused: ApiClient) -> ApiClient:
        async with self._renewing:
            if self._client is refused:
                self._client = await _client(self._access)
                self._retired.append(refused)  # its watches may still run
            return self._client


async def _client(access: Access) -> ApiClient:
    # Left to itself the session would read the environment and ~/.netrc before each request, and send what it finds.
    settings = Configuration(client_session_kwargs={"trust_env": False})
    try:
        if access.kubeconfig is None:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call] # as above
        else:
            if not access.kubeconfig.is_file():
                raise BadInput(f"kubeconfig `{access.kubeconfig}` is not there; name another file")
            await config.load_kube_config(  # type: ignore[no-untyped-call] # as above
                str(access.kubeconfig), access.context, client_configuration=settings, persist_config=False
            )
        settings.proxy = settings.proxy or _proxy(settings.host)
        return ApiClient(settings)
    except BadInput:
        raise
    except Exception as error:  # the vendor raises whatever a broken file makes it trip over
        raise BadInput(f"no credentials from {access} ({str(error)[:200]}); correct it") from error


def _proxy(host: str) -> str | None:
    """The proxy that the environment names for this server, looked up once."""
    server = urlsplit(host)
    return None if proxy_bypass(server.netloc) else getproxies().get(server.scheme)


async def _sent(
    client: ApiClient, call: str, asked: str, body: Any, forms: Mapping[str, str], limits: aiohttp.ClientTimeout
) -> aiohttp.ClientResponse:
    method = call.split(" ", 1)[0]
    headers = {**forms, "User-Agent": "placet"}
    settings = client.configuration
    try:
        await client.update_params_for_auth(headers, [], ["BearerToken"], asked, method, body)
        answer = await client.call_api(method, f"{settings.host}{asked}", headers, body, _request_timeout=limits)
    except _NO_ANSWER as error:
        raise faults.unreachable(call, error) from error
    response: aiohttp.ClientResponse = answer.response
    return response


async def _refusal(response: aiohttp.ClientResponse, call: str) -> Exception:
    try:
        data = await response.read()
    except _NO_ANSWER as error:
        return faults.unreachable(call, error)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = {"message": data[:200].decode("utf-8", "replace")}
    return faults.translated(response.status, body, call, response.headers.get("Retry-After"))


async def _lines(response: aiohttp.ClientResponse, call: str) -> AsyncIterator[bytes]:
    """The lines of a stream, of any length up to `LARGEST_EVENT` (the client's own readline stops at its buffer)."""
    rest = bytearray()
    try:
        async for chunk in response.content.iter_any():
            *whole, tail = chunk.split(b"\n")
            for line in whole:
                rest += line
                if rest:
                    yield bytes(rest)
                rest.clear()
            rest += tail
            if len(rest) > LARGEST_EVENT:
                raise faults.Gone(f"`{call}` sent an event above {LARGEST_EVENT} bytes; list again")
    except _NO_ANSWER as error:
        raise faults.unreachable(call, error) from error


async def _read(response: aiohttp.ClientResponse, call: str) -> bytes:
    try:
        return await response.read()
    except _NO_ANSWER as error:
        raise faults.unreachable(call, error) from error


def page_of(data: bytes, call: str) -> tuple[Page, str | None]:
    """One page, and by which word the next is asked for; None after the last."""
    try:
        found = _list.decode(data)
    except msgspec.ValidationError as error:
        raise faults.Rejected(f"`{call}` answered something that is no list", 200) from error
    except msgspec.DecodeError as error:
        raise faults.unreachable(call, error) from error
    raws = (bytes(raw) for raw in found.items or ())
    written = tuple(Written(raw, call) for raw in raws if raw.startswith(b"{"))
    return Page(written, found.metadata.resourceVersion or ""), found.metadata.following or None


def event_of(line: bytes, call: str) -> Event:
    """One line of a watch. Raises what the line says is wrong, `Gone` where it is no event."""
    head = line[: line.find(b"{", 1) + 1]
    if head in _HEADS and line.endswith(b"}}"):
        return Event(_HEADS[head], Written(line[len(head) - 1 : -1], call))
    strange = faults.Gone(f"`{call}` sent something that is no event; list again")
    try:
        found = _line.decode(line)
    except msgspec.ValidationError as error:
        raise strange from error
    except msgspec.DecodeError as error:
        raise faults.unreachable(call, error) from error
    event = Event(found.type, Written(bytes(found.object), call))
    if not event.written.raw.startswith(b"{"):
        raise strange
    if event.type == "ERROR":
        code = event.object.get("code")
        raise faults.translated(code if isinstance(code, int) else 500, event.object, call)
    return event


def _parsed(data: bytes, call: str) -> Object:
    """Plain JSON. In the loop's own thread: the decoder holds the interpreter, so another thread would gain nothing."""
    try:
        form = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise faults.unreachable(call, error) from error
    if not isinstance(form, dict):
        raise faults.Rejected(f"`{call}` answered something that is no object", 200)
    return form


def _words(query: Query) -> dict[str, str]:
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in query.items()}
