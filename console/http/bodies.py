"""Reading a request body without trusting its length: streamed, and cut off at the limit."""

from __future__ import annotations

from starlette.requests import Request

from tools.bus.port import MAX_EVENT_BYTES


class BodyTooLarge(Exception):
    """The body is over the limit; what was read of it is dropped."""


async def read_body(request: Request, limit: int = MAX_EVENT_BYTES) -> bytes:
    """The whole body, at most `limit` bytes; a declared length beyond it is refused before anything is read.

    Raises:
        BodyTooLarge: it is longer.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)
