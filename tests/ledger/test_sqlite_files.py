"""What only the file has: other processes, group commit, foreign files."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput, NeverRetry, NewerRecord, RetryLater
from estate.ids import InstallationId
from policies.ledger import merkle, statements
from policies.ledger.connections import Writer
from policies.ledger.leaves import install_origin
from policies.ledger.port import Draft, EntryKind, Fence, Fenced
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.verifier_keys import ledger_key
from policies.ledger.verifying import verify
from tests.builders import INSTALLATION
from tests.ledger.conftest import SIGNER, SIGNING, draft

EACH = 100


def commanded(key: str, **over: Any) -> Draft:
    """An entry that no other need precede."""
    return draft(key, EntryKind.COMMANDED, proposal=None, **over)


def append_many(path: Path, name: str, start: object) -> None:
    """The work of one process: entries of its own, and a race for one key in between."""

    async def run() -> None:
        ledger = await SqliteLedger.open(path, INSTALLATION)
        start.wait()  # type: ignore[attr-defined]
        await asyncio.gather(*(ledger.append(commanded(f"{name}:{i}", projections={})) for i in range(EACH // 2)))
        await ledger.append(commanded("raced:1"))
        for i in range(EACH // 2, EACH):
            await ledger.append(commanded(f"{name}:{i}"))
        await ledger.close()

    asyncio.run(run())


@pytest.mark.processes
async def test_processes_that_append_to_one_file_make_one_history(tmp_path: Path) -> None:
    """Gate and executor are two processes with one ledger."""
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=append_many, args=(path, name, start)) for name in ("gate", "executor")]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == 0
    ledger = await SqliteLedger.open(path, INSTALLATION, signing=SIGNING)
    entries = [entry async for entry in ledger.entries()]
    report = verify([line async for line in ledger.export()], [ledger_key(INSTALLATION, SIGNER.public_key)])
    await ledger.close()
    keys = {f"{name}:{i}" for name in ("gate", "executor") for i in range(EACH)} | {"raced:1"}
    assert {e.key for e in entries} == keys
    assert [e.index for e in entries] == list(range(len(keys)))
    assert report.fault is None


def append_for_ever(path: Path, told: Connection) -> None:
    """The work of a process that will be killed: it tells of each entry once that is durable."""

    async def run() -> None:
        ledger = await SqliteLedger.open(path, INSTALLATION)
        for i in itertools.count():
            await asyncio.gather(*(ledger.append(commanded(f"{i}:{n}")) for n in range(3)))
            told.send(i)

    asyncio.run(run())


@pytest.mark.processes
async def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    """A warrant that was consumed is consumed, whatever became of the process that heard so."""
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=append_for_ever, args=(path, tell))
    process.start()
    tell.close()
    acknowledged = [await asyncio.to_thread(told.recv) for _ in range(20)]
    process.kill()
    await asyncio.to_thread(process.join, 60)
    with contextlib.suppress(EOFError):
        while True:
            acknowledged.append(told.recv())
    ledger = await SqliteLedger.open(path, INSTALLATION, signing=SIGNING)
    kept = {e.key async for e in ledger.entries()}
    await ledger.append(commanded("after"))
    report = verify([line async for line in ledger.export()], [ledger_key(INSTALLATION, SIGNER.public_key)])
    await ledger.close()
    told.close()
    assert {f"{i}:{n}" for i in acknowledged for n in range(3)} <= kept
    assert report.fault is None


async def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    """One flush for many appends is what makes a ledger on a slow disk bearable."""
    path = tmp_path / "ledger.db"
    ledger = await SqliteLedger.open(path, INSTALLATION)
    watching = sqlite3.connect(path)

    def commits() -> int:
        return int(watching.execute("PRAGMA data_version").fetchone()[0])

    seen = {commits()}

    async def watch() -> None:
        while True:
            await asyncio.sleep(0)
            seen.add(commits())

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(ledger.append(draft(f"k:{i}")) for i in range(100)))
    watcher.cancel()
    seen.add(commits())
    watching.close()
    await ledger.close()
    assert len(seen) < 20


async def test_a_refused_append_takes_nobody_in_its_group_with_it(tmp_path: Path) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    await ledger.append(draft("first", fence=Fence("execution", 2)))
    drafts = [draft("a"), draft("b", fence=Fence("execution", 1)), draft("c d"), draft("e")]
    results = await asyncio.gather(*(ledger.append(d) for d in drafts), return_exceptions=True)
    kept = [e.key async for e in ledger.entries()]
    await ledger.close()
    assert kept == ["first", "a", "e"]
    assert isinstance(results[1], Fenced)
    assert isinstance(results[2], BadInput)


async def test_a_half_done_refusal_is_undone(tmp_path: Path) -> None:
    """A bug in one piece of work must leave no trace and end no thread."""
    path = tmp_path / "any.db"
    writer = Writer(path, lambda _, drafts: [ArithmeticError()] * len(drafts))
    await writer.submit(lambda connection: connection.execute("CREATE TABLE t (n INTEGER)"))

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise ArithmeticError("half way")

    with pytest.raises(ArithmeticError):
        await writer.submit(broken)
    left = await writer.submit(lambda connection: connection.execute("SELECT count(*) FROM t").fetchone()[0])
    await writer.close()
    assert left == 0


async def test_tables_of_the_first_format_are_gone_on_with(tmp_path: Path) -> None:
    """Every subtree has a row there, and each key an index of its own; what is added has neither need."""
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    for table in statements.schema("BLOB"):
        connection.execute(table)
    connection.executemany(statements.WRITE_SETTING, [("format", "1"), ("installation", INSTALLATION)])
    connection.execute(statements.WRITE_SUBTREE, (install_origin(INSTALLATION), 0, 0, b"not read any more"))
    connection.commit()
    connection.close()
    ledger = await SqliteLedger.open(path, INSTALLATION, signing=SIGNING)
    entries = [(await ledger.append(commanded(f"k:{i}"))).entry for i in range(3)]
    proof = await ledger.inclusion(install_origin(INSTALLATION), 1)
    await ledger.close()
    assert merkle.included(entries[1].leaf_hash, 1, proof.size, proof.hashes, proof.root)
    kept = sqlite3.connect(path)
    assert kept.execute(statements.READ_SETTING, ("format",)).fetchone() == (str(statements.FORMAT),)
    kept.close()


async def test_a_file_of_another_installation_or_a_newer_placet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await (await SqliteLedger.open(path, INSTALLATION)).close()
    with pytest.raises(BadInput, match="belongs to installation `test`"):
        await SqliteLedger.open(path, InstallationId("other"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE ledger_settings SET value = '3' WHERE name = 'format'")
    connection.commit()
    connection.close()
    with pytest.raises(NewerRecord, match="format 3"):
        await SqliteLedger.open(path, INSTALLATION)


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(NeverRetry, match="restore it"):
        await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    with pytest.raises(RetryLater, match="not available"):
        await SqliteLedger.open(tmp_path / "missing" / "ledger.db", INSTALLATION)


async def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    await ledger.close()
    await ledger.close()
    with pytest.raises(RetryLater, match="closed"):
        await ledger.append(draft())
    with pytest.raises(RetryLater, match="closed"):
        await ledger.find("a")


async def test_without_its_key_a_ledger_is_not_exported(tmp_path: Path) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    with pytest.raises(BadInput, match="without the ledger key"):
        await anext(aiter(ledger.export()))
    with pytest.raises(BadInput, match="without the ledger key"):
        await ledger.checkpoint()
    await ledger.close()
