"""SQLite connections, each with a thread that owns it: one `Writer` with group commit, and `Reader`s.

WAL with `synchronous=FULL`. Work that waits while the writer is busy shares its next transaction, so a disk that
flushes slowly slows no more than the first of them; a waiter is told only once its transaction is on disk. Work that
refuses is undone alone (a savepoint each); a fault of the database fails its whole group.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from estate.errors import NeverRetry, PlacetError, RetryLater
from policies.ledger.statements import Value

BUSY_SECONDS = 10.0
LARGEST_GROUP = 128

type Work[T] = Callable[[sqlite3.Connection], T]


class Writer:
    """The thread that writes, and the queue in front of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def submit[T](self, work: Work[T]) -> T:
        """Run `work` in a transaction that is durable when this returns."""
        if self._closed:
            raise _closed()
        done: Future[T] = Future()
        self._waiting.put(_Job(work, done))
        return await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Finish what was handed in, then end the thread."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while group := self._next_group():
            try:
                connection = connection or connect(self._path)
                _commit(connection, group)
            except sqlite3.Error as error:
                for job in group:
                    job.fail(translated(error, self._path))
        if connection is not None:
            connection.close()

    def _next_group(self) -> list[_Job]:
        """The jobs that waited; none when there will be no more."""
        group: list[_Job] = []
        while len(group) < LARGEST_GROUP:
            try:
                job = self._waiting.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                self._waiting.put(None)
                break
            if job.wanted():
                group.append(job)
        return group


class _Job:
    """Work for the writer, and the future that waits for it."""

    def __init__(self, work: Work[Any], done: Future[Any]) -> None:
        self._work = work
        self._done = done
        self._result: Any = None
        self._refusal: Exception | None = None

    def wanted(self) -> bool:
        """Whether somebody still waits for it; from here on it cannot be cancelled."""
        return self._done.set_running_or_notify_cancel()

    def run(self, connection: sqlite3.Connection) -> None:
        """Do it, or undo what a refusal left half done. A fault of the database is the group's."""
        connection.execute("SAVEPOINT job")
        try:
            self._result = self._work(connection)
        except sqlite3.Error:
            raise
        except Exception as refusal:
            self._refusal = refusal
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def tell(self) -> None:
        """Tell the waiter how it went, now that it is durable."""
        if self._refusal is not None:
            self._done.set_exception(self._refusal)
        else:
            self._done.set_result(self._result)

    def fail(self, error: PlacetError) -> None:
        """Tell the waiter that nothing was written."""
        self._done.set_exception(error)


class Reader:
    """A connection with a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reader")

    async def query(self, statement: str, arguments: Sequence[Value]) -> Sequence[Sequence[Any]]:
        """All records of `statement`."""
        if self._closed:
            raise _closed()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch, statement, arguments)

    async def close(self) -> None:
        """Close connection and thread."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._release)
        self._thread.shutdown()

    def _fetch(self, statement: str, arguments: Sequence[Value]) -> list[Any]:
        try:
            self._connection = self._connection or connect(self._path)
            return self._connection.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection of the calling thread, without implicit transactions."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def translated(error: sqlite3.Error, path: Path) -> PlacetError:
    """A passing fault (busy, disk full) may be tried again; a file that is no ledger may not. The cause is kept."""
    found: PlacetError = NeverRetry(f"ledger `{path}` cannot be used: {error}; restore it from a backup")
    if isinstance(error, sqlite3.OperationalError):
        found = RetryLater(f"ledger `{path}` is not available now: {error}")
    found.__cause__ = error
    return found


def _closed() -> RetryLater:
    return RetryLater("the ledger is closed; open it again")


def _commit(connection: sqlite3.Connection, group: list[_Job]) -> None:
    """Run the whole group in one transaction and tell every waiter once it is on disk."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in group:
            job.run(connection)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    for job in group:
        job.tell()
