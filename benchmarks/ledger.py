"""The ledger: an entry alone, entries in groups, and finding one, beside the floor of a raw SQLite commit."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, figure, main
from estate.identities import Subject, SubjectKind
from estate.ids import InstallationId, TenantId
from policies.ledger.port import Draft, EntryKind
from policies.ledger.sqlite import SqliteLedger

ALONE, GROUPED, FOUND = 500, 5_000, 500
_BODY = {"text": "x" * 1_000}
_BENCH = InstallationId("bench")


def measure() -> list[Figure]:
    """Everything in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="placet-ledger-") as scratch:
        return asyncio.run(_measure(Path(scratch)))


async def _measure(folder: Path) -> list[Figure]:
    ledger = await SqliteLedger.open(folder / "ledger.db", _BENCH)
    floor, alone = await _beside_the_floor(ledger, _raw(folder / "raw.db"))
    grouped = await _grouped(ledger)
    found = await _found(ledger)
    await ledger.close()
    return [
        figure("floor: one raw SQLite commit p50", median(floor) * 1e6, "µs"),
        figure("entry alone p50", median(alone) * 1e6, "µs"),
        figure("entry alone, in floors", median(alone) / median(floor), "×", at_most=12),
        figure("entry in groups", grouped * 1e6, "µs"),
        figure("entry in groups, of one alone", grouped / median(alone), "×", at_most=0.7),
        figure("finding an entry by its key p50", median(found) * 1e6, "µs"),
    ]


def _raw(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE floor (place INTEGER PRIMARY KEY, body BLOB)")
    return connection


async def _beside_the_floor(ledger: SqliteLedger, raw: sqlite3.Connection) -> tuple[list[float], list[float]]:
    """Seconds of raw commits and of appends, in turn, so that a slow disk slows both."""
    floor, alone = [], []
    for number in range(ALONE):
        started = time.perf_counter()
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO floor VALUES (?, ?)", (number, b"x" * 1_000))
        raw.execute("COMMIT")
        floor.append(time.perf_counter() - started)
        started = time.perf_counter()
        await ledger.append(_draft(number))
        alone.append(time.perf_counter() - started)
    raw.close()
    return floor, alone


async def _grouped(ledger: SqliteLedger) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(ledger.append(_draft(ALONE + number)) for number in range(GROUPED)))
    return (time.perf_counter() - started) / GROUPED


async def _found(ledger: SqliteLedger) -> Sequence[float]:
    taken = []
    for number in range(FOUND):
        started = time.perf_counter()
        await ledger.find(f"entry:{number * (ALONE + GROUPED) // FOUND}")
        taken.append(time.perf_counter() - started)
    return taken


def _draft(number: int) -> Draft:
    """An entry with one tenant's part, as most are."""
    return Draft(
        kind=EntryKind.COMMANDED,
        at=datetime.now(UTC),
        by=Subject(kind=SubjectKind.GATE, issuer=_BENCH, name="gate"),
        body=_BODY,
        key=f"entry:{number}",
        projections={TenantId("tenant-a"): {"text": "a part"}},
    )


if __name__ == "__main__":
    main("ledger", measure)
