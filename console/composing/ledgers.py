"""The ledger of an installation: SQLite in its own directory, or PostgreSQL. Opened once for all who append to it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from console.installations import Installation
from policies.ledger.port import Ledger
from policies.signing.port import Signer


async def opened(installation: Installation, stack: AsyncExitStack) -> Ledger:
    """The ledger, signed for where this directory holds its key; closed by the stack."""
    signer = installation.signer("ledger") if installation.signs("ledger") else None
    made = _sqlite if installation.config.ledger == "sqlite" else _postgres
    ledger = await made(installation, signer)
    stack.push_async_callback(ledger.close)
    return ledger


async def _sqlite(installation: Installation, signer: Signer | None) -> Ledger:
    from policies.ledger.sqlite import SqliteLedger

    return await SqliteLedger.open(installation.state.ledger_path, installation.record.id, signer=signer)


async def _postgres(installation: Installation, signer: Signer | None) -> Ledger:
    from console import databases
    from policies.ledger.postgres import PostgresLedger

    address = databases.as_role(installation, installation.config.ledger)
    return await PostgresLedger.open(address, installation.record.id, signer=signer)
