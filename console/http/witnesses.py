"""The HTTP face of a witness (C2SP tlog-witness): checkpoints in, cosignatures out. Made by `placet witness`.

There is nothing to authenticate: a checkpoint proves by its signature whose it is, and everything else is refused.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from console.http.bodies import BodyTooLarge, read_body
from policies.ledger.witnessing import LARGEST_REQUEST_BYTES, Cosigner


def application(cosigner: Cosigner) -> Starlette:
    """`POST /add-checkpoint`, and `GET /` for its public key and what it has seen."""

    async def add(request: Request) -> Response:
        try:
            body = await read_body(request, LARGEST_REQUEST_BYTES)
        except BodyTooLarge:
            return PlainTextResponse(f"a request has at most {LARGEST_REQUEST_BYTES} bytes\n", 413)
        answer = await asyncio.to_thread(cosigner.add_checkpoint, body)
        return Response(answer.body, answer.status, media_type=answer.media)

    async def shown(request: Request) -> Response:
        kept = await asyncio.to_thread(cosigner.book.notes)
        return PlainTextResponse("\n".join((f"{cosigner.key}\n", *kept)))

    return Starlette(routes=[Route("/add-checkpoint", add, methods=["POST"]), Route("/", shown)])
