"""A ledger of each kind, and valid drafts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from estate.ids import Digest, IncidentId, TenantId
from policies.ledger.archives import Archive
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from policies.ledger.postgres import PostgresLedger
from policies.ledger.signing import Signing
from policies.ledger.sqlite import SqliteLedger
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, TestEntropy, subject

SIGNER = MemorySigner.generate(TestEntropy("ledger key"))
SIGNING = Signing.of(INSTALLATION, SIGNER)
PROPOSAL = Digest("sha256:" + "a" * 64)
INCIDENT = IncidentId("inc-1")
TENANTS = (TenantId("tenant-a"), TenantId("tenant-b"))

type Open = Callable[..., Awaitable[Archive]]


def draft(key: str = "proposed:1", kind: EntryKind = EntryKind.PROPOSED, **over: Any) -> Draft:
    """A proposal by the gate that concerns two tenants."""
    fields: dict[str, Any] = {
        "kind": kind,
        "at": START,
        "by": subject(),
        "body": {"summary": "fence the failing node"},
        "key": key,
        "incident": INCIDENT,
        "proposal": PROPOSAL,
        "projections": {t: {"part": f"of {t}"} for t in TENANTS},
    }
    return Draft(**(fields | over))


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same ledger again each time (in memory: the one there is); all are closed afterwards."""
    opened: list[Archive] = []
    memory: list[MemoryLedger] = []

    async def open_again(signing: Signing = SIGNING) -> Archive:
        match request.param:
            case "sqlite":
                opened.append(await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION, signing=signing))
            case "postgres":
                dsn = request.getfixturevalue("postgres_dsn")
                opened.append(await PostgresLedger.open(dsn, INSTALLATION, signing=signing))
            case _:
                memory[:] = memory or [MemoryLedger(INSTALLATION, signing=signing)]
                opened.append(memory[0])
        return opened[-1]

    yield open_again
    for one in opened:
        await one.close()


@pytest.fixture
async def ledger(reopened: Open) -> Archive:
    """An empty ledger."""
    return await reopened()
