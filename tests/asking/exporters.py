"""An exporter over real HTTP: it serves the text that a test wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class Exporter:
    """What it says now."""

    text: str = ""
    address: str = ""
    down: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503)
        return web.Response(text=self.text, headers={"Content-Type": "text/plain; version=0.0.4"})


@asynccontextmanager
async def exporting() -> AsyncIterator[Exporter]:
    """It on a loopback port."""
    exporter = Exporter()
    app = web.Application()
    app.router.add_get("/metrics", exporter.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    exporter.address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield exporter
    finally:
        await runner.cleanup()
