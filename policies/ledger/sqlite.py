"""The ledger in one SQLite file, written with group commit (`policies.ledger.connections`).

Several processes may append to one file: every transaction starts with BEGIN IMMEDIATE and reads the frontiers anew,
never from a cache. An export reads one transaction on a connection of its own.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from estate.clocks import Entropy
from estate.ids import InstallationId
from policies.ledger import statements
from policies.ledger.connections import Reader, Writer, connect, translated
from policies.ledger.merkle import Frontier
from policies.ledger.notes import with_lines
from policies.ledger.port import Appended, Draft
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer, entry_made, entry_of
from policies.ledger.signing import NOTHING, Signing
from policies.ledger.sql import SqlLedger
from policies.ledger.statements import Statement


class SqliteLedger(SqlLedger):
    """A ledger in a file. Made by `open`; `close` waits for what was handed in."""

    def __init__(self, path: Path, sequencer: Sequencer, signing: Signing) -> None:
        self._path = path
        self._writer = Writer(path)
        self._connection = Reader(path)
        super().__init__(Reading(self._connection.query, sequencer.install), sequencer, signing)

    @classmethod
    async def open(
        cls,
        path: Path,
        installation: InstallationId,
        *,
        signing: Signing = NOTHING,
        entropy: Entropy = secrets.token_bytes,
    ) -> Self:
        """Open the file at `path`, or make it. Without `signing` it cannot be exported.

        Raises:
            NewerRecord: a newer Placet made it.
            BadInput: it belongs to another installation.
            RetryLater: it is busy.
        """
        await asyncio.to_thread(_prepare, path, installation)
        return cls(path, Sequencer(installation, entropy), signing)

    async def append(self, draft: Draft) -> Appended:
        """See the port."""
        return await self._writer.submit(lambda connection: _append(connection, self._sequencer, draft))

    async def erase(self, key: str) -> int:
        """See `policies.ledger.archives`."""
        return await self._writer.submit(lambda connection: _erase(connection, key))

    async def close(self) -> None:
        """See the port."""
        await self._writer.close()
        await self._connection.close()

    async def _keep(self, signed: dict[str, tuple[int, str]]) -> None:
        notes: list[Statement] = [(statements.WRITE_NOTE, (o, size, note)) for o, (size, note) in signed.items()]
        await self._writer.submit(lambda connection: _write(connection, notes))

    async def _cosigned(self, origin: str, size: int, lines: Sequence[str]) -> str:
        return await self._writer.submit(lambda connection: _cosign(connection, origin, size, lines))

    @asynccontextmanager
    async def _moment(self) -> AsyncIterator[Reading]:
        connection = Reader(self._path)
        try:
            await connection.query("BEGIN", ())
            yield Reading(connection.query, self._sequencer.install)
        finally:
            await connection.close()


def _prepare(path: Path, installation: InstallationId) -> None:
    """Make the tables where they are missing, and refuse what is not ours."""
    try:
        connection = connect(path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table in statements.schema("BLOB"):
                connection.execute(table)
            settings = {"format": str(statements.FORMAT), "installation": str(installation)}
            for setting in settings.items():
                connection.execute(statements.WRITE_SETTING, setting)
            found = [connection.execute(statements.READ_SETTING, (name,)).fetchone()[0] for name in settings]
            statements.check_settings(installation, *found)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error, path) from error


def _append(connection: sqlite3.Connection, sequencer: Sequencer, draft: Draft) -> Appended:
    """One append inside the writer's transaction. Refuses before it writes."""
    if fence := draft.fence:
        statements.check_fence(fence, connection.execute(statements.READ_FENCE, (fence.scope,)).fetchone())
        connection.execute(statements.WRITE_FENCE, (fence.scope, fence.token))
    known = connection.execute(statements.READ_BY_KEY, (sequencer.install, draft.key)).fetchone()
    if known is not None:
        return Appended(entry_of(statements.row_of(known)), created=False)
    made = sequencer.sequence(draft, lambda origin: _frontier(connection, origin))
    _write(connection, statements.writes(made, draft))
    return Appended(entry_made(made[-1], draft), created=True)


def _frontier(connection: sqlite3.Connection, origin: str) -> Frontier:
    record = connection.execute(statements.READ_LOG, (origin,)).fetchone()
    return Frontier.read(*record) if record else Frontier()


def _write(connection: sqlite3.Connection, written: Iterable[Statement]) -> None:
    for statement, arguments in written:
        connection.execute(statement, arguments)


def _erase(connection: sqlite3.Connection, key: str) -> int:
    """The bytes are overwritten, not only set free."""
    connection.execute("PRAGMA secure_delete = ON")
    return connection.execute(statements.ERASE, (key,)).rowcount


def _cosign(connection: sqlite3.Connection, origin: str, size: int, lines: Sequence[str]) -> str:
    (note,) = connection.execute(statements.READ_NOTE, (origin, size)).fetchone()
    cosigned = with_lines(note, lines)
    connection.execute(statements.COSIGN_NOTE, (cosigned, origin, size))
    return cosigned
