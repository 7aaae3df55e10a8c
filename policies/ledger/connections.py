"""SQLite connections, each with a thread that owns it: one `Writer` with group commit, and `Reader`s.

WAL with `synchronous=FULL`. Work that waits while the writer is busy shares its next transaction, so a disk that
flushes slowly slows no more than the first of them; a waiter is told only once its transaction is on disk. Drafts that
wait are appended together (`groups`), other work alone. Work that refuses is undone alone (a savepoint each); a fault
of the database fails its whole group.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from estate.errors import NeverRetry, PlacetError, RetryLater
from policies.ledger.groups import Outcome
from policies.ledger.port import Appended, Draft
from policies.ledger.statements import Value

BUSY_SECONDS = 10.0
LARGEST_GROUP = 256

type Work[T] = Callable[[sqlite3.Connection], T]
type Appending = Callable[[sqlite3.Connection, Sequence[Draft]], Sequence[Outcome]]


class Writer:
    """The thread that writes, and the queue in front of it. `appending` appends drafts that waited together."""

    def __init__(self, path: Path, appending: Appending) -> None:
        self._path = path
        self._appending = appending
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def submit[T](self, work: Work[T]) -> T:
        """Run `work` in a transaction that is durable when this returns."""
        done: T = await self._submitted(work)
        return done

    async def append(self, draft: Draft) -> Appended:
        """Append with whatever waits, in a transaction that is durable when this returns."""
        appended: Appended = await self._submitted(draft)
        return appended

    async def close(self) -> None:
        """Finish what was handed in, then end the thread."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _submitted(self, asked: Work[Any] | Draft) -> Any:
        if self._closed:
            raise _closed()
        job = _Job(asked, asyncio.get_running_loop().create_future())
        self._waiting.put(job)
        return await job.done

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while group := self._next_group():
            try:
                connection = connection or connect(self._path)
                _commit(connection, group, self._appending)
            except sqlite3.Error as error:
                for job in group:
                    job.outcome = translated(error, self._path)
            _tell(group)
        if connection is not None:
            connection.close()

    def _next_group(self) -> list[_Job]:
        """The jobs that waited; none when there will be no more. One that is taken cannot be cancelled any more."""
        group: list[_Job] = []
        while len(group) < LARGEST_GROUP:
            try:
                job = self._waiting.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                self._waiting.put(None)
                break
            if not job.done.cancelled():
                group.append(job)
        return group


@dataclass(slots=True)
class _Job:
    """Work for the writer or a draft, the future that waits for it, and how it went."""

    asked: Work[Any] | Draft
    done: asyncio.Future[Any]
    outcome: Any = None

    def settle(self) -> None:
        """Tell the waiter, in the waiter's loop."""
        if self.done.done():  # cancelled after it was taken
            return
        if isinstance(self.outcome, Exception):
            self.done.set_exception(self.outcome)
        else:
            self.done.set_result(self.outcome)


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


def _commit(connection: sqlite3.Connection, group: Sequence[_Job], appending: Appending) -> None:
    """Run the whole group in one transaction."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for drafts, jobs in groupby(group, key=lambda job: isinstance(job.asked, Draft)):
            if drafts:
                _append(connection, [*jobs], appending)
            else:
                for job in jobs:
                    _run_alone(connection, job)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _append(connection: sqlite3.Connection, jobs: Sequence[_Job], appending: Appending) -> None:
    drafts = [job.asked for job in jobs if isinstance(job.asked, Draft)]
    outcomes = _guarded(connection, lambda at: appending(at, drafts), len(drafts))
    for job, outcome in zip(jobs, outcomes, strict=True):
        job.outcome = outcome


def _run_alone(connection: sqlite3.Connection, job: _Job) -> None:
    work = job.asked
    assert not isinstance(work, Draft)
    (job.outcome,) = _guarded(connection, lambda at: [work(at)], 1)


def _guarded(connection: sqlite3.Connection, work: Work[Sequence[Any]], count: int) -> Sequence[Any]:
    """So many outcomes of work; where it refuses, that it did, and nothing of what was half done."""
    connection.execute("SAVEPOINT work")
    try:
        outcomes = work(connection)
    except sqlite3.Error:
        raise
    except Exception as refusal:
        connection.execute("ROLLBACK TO work")
        outcomes = [refusal] * count
    connection.execute("RELEASE work")
    return outcomes


def _tell(group: Iterable[_Job]) -> None:
    """Tell every waiter how it went, each loop once: to wake a loop costs as much as to append."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        loops.setdefault(job.done.get_loop(), []).append(job)
    for loop, jobs in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(_settle, jobs)


def _settle(jobs: Iterable[_Job]) -> None:
    for job in jobs:
        job.settle()
