"""The ledger in PostgreSQL, for installations whose gate and executors run on several machines.

One advisory lock per installation orders appends: a transaction takes it first, so the frontiers it then reads are the
newest. An export reads one REPEATABLE READ transaction.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from estate.clocks import Entropy
from estate.errors import NeverRetry, PlacetError, RetryLater
from estate.ids import InstallationId
from policies.ledger import statements
from policies.ledger.merkle import Frontier
from policies.ledger.notes import with_lines
from policies.ledger.port import Appended, Draft
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer, entry_made, entry_of
from policies.ledger.signing import NOTHING, Signing
from policies.ledger.sql import SqlLedger
from policies.ledger.statements import Statement, Value

LARGEST_POOL = 4
CONNECT_SECONDS = 10.0

type Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]


class PostgresLedger(SqlLedger):
    """A ledger in a database of its own or beside other tables (its own begin with `ledger_`). Made by `open`."""

    def __init__(self, pool: Pool, sequencer: Sequencer, signing: Signing) -> None:
        self._pool = pool
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
        """See the port."""
        async with self._transaction() as connection:
            if fence := draft.fence:
                statements.check_fence(fence, await _one(connection, statements.READ_FENCE, (fence.scope,)))
                await _run(connection, statements.WRITE_FENCE, (fence.scope, fence.token))
            known = await _one(connection, statements.READ_BY_KEY, (self._sequencer.install, draft.key))
            if known is not None:
                return Appended(entry_of(statements.row_of(known)), created=False)
            frontiers = {o: await _frontier(connection, o) for o in self._sequencer.origins(draft)}
            made = self._sequencer.sequence(draft, frontiers.__getitem__)
            await _write(connection, statements.writes(made, draft))
        return Appended(entry_made(made[-1], draft), created=True)

    async def erase(self, key: str) -> int:
        """See `policies.ledger.archives`."""
        async with self._transaction() as connection:
            return (await _run(connection, statements.ERASE, (key,))).rowcount

    async def close(self) -> None:
        """See the port."""
        await self._pool.close()

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


async def _frontier(connection: AsyncConnection[tuple[Any, ...]], origin: str) -> Frontier:
    record = await _one(connection, statements.READ_LOG, (origin,))
    return Frontier.read(record[0], bytes(record[1])) if record else Frontier()


async def _write(connection: AsyncConnection[tuple[Any, ...]], written: Iterable[Statement]) -> None:
    async with connection.pipeline():
        for statement, arguments in written:
            await _run(connection, statement, arguments)


def _lock(install: str) -> int:
    """The advisory lock of an installation, as PostgreSQL counts them: a signed 64-bit number."""
    return int.from_bytes(hashlib.sha256(install.encode()).digest()[:8], signed=True)
