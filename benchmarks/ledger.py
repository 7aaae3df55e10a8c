"""The ledger: an entry alone, entries in groups, finding one, and an audit of many, each beside the machine's floor."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, figure, main
from console.interpreting import tuned
from estate.canonical import Json
from estate.identities import Subject, SubjectKind
from estate.ids import InstallationId, TenantId
from policies.ledger import exports, merkle, statements
from policies.ledger.connections import connect
from policies.ledger.exports import CheckpointLine, ContentLine, Header, LogSize
from policies.ledger.merkle import Frontier, Growing, Head
from policies.ledger.notes import Checkpoint, Notary
from policies.ledger.port import Draft, EntryKind, Ledger
from policies.ledger.postgres import PostgresLedger
from policies.ledger.sequencing import Sequencer
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.statements import Value
from policies.ledger.verifying import verify
from policies.signing.memory import MemorySigner
from tests.postgres import postgres

ALONE, GROUPED, FOUND = 500, 5_000, 500
AUDITED = int(os.environ.get("PLACET_BENCH_AUDITED", "1000000"))
"""Entries that are verified; the figure is told for a million."""
MILLION = 1_000_000
_BODY = {"text": "x" * 1_000}
_SMALL: dict[str, Json] = {"execution": "exec-0123456789abcdef", "step": 1, "change": "cordon node eu-a1", "reason": ""}
_BENCH = InstallationId("bench")
_GATE = Subject(kind=SubjectKind.GATE, issuer=_BENCH, name="gate")


def measure() -> list[Figure]:
    """Everything in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="placet-ledger-") as scratch:
        appended = asyncio.run(_measure(Path(scratch)))
        return [*appended, *asyncio.run(_in_postgres()), *_audited(Path(scratch))]


async def _measure(folder: Path) -> list[Figure]:
    ledger = await SqliteLedger.open(folder / "ledger.db", _BENCH)
    floor, alone = await _beside_the_floor(ledger, _raw(folder / "raw.db"))
    grouped, lasted = await _grouped(ledger)
    await (await SqliteLedger.open(folder / "group.db", _BENCH)).close()
    floor_grouped = _raw_group(folder / "group.db")
    found = await _found(ledger)
    await ledger.close()
    return [
        figure("floor: one raw SQLite commit p50", median(floor) * 1e6, "µs"),
        figure("entry alone p50", median(alone) * 1e6, "µs"),
        figure("entry alone, in floors", median(alone) / median(floor), "×", at_most=12),
        figure("floor: the same rows in one raw transaction", floor_grouped * 1e6, "µs"),
        figure("entry in groups, processor time", grouped * 1e6, "µs", at_most=20),
        figure("entry in groups, in floors", grouped / floor_grouped, "×"),
        figure("entry in groups, the disk included", lasted * 1e6, "µs"),
        figure("finding an entry by its key p50", median(found) * 1e6, "µs"),
    ]


def _raw(path: Path) -> sqlite3.Connection:
    connection = connect(path)
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


async def _grouped(ledger: Ledger, first: int = ALONE) -> tuple[float, float]:
    """Processor seconds an entry, all threads (what others do on the machine does not count), and seconds an entry."""
    drafts = [_draft(first + number) for number in range(GROUPED)]
    with tuned():
        began, started = time.perf_counter(), time.process_time()
        await asyncio.gather(*(ledger.append(draft) for draft in drafts))
    return (time.process_time() - started) / GROUPED, (time.perf_counter() - began) / GROUPED


def _raw_group(path: Path) -> float:
    """Processor seconds for the rows of an entry with one tenant's part, in as many tables, in one transaction."""
    connection = connect(path)
    places = [(origin, place) for place in range(GROUPED) for origin in ("tenant", "install")]
    rows: dict[str, list[tuple[Value, ...]]] = {
        statements.WRITE_LEAF: [(o, p, b"x" * 600, b"h" * 32) for o, p in places],
        statements.WRITE_CONTENT: [(o, p, f"entry:{p}", b"s" * 32, b"x" * 1_000, "gate") for o, p in places],
        statements.WRITE_ENTRY: [(p, f"entry:{p}", "step-started", None, None) for p in range(GROUPED)],
    }
    started = time.process_time()
    connection.execute("BEGIN IMMEDIATE")
    for statement, written in rows.items():
        connection.executemany(statement, written)
    connection.execute("COMMIT")
    taken = (time.process_time() - started) / GROUPED
    connection.close()
    return taken


