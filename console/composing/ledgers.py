"""The ledger of an installation: SQLite in its own directory, or PostgreSQL. Opened once for all who append to it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from console import rotating
from console.config import GitWitness
from console.installations import Installation
from policies.ledger.archives import Archive
from policies.ledger.notes import Notary
from policies.ledger.signing import NOTHING, Signing
from policies.ledger.verifier_keys import VerifierKey
from policies.ledger.witnesses import Witness, Witnesses


async def opened(installation: Installation, stack: AsyncExitStack) -> Archive:
    """The ledger, signed for where this directory holds its key; closed by the stack."""
    made = _sqlite if installation.config.ledger == "sqlite" else _postgres
    ledger = await made(installation, signing(installation))
    stack.push_async_callback(ledger.close)
    return ledger


def signing(installation: Installation) -> Signing:
    """The ledger's keys and witnesses, where its key is here."""
    if not installation.signs("ledger"):
        return NOTHING
    rotating.finish(installation)
    second = installation.second_signer("ledger")
    notary = Notary(installation.record.id, installation.signer("ledger"), second, installation.clock)
    return Signing(notary, Witnesses(tuple(_witnesses(installation))))


def _witnesses(installation: Installation) -> list[Witness]:
    from policies.ledger import git_witnesses, http_witnesses

    made: list[Witness] = []
    for number, known in enumerate(installation.config.witnesses):
        if isinstance(known, GitWitness):
            folder = installation.state.witnesses_path / str(number)
            made.append(git_witnesses.GitWitness(known.repository, folder, known.branch))
        else:
            made.append(http_witnesses.HttpWitness(known.url, VerifierKey.parse(known.key)))
    return made


async def _sqlite(installation: Installation, signing: Signing) -> Archive:
    from policies.ledger.sqlite import SqliteLedger

    return await SqliteLedger.open(installation.state.ledger_path, installation.record.id, signing=signing)


async def _postgres(installation: Installation, signing: Signing) -> Archive:
    from console import databases
    from policies.ledger.postgres import PostgresLedger

    address = databases.as_role(installation, installation.config.ledger)
    return await PostgresLedger.open(address, installation.record.id, signing=signing)
