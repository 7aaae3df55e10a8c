"""An installation taken apart by `placet issue` and `placet provision`, with the servers that its roles meet at."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from console.composing import meeting
from console.config import Http, Sync
from console.databases import SUPERUSER
from console.installations import Installation
from console.issuing import Issuing
from tests.crash.supervision import Outside, founded, until
from tests.postgres import postgres
from tools.bus import launching
from tools.bus.server import find_binary


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def listens(port: int) -> bool | None:
    """True once somebody does; for `until`."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    writer.close()
    return True


@asynccontextmanager
async def nats_of(directory: Path, port: int) -> AsyncIterator[None]:
    """A nats-server on the configuration that was issued for it; it dies with this process."""
    monitor = ("-m", str(free_port()))
    command = (str(find_binary()), "-c", str(directory / "nats.conf"), *monitor, "-l", str(directory / "log"))
    guard = (str(os.getpid()), str(directory / "lock"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", launching.__file__, *guard, *command)
    try:
        await until(lambda: listens(port), "the nats-server to listen")
        yield
    finally:
        process.kill()
        await process.wait()


class Founder(Protocol):
    """Makes the installation that is then taken apart; `supervision.founded` makes one on the twin."""

    async def __call__(self, root: Path, name: str, **settings: Any) -> Outside: ...


@asynccontextmanager
async def taken_apart(
    folder: Path, name: str = "apart", founding: Founder = founded, **settings: Any
) -> AsyncIterator[Outside]:
    """Every role's directory in `roles`, both servers up and provisioned, no process of ours running."""
    nats, database = free_port(), free_port()
    outside = await founding(
        folder / "state",
        name,
        nats_url=f"tls://127.0.0.1:{nats}",
        ledger=f"postgresql://127.0.0.1:{database}/ledger",
        checkpoints=f"postgresql://127.0.0.1:{database}/checkpoints",
        twin=folder / "world" / "twin.sqlite",
        http=Http(port=0),
        nats_sync=Sync.INTERVAL,
        **settings,
    )
    roles = folder / "roles"
    Issuing.of(outside.state, outside.settings, roles).issue(())
    outside.roles = roles
    password = outside.state.postgres_password(SUPERUSER)
    with postgres(database, password):
        async with nats_of(roles / "nats", nats):
            await meeting.provision(Installation.open(outside.state, outside.settings))
            yield outside