async def _in_postgres() -> list[Figure]:
    with postgres() as server:
        ledger = await PostgresLedger.open(server.dsn(), _BENCH)
        await ledger.append(_draft(0))
        grouped, lasted = await _grouped(ledger, 1)
        await ledger.close()
    return [
        figure("PostgreSQL: entry in groups, processor time of placet", grouped * 1e6, "µs", at_most=20),
        figure("PostgreSQL: entry in groups, the server's included", lasted * 1e6, "µs"),
    ]


async def _found(ledger: SqliteLedger) -> Sequence[float]:
    taken = []
    for number in range(FOUND):
        started = time.perf_counter()
        await ledger.find(f"entry:{number * (ALONE + GROUPED) // FOUND}")
        taken.append(time.perf_counter() - started)
    return taken


def _audited(folder: Path) -> list[Figure]:
    """An export of many entries verified, beside the hashes alone that any verifier of it must compute."""
    notary = Notary(_BENCH, MemorySigner.generate(os.urandom))
    file = folder / "export"
    with file.open("wb") as written:
        written.writelines(_export(notary))
    cores = os.process_cpu_count() or 1
    (alone, _), (shared, lasted) = (_verified(file, notary, processes) for processes in (1, cores))
    floor = _hashing(file) / AUDITED * MILLION
    return [
        figure("floor: the hashes of a million entries", floor, "s"),
        figure("a million entries verified by one process, processor time", alone, "s"),
        figure("a million entries verified by one process, in floors", alone / floor, "×", at_most=2),
        figure(f"a million entries verified by {cores} processes", lasted, "s", at_most=6),
        figure(f"a million entries verified by {cores} processes, processor time", shared, "s"),
        figure(f"a million entries verified by {cores} processes, in floors", lasted / floor, "×", at_most=2),
    ]


def _verified(file: Path, notary: Notary, processes: int) -> tuple[float, float]:
    """Processor seconds of all processes, and seconds, for a million entries."""
    began, started = time.perf_counter(), _processor_time()
    with file.open("rb") as lines:
        report = verify(lines, [notary.key], processes=processes)
    taken, lasted = _processor_time() - started, time.perf_counter() - began
    assert report.holds, report.fault
    return taken / AUDITED * MILLION, lasted / AUDITED * MILLION


def _processor_time() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _export(notary: Notary) -> Iterator[bytes]:
    """A step of an execution, again and again, as an export holds it."""
    sequencer, frontier = Sequencer(_BENCH, os.urandom), Frontier()
    logs = (LogSize(origin=sequencer.install, size=AUDITED),)
    yield Header(installation=_BENCH, logs=logs, fingerprint=notary.key.fingerprint).canonical() + b"\n"
    for number in range(AUDITED):
        draft = Draft(EntryKind.COMMANDED, datetime.now(UTC), _GATE, _SMALL, f"command:{number}")
        (made,) = sequencer.sequence(draft, lambda origin, at=frontier: at)  # type: ignore[misc]
        frontier = made.after
        yield exports.leaf_line(made.row)
    note = notary.sign(Checkpoint(sequencer.install, Head(frontier.size, frontier.root)))
    yield CheckpointLine(note=note).canonical() + b"\n"


def _hashing(file: Path) -> float:
    """Processor seconds of a hash for each leaf, body and node, and the root before every leaf, and of nothing else."""
    content = ContentLine(salt="00" * 32, body=_SMALL, by=str(_GATE)).content()
    leaf, body = file.read_bytes().split(b"\n", 2)[1][-600:], content.salt + content.body
    tree = Growing()
    started = time.process_time()
    for _ in range(AUDITED):
        hashlib.sha256(body).hexdigest()
        tree.add(merkle.leaf_hash(leaf))
        assert tree.root
    return time.process_time() - started


def _draft(number: int) -> Draft:
    """An entry with one tenant's part, as most are."""
    return Draft(
        kind=EntryKind.COMMANDED,
        at=datetime.now(UTC),
        by=_GATE,
        body=_BODY,
        key=f"entry:{number}",
        projections={TenantId("tenant-a"): {"text": "a part"}},
    )


if __name__ == "__main__":
    main("ledger", measure)
