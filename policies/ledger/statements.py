"""The SQL that SQLite and PostgreSQL share. Placeholders are `?`; the PostgreSQL adapter turns them into `%s`.

Leaves are only ever inserted. The install log's leaves are indexed by what `entries` narrows by; contents stand in a
table of their own, so that erasing one touches no leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from estate.errors import BadInput, NewerRecord
from estate.ids import Digest, IncidentId
from policies.ledger.leaves import Content
from policies.ledger.merkle import Subtree
from policies.ledger.port import EntryKind, Fence, Fenced
from policies.ledger.sequencing import Row

FORMAT = 2
"""The format number of these tables; a newer one is refused. Before 2 every subtree was kept; what was is not read."""
KEPT_LEVEL = 8
"""From which level on subtrees are kept. Those below are made of at most 256 leaves' hashes when a proof needs them."""


def schema(blob: str) -> tuple[str, ...]:
    """The tables, where `blob` is the database's type for bytes."""
    return (
        "CREATE TABLE IF NOT EXISTS ledger_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS ledger_logs (origin TEXT PRIMARY KEY, size BIGINT NOT NULL,"
        f" peaks {blob} NOT NULL)",
        "CREATE TABLE IF NOT EXISTS ledger_leaves (origin TEXT NOT NULL, place BIGINT NOT NULL,"
        f" data {blob} NOT NULL, hash {blob} NOT NULL, PRIMARY KEY (origin, place))",
        "CREATE TABLE IF NOT EXISTS ledger_subtrees (origin TEXT NOT NULL, level INTEGER NOT NULL,"
        f" place BIGINT NOT NULL, hash {blob} NOT NULL, PRIMARY KEY (origin, level, place))",
        "CREATE TABLE IF NOT EXISTS ledger_contents (origin TEXT NOT NULL, place BIGINT NOT NULL, key TEXT NOT NULL,"
        f" salt {blob} NOT NULL, body {blob} NOT NULL, author TEXT NOT NULL, PRIMARY KEY (origin, place))",
        "CREATE INDEX IF NOT EXISTS ledger_contents_by_key ON ledger_contents (key)",
        "CREATE TABLE IF NOT EXISTS ledger_entries (place BIGINT PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
        " kind TEXT NOT NULL, incident TEXT, proposal TEXT)",
        "CREATE INDEX IF NOT EXISTS ledger_entries_by_kind ON ledger_entries (kind, place)",
        "CREATE INDEX IF NOT EXISTS ledger_entries_by_incident ON ledger_entries (incident, place)",
        "CREATE INDEX IF NOT EXISTS ledger_entries_by_proposal ON ledger_entries (proposal, place)",
        "CREATE TABLE IF NOT EXISTS ledger_fences (scope TEXT PRIMARY KEY, token BIGINT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS ledger_notes (origin TEXT NOT NULL, size BIGINT NOT NULL, note TEXT NOT NULL,"
        " PRIMARY KEY (origin, size))",
    )


READ_SETTING = "SELECT value FROM ledger_settings WHERE name = ?"
RENEW_FORMAT = "UPDATE ledger_settings SET value = ? WHERE name = 'format' AND value = '1'"
WRITE_SETTING = "INSERT INTO ledger_settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"

READ_LOGS = "SELECT origin, size, peaks FROM ledger_logs"
_READ_SOME_LOGS = f"{READ_LOGS} WHERE origin IN "
READ_LOG = "SELECT size, peaks FROM ledger_logs WHERE origin = ?"
WRITE_LEAF = "INSERT INTO ledger_leaves (origin, place, data, hash) VALUES (?, ?, ?, ?)"
WRITE_SUBTREE = "INSERT INTO ledger_subtrees (origin, level, place, hash) VALUES (?, ?, ?, ?)"
WRITE_CONTENT = "INSERT INTO ledger_contents (origin, place, key, salt, body, author) VALUES (?, ?, ?, ?, ?, ?)"
WRITE_LOG = (
    "INSERT INTO ledger_logs (origin, size, peaks) VALUES (?, ?, ?)"
    " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, peaks = excluded.peaks"
)
WRITE_ENTRY = "INSERT INTO ledger_entries (place, key, kind, incident, proposal) VALUES (?, ?, ?, ?, ?)"

READ_HASHES = "SELECT hash FROM ledger_leaves WHERE origin = ? AND place >= ? AND place < ? ORDER BY place"
READ_SUBTREES = "SELECT level, place, hash FROM ledger_subtrees WHERE origin = ? AND (level, place) IN (VALUES "

