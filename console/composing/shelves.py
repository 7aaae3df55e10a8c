"""Where the agents' checkpoints are kept: in a bucket of the bus, or in PostgreSQL."""

from __future__ import annotations

from contextlib import AsyncExitStack

from agents.checkpoints.port import Shelf
from console.installations import Installation
from tools.bus.port import Bus


async def opened(installation: Installation, bus: Bus, stack: AsyncExitStack) -> Shelf:
    """The configured shelf, of which only the adapter is loaded; closed by the stack."""
    address = installation.config.checkpoints
    if address == "embedded":
        from agents.checkpoints.jetstream import BucketShelf

        return await BucketShelf.open(bus)
    from agents.checkpoints.postgres import PostgresShelf
    from console import databases

    return await stack.enter_async_context(PostgresShelf.open(databases.as_role(installation, address)))
