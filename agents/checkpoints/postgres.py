"""Checkpoints in PostgreSQL: for several agent processes that share a database.

Made by `console.bootstrap` when a database is configured. A version comes from a sequence, so that a thread which was
deleted and begun anew never repeats one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agents.checkpoints.port import Address, Fenced, Held
from estate.errors import RetryLater

_SCHEMA = """
CREATE SEQUENCE IF NOT EXISTS placet_checkpoint_versions;
CREATE TABLE IF NOT EXISTS placet_checkpoints (
    thread text NOT NULL,
    namespace text NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (thread, namespace)
);
"""
_LOCK = 0x706C6163657401  # serialises the making of the schema among processes that start together
_INSERT = """
INSERT INTO placet_checkpoints (thread, namespace, version, document)
VALUES (%s, %s, nextval('placet_checkpoint_versions'), %s) ON CONFLICT DO NOTHING RETURNING version
"""
_UPDATE = """
UPDATE placet_checkpoints SET version = nextval('placet_checkpoint_versions'), document = %s
WHERE thread = %s AND namespace = %s AND version = %s RETURNING version
"""


class PostgresShelf:
    """See `port.Shelf`."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, connections: int = 8) -> AsyncIterator[PostgresShelf]:
        """A shelf on that database for the length of a block, its table made where it is missing.

        Raises:
            RetryLater: the database cannot be reached.
        """
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            dsn, min_size=1, max_size=connections, open=False, kwargs={"autocommit": True}
        )
        try:
            await pool.open(wait=True, timeout=10)
            async with pool.connection() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                await connection.execute(_SCHEMA)
        except (psycopg.Error, PoolTimeout) as error:
            await pool.close()
            raise RetryLater(f"checkpoint database cannot be used: {error}") from error
        try:
            yield cls(pool)
        finally:
            await pool.close()

    async def load(self, address: Address) -> Held | None:
        rows = await self._rows(
            "SELECT document, version FROM placet_checkpoints WHERE thread = %s AND namespace = %s",
            (address.thread, address.namespace),
        )
        return Held(bytes(rows[0][0]), int(rows[0][1])) if rows else None

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        if version is None:
            rows = await self._rows(_INSERT, (address.thread, address.namespace, data))
        else:
            rows = await self._rows(_UPDATE, (data, address.thread, address.namespace, version))
        if not rows:
            raise Fenced(f"thread `{address.thread}` was written by another run")
        return int(rows[0][0])

    async def delete(self, address: Address) -> None:
        await self._rows(
            "DELETE FROM placet_checkpoints WHERE thread = %s AND namespace = %s RETURNING version",
            (address.thread, address.namespace),
        )

    async def addresses(self, thread: str | None = None) -> tuple[Address, ...]:
        rows = await self._rows(
            "SELECT thread, namespace FROM placet_checkpoints WHERE %s::text IS NULL OR thread = %s ORDER BY 1, 2",
            (thread, thread),
        )
        return tuple(Address(str(row[0]), str(row[1])) for row in rows)

    async def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(statement, values)
                return list(await cursor.fetchall())
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise RetryLater(f"checkpoint database failed: {error}") from error
