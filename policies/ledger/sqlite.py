"""The ledger in one SQLite file, written with group commit (`policies.ledger.connections`).

Several processes may append to one file: every transaction starts with BEGIN IMMEDIATE and reads the frontiers anew,
never from a cache; what waits together is one transaction (`groups`). An export reads one transaction on a connection
of its own.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from estate.clocks import Entropy
from estate.ids import InstallationId
from policies.ledger import statements
from policies.ledger.connections import Reader, Writer, connect, translated
from policies.ledger.groups import Before, Group, Outcome, asked
from policies.ledger.notes import with_lines
from policies.ledger.port import Appended, Draft
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer
from policies.ledger.signing import NOTHING, Signing
from policies.ledger.sql import SqlLedger
from policies.ledger.statements import Statement


class SqliteLedger(SqlLedger):
    """A ledger in a file. Made by `open`; `close` waits for what was handed in."""

    def __init__(self, path: Path, sequencer: Sequencer, signing: Signing) -> None:
        self._path = path
        self._writer = Writer(path, self._append)
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
        return await self._writer.append(draft)

    async def erase(self, key: str) -> int:
        """See `policies.ledger.archives`."""
        return await self._writer.submit(lambda connection: _erase(connection, key))

    async def close(self) -> None:
        """See the port."""
        await self._writer.close()
        await self._connection.close()

    def _append(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        """Append what waited, inside the writer's transaction. Refuses before it writes."""
        group = Group.of(drafts, _before(connection, drafts, self._sequencer), self._sequencer)
        for statement, rows in group.rows():
            connection.executemany(statement, rows)
        return group.outcomes

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
            connection.execute(statements.RENEW_FORMAT, (str(statements.FORMAT),))
            found = [connection.execute(statements.READ_SETTING, (name,)).fetchone()[0] for name in settings]
            statements.check_settings(installation, *found)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error, path) from error


def _before(connection: sqlite3.Connection, drafts: Sequence[Draft], sequencer: Sequencer) -> Before:
    def read(statement: Callable[[int], str], names: Iterable[str], *first: str) -> Iterable[Sequence[Any]]:
        arguments = asked([*dict.fromkeys(names)])
        return connection.execute(statement(len(arguments)), (*first, *arguments)) if arguments else ()

    entries = read(statements.read_by_keys, (d.key for d in drafts), sequencer.install)
    logs = read(statements.read_logs, (o for d in drafts for o in sequencer.origins(d)))
    tokens = read(statements.read_fences, (d.fence.scope for d in drafts if d.fence))
    return Before.read(entries, logs, tokens)


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
