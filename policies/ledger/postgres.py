"""The ledger in PostgreSQL, for installations whose gate and executors run on several machines.

One advisory lock per installation orders appends: a transaction takes it first, so the frontiers it then reads are the
newest. An export reads one REPEATABLE READ transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from estate.clocks import Entropy
from estate.errors import NeverRetry, PlacetError, RetryLater
from estate.ids import InstallationId
from policies.ledger import statements
from policies.ledger.groups import Before, Group, Outcome, asked
from policies.ledger.notes import with_lines
from policies.ledger.port import Appended, Draft
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer
from policies.ledger.signing import NOTHING, Signing
from policies.ledger.sql import SqlLedger
from policies.ledger.statements import Statement, Value

LARGEST_POOL = 4
CONNECT_SECONDS = 10.0
LARGEST_GROUP = 256

type Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]


class PostgresLedger(SqlLedger):
    """A ledger in a database of its own or beside other tables (its own begin with `ledger_`). Made by `open`."""

    def __init__(self, pool: Pool, sequencer: Sequencer, signing: Signing) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()  # protects nothing but the order: one transaction appends at a time
        super().__init__(Reading(self._query, sequencer.install), sequencer, signing)

    @classmethod
    async def open(
        cls,
        dsn: str,
        installation: InstallationId,
        *,
        signing: Signing = NOTHING,
        entropy: Entropy = secrets.token_bytes,
        patience_seconds: float = CONNECT_SECONDS,
    ) -> Self:
        """Connect, and make the tables where they are missing. Without `signing` it cannot be exported.

        `patience_seconds` is how long opening, and later any call, waits for a connection.

        Raises:
            NewerRecord: a newer Placet made them.
            BadInput: they belong to another installation.
            RetryLater: the server does not answer.
        """
        pool: Pool = AsyncConnectionPool(
            dsn, min_size=1, max_size=LARGEST_POOL, timeout=patience_seconds, open=False, kwargs={"autocommit": True}
        )
        ledger = cls(pool, Sequencer(installation, entropy), signing)
        try:
            await ledger._prepare()
        except BaseException:
            await pool.close()
            raise
        return ledger

    async def append(self, draft: Draft) -> Appended:
        """See the port. Whatever waits while a transaction is under way shares the next one."""
        waiting = _Waiting(draft)
        self._waiting.append(waiting)
        try:
            async with self._turn:
                while waiting.outcome is None:
                    await self._append_group()
        finally:
            if waiting in self._waiting:  # cancelled before its turn
                self._waiting.remove(waiting)
        if isinstance(waiting.outcome, Exception):
            raise waiting.outcome
        return waiting.outcome

    async def erase(self, key: str) -> int:
        """See `policies.ledger.archives`."""
        async with self._transaction() as connection:
            return (await _run(connection, statements.ERASE, (key,))).rowcount

    async def close(self) -> None:
        """See the port."""
        await self._pool.close()

    async def _append_group(self) -> None:
        """Append what waits, in one transaction. Whoever is cancelled in it leaves the others waiting."""
        group = self._waiting[:LARGEST_GROUP]
        del self._waiting[:LARGEST_GROUP]
        try:
            outcomes = await self._appended([w.draft for w in group])
        except Exception as error:
            outcomes = [error] * len(group)
        except BaseException:
            self._waiting[:0] = group
            raise
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.outcome = outcome

    async def _appended(self, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        async with self._transaction() as connection:
            group = Group.of(drafts, await self._before(connection, drafts), self._sequencer)
            async with connection.pipeline(), connection.cursor() as cursor:
                for statement, rows in group.rows():
                    await cursor.executemany(statement.replace("?", "%s").encode(), rows)
        return group.outcomes

    async def _before(self, connection: AsyncConnection[tuple[Any, ...]], drafts: Sequence[Draft]) -> Before:
        async def read(statement: Callable[[int], str], names: Iterable[str], *first: str) -> Sequence[Sequence[Any]]:
            arguments = asked([*dict.fromkeys(names)])
            if not arguments:
                return ()
            return await (await _run(connection, statement(len(arguments)), (*first, *arguments))).fetchall()

        entries = await read(statements.read_by_keys, (d.key for d in drafts), self._sequencer.install)
        logs = await read(statements.read_logs, (o for d in drafts for o in self._sequencer.origins(d)))
        tokens = await read(statements.read_fences, (d.fence.scope for d in drafts if d.fence))
        return Before.read(entries, logs, tokens)

    async def _prepare(self) -> None:
        async with _translating():
            await self._pool.open(wait=True, timeout=self._pool.timeout)
        installation = self._sequencer.installation
        async with self._transaction() as connection:
            for table in statements.schema("BYTEA"):
                await _run(connection, table, ())
            settings = {"format": str(statements.FORMAT), "installation": str(installation)}
            for setting in settings.items():
                await _run(connection, statements.WRITE_SETTING, setting)
            await _run(connection, statements.RENEW_FORMAT, (str(statements.FORMAT),))
            found = [await _one(connection, statements.READ_SETTING, (name,)) for name in settings]
            statements.check_settings(installation, *(record[0] for record in found if record))

    async def _keep(self, signed: dict[str, tuple[int, str]]) -> None:
        async with self._transaction() as connection:
            notes = [(statements.WRITE_NOTE, (o, size, note)) for o, (size, note) in signed.items()]
            await _write(connection, notes)

    async def _cosigned(self, origin: str, size: int, lines: Sequence[str]) -> str:
        async with self._transaction() as connection:
            kept = await _one(connection, statements.READ_NOTE, (origin, size))
            assert kept is not None, "a checkpoint is kept before it is shown"
            cosigned = with_lines(kept[0], lines)
            await _run(connection, statements.COSIGN_NOTE, (cosigned, origin, size))
        return cosigned

    async def _query(self, statement: str, arguments: Sequence[Value]) -> Sequence[Sequence[Any]]:
        async with _translating(), self._pool.connection() as connection:
            return await (await _run(connection, statement, arguments)).fetchall()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """A writing transaction, alone in this installation and durable once left."""
        async with _translating(), self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit TO on")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_lock(self._sequencer.install),))
            yield connection

    @asynccontextmanager
    async def _moment(self) -> AsyncIterator[Reading]:
        async with _translating(), self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

            async def query(statement: str, arguments: Sequence[Value]) -> Sequence[Sequence[Any]]:
                return await (await _run(connection, statement, arguments)).fetchall()

            yield Reading(query, self._sequencer.install)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A draft, and how it went once it was its turn."""

    draft: Draft
    outcome: Outcome | None = None