_READ_FENCES = "SELECT scope, token FROM ledger_fences WHERE scope IN "
WRITE_FENCE = (
    "INSERT INTO ledger_fences (scope, token) VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET token = excluded.token"
)

READ_NOTES = "SELECT note FROM ledger_notes WHERE origin = ? AND size < ? ORDER BY size"
WRITE_NOTE = "INSERT INTO ledger_notes (origin, size, note) VALUES (?, ?, ?) ON CONFLICT (origin, size) DO NOTHING"
READ_NOTE = "SELECT note FROM ledger_notes WHERE origin = ? AND size = ?"
COSIGN_NOTE = "UPDATE ledger_notes SET note = ? WHERE origin = ? AND size = ?"

ERASE = "DELETE FROM ledger_contents WHERE key = ?"

_ROW = (
    "SELECT l.data, l.hash, c.salt, c.body, c.author, l.place FROM ledger_leaves l"
    " LEFT JOIN ledger_contents c ON c.origin = l.origin AND c.place = l.place"
)
READ_ROWS = f"{_ROW} WHERE l.origin = ? AND l.place > ? ORDER BY l.place LIMIT ?"
READ_BY_KEY = f"{_ROW} JOIN ledger_entries e ON e.place = l.place WHERE l.origin = ? AND e.key = ?"
_READ_BY_KEYS = (
    f"{_ROW.replace(', l.place FROM', ', e.key FROM')} JOIN ledger_entries e ON e.place = l.place"
    " WHERE l.origin = ? AND e.key IN "
)


def read_entries(
    kind: EntryKind | None, incident: IncidentId | None, proposal: Digest | None
) -> tuple[str, tuple[str, ...]]:
    """The statement for a page of entries and the arguments that follow origin and place; the limit comes last."""
    asked = {"kind": kind.value if kind else None, "incident": incident, "proposal": proposal}
    given = {column: value for column, value in asked.items() if value is not None}
    narrowed = "".join(f" AND e.{column} = ?" for column in given)
    statement = (
        f"{_ROW} JOIN ledger_entries e ON e.place = l.place"
        f" WHERE l.origin = ? AND e.place > ?{narrowed} ORDER BY e.place LIMIT ?"
    )
    return statement, tuple(given.values())


def read_subtrees(count: int) -> str:
    """The statement that reads that many subtrees of one log; arguments: origin, then level and place of each."""
    return READ_SUBTREES + ", ".join(["(?, ?)"] * count) + ")"


type Value = str | int | bytes | None
type Statement = tuple[str, tuple[Value, ...]]


def kept(subtree: Subtree) -> bool:
    """Whether a subtree has a row of its own."""
    return subtree.level >= KEPT_LEVEL


@lru_cache(maxsize=64)
def _among(statement: str, count: int) -> str:
    return f"{statement}({', '.join('?' * count)})"


def read_by_keys(count: int) -> str:
    """The statement that reads entries by so many keys; arguments: the install log's origin, then the keys."""
    return _among(_READ_BY_KEYS, count)


def read_logs(count: int) -> str:
    """The statement that reads so many logs by origin."""
    return _among(_READ_SOME_LOGS, count)


def read_fences(count: int) -> str:
    """The statement that reads the tokens of so many scopes."""
    return _among(_READ_FENCES, count)


def row_of(record: Sequence[Any]) -> Row:
    """A leaf as `_ROW` reads it."""
    data, hashed, salt, body, author, _ = record
    content = None if salt is None else Content(bytes(salt), bytes(body), author)
    return Row(bytes(data), bytes(hashed), content)


def check_fence(fence: Fence, seen: int | None) -> None:
    """Refuse a holder that a newer one has taken over from; `seen` is the newest token. Raises Fenced."""
    if seen is not None and fence.token < seen:
        raise Fenced(f"`{fence.scope}` was taken over under token {seen}, this holder has {fence.token}; stop")


def check_settings(installation: str, found_format: str, found_installation: str) -> None:
    """Refuse tables of a newer Placet or of another installation. Raises NewerRecord or BadInput."""
    if int(found_format) > FORMAT:
        raise NewerRecord(
            f"ledger format {found_format} was written by a newer placet (this one knows {FORMAT}); upgrade"
        )
    if found_installation != installation:
        raise BadInput(f"this ledger belongs to installation `{found_installation}`, not `{installation}`; use its own")
