"""One HTTP exchange with somebody's server: bounded in time and size, its faults told apart by what helps.

Called by the sources beside it. Redirects are not followed: a target is the address that an administrator wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import httpx

from estate.errors import Denied, NeverRetry, RetryLater
from tools.payloads import reading

_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


async def body(http: httpx.AsyncClient, request: httpx.Request, largest: int) -> bytes:
    """What the server answers to it.

    Raises:
        RetryLater: it could not be reached, took too long, or says that it has a passing trouble.
        Denied: it refuses these credentials.
        NeverRetry: it refuses the request, or answers with more than `largest` bytes.
    """
    try:
        response = await http.send(request, stream=True)
        try:
            found = await _read(response, largest)
        finally:
            await response.aclose()
    except httpx.TimeoutException as error:
        raise RetryLater(f"`{request.url}` did not answer in time") from error
    except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
        raise RetryLater(
            f"`{request.url}` cannot be reached: {reading.shown(error) or type(error).__name__}"
        ) from error
    judge(response.status_code, request, found)
    return found


async def _read(response: httpx.Response, largest: int) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > largest:
            raise NeverRetry(f"`{response.url}` answers with over {largest} bytes; ask it for less")
        parts.append(part)
    return b"".join(parts)


def judge(status: int, request: httpx.Request, said: bytes) -> None:
    """Raise what a status means, unless it is a success."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    words = f"`{request.url}` answered {status}: {reading.shown(said[:300].decode('utf-8', 'replace'))}"
    if status in _REFUSED:
        raise Denied(f"{words}; correct the credentials")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RetryLater(words)
    raise NeverRetry(words)


def client(
    url: str, *, verify: bool | str, timeout: float, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client of one server, without the environment's proxies or netrc."""
    trust = httpx.create_ssl_context(verify=verify) if isinstance(verify, str) else verify
    return httpx.AsyncClient(
        base_url=url,
        verify=trust,
        timeout=timeout,
        headers=dict(headers or {}),
        trust_env=False,
        follow_redirects=False,
    )