@asynccontextmanager
async def _translating() -> AsyncIterator[None]:
    """PostgreSQL's errors as Placet's: what a reconnect or another try may mend, and what it cannot."""
    try:
        yield
    except PlacetError:
        raise
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise RetryLater(f"the ledger's database is not available now: {error}") from error
    except psycopg.Error as error:
        raise NeverRetry(f"the ledger's database refused: {error}; check that its tables are placet's") from error


async def _run(
    connection: AsyncConnection[tuple[Any, ...]], statement: str, arguments: Sequence[Value]
) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    return await connection.execute(statement.replace("?", "%s").encode(), arguments)


async def _one(
    connection: AsyncConnection[tuple[Any, ...]], statement: str, arguments: Sequence[Value]
) -> tuple[Any, ...] | None:
    return await (await _run(connection, statement, arguments)).fetchone()


async def _write(connection: AsyncConnection[tuple[Any, ...]], written: Iterable[Statement]) -> None:
    async with connection.pipeline():
        for statement, arguments in written:
            await _run(connection, statement, arguments)


def _lock(install: str) -> int:
    """The advisory lock of an installation, as PostgreSQL counts them: a signed 64-bit number."""
    return int.from_bytes(hashlib.sha256(install.encode()).digest()[:8], signed=True)
