"""uvicorn inside our own event loop: it never takes over signals, and the port is known before it serves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette

from estate.errors import BadInput


class _Server(uvicorn.Server):
    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        BadInput: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInput(f"cannot listen on `{host}:{port}`: {error.strerror}; set http.port in placet.yaml") from error
    return listener


@asynccontextmanager
async def serving(app: Starlette, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve until the block ends; the task ends early only if serving fails."""
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        limit_concurrency=512,
        server_header=False,
    )
    server = _Server(settings)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http door")
    try:
        async with _waiting(server.listening) as listening:
            await asyncio.wait((listening, task), return_when=asyncio.FIRST_COMPLETED)
        yield task
    finally:
        server.should_exit = True
        try:
            await asyncio.gather(task, return_exceptions=True)
        finally:
            # A cancelled shutdown leaves the listener registered with the loop: closing the bare socket would then
            # leave a dead entry, and the next socket with its number would never be served.
            for serving_still in getattr(server, "servers", ()):
                serving_still.close()
            listener.close()


@asynccontextmanager
async def _waiting(event: asyncio.Event) -> AsyncIterator[asyncio.Task[bool]]:
    task = asyncio.create_task(event.wait(), name="http door listens")
    try:
        yield task
    finally:
        task.cancel()
