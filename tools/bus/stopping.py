"""Ends a server that this program started: in order where there is time, at once where there is none.

Called by `server.EmbeddedServer` and `tools.controlplane.components`. It stands beside `launching`, which becomes the
server: that is run as a script at every start, and must not pay for the import of an event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def stop(process: asyncio.subprocess.Process | None, seconds: float, *, kill: bool = False) -> None:
    """Ask it to end and give it that long, then kill it; with `kill` at once. Returns when it is gone."""
    if process is None or process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.kill() if kill else process.terminate()
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
