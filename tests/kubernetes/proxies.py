"""A TCP proxy before an API server that can cut what runs, refuse what comes, and swallow what is said."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml


class Proxy:
    """Use `proxied`. TLS passes through: the certificate is for 127.0.0.1 on any port."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refuses = False
        self.swallows = False
        self.kubeconfig = Path()

    async def cut(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.refuses:
            writer.transport.abort()
            return
        self._open.add(writer)
        with contextlib.suppress(OSError):
            beyond_reader, beyond = await asyncio.open_connection(*self._target)
            self._open.add(beyond)
            await asyncio.gather(self._pump(reader, beyond), self._pump(beyond_reader, writer))
            self._open.discard(beyond)
        writer.transport.abort()
        self._open.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not self.swallows:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, server: str, kubeconfig: Path, folder: Path) -> AsyncIterator[Self]:
        """A proxy before that API server, with a kubeconfig that leads through it."""
        parts = urlsplit(server)
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = cls(parts.hostname, parts.port)
        listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        form = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))
        form["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        proxy.kubeconfig = folder / f"through-{port}.kubeconfig"
        await asyncio.to_thread(proxy.kubeconfig.write_text, json.dumps(form))
        try:
            yield proxy
        finally:
            listener.close()
            await proxy.cut()
